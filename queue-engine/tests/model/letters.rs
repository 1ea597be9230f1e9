//! Dead letters in the model: where they go, and how those wait that must arrive and nothing takes.
use std::collections::VecDeque;

use queue_engine::{DeadLetterStrategy, FailedAttempt, Reason};

use crate::book::Book;
use crate::queue::{Death, Letter, NEVER, State};

const FIRST_WAIT: i64 = 1_000;
const LONGEST_WAIT: i64 = 60_000;
const AFTER_PROGRESS: i64 = 100;

/// Dead letters that nothing took, and when they are tried again.
#[derive(Clone, Debug)]
pub struct Waiting {
    letters: VecDeque<(u32, u64, Reason)>,
    due: i64,
    wait: i64,
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting { letters: VecDeque::new(), due: NEVER, wait: FIRST_WAIT }
    }
}

impl Waiting {
    fn due(&self) -> i64 {
        if self.letters.is_empty() { NEVER } else { self.due }
    }

    /// Something was defined anew that may help.
    pub fn hurry(&mut self) {
        (self.due, self.wait) = (0, FIRST_WAIT);
    }

    fn progress(&mut self, now: i64) {
        (self.due, self.wait) = (self.due.min(now + AFTER_PROGRESS), FIRST_WAIT);
    }

    pub fn keep(&mut self, letter: (u32, u64, Reason), now: i64) {
        self.due = self.due().min(now + self.wait);
        self.letters.push_back(letter);
    }
}

impl Book {
    pub fn retry_waiting(&mut self, now: i64) {
        if self.waiting.due() <= now {
            (self.waiting.due, self.waiting.wait) = (NEVER, (self.waiting.wait * 2).min(LONGEST_WAIT));
            let taken = std::mem::take(&mut self.waiting.letters);
            taken.into_iter().rev().for_each(|letter| self.dying.push_front(letter));
        }
    }

    /// After a crash all of them are tried at once.
    pub fn revive_waiting(&mut self) {
        self.dying.clear();
        for (id, queue) in &self.queues {
            let dying = queue.entries.iter().filter_map(|(sequence, entry)| match entry.state {
                State::Dying(reason) => Some((*id, *sequence, reason)),
                _ => None,
            });
            self.dying.extend(dying);
        }
    }

    /// `history` is that of a message that leaves its queue; a copy of one that was refused is published like any other.
    /// Answers whether it is gone: where dead letters must arrive, it waits for whoever takes it.
    pub fn dead_letter(
        &mut self,
        id: u32,
        letter: &Letter,
        history: Option<&[FailedAttempt]>,
        reason: Reason,
        now: i64,
    ) -> bool {
        let queue = &self.queues[&id];
        let Some(exchange) = queue.options.dead_letter_exchange.clone() else { return true };
        let must_arrive =
            history.is_some() && queue.options.dead_letter_strategy == Some(DeadLetterStrategy::AtLeastOnce);
        let key = queue.options.dead_letter_routing_key.clone().unwrap_or(letter.key.clone());
        let mut deaths = letter.deaths.clone();
        let again = deaths.iter().position(|death| death.queue == queue.name && death.reason == reason);
        let (queue_name, from, from_key) = (queue.name.clone(), letter.exchange.clone(), letter.key.clone());
        let first = Death { queue: queue_name, reason, count: 0, exchange: from, key: from_key };
        let death = again.map_or(first, |at| deaths.remove(at));
        deaths.insert(0, Death { count: death.count + 1, ..death });
        let mut targets = self.route(&exchange, &key, letter.headers);
        let mut blocked = targets.is_empty();
        targets.retain(|target| {
            let target = &self.queues[target];
            let since = deaths.iter().take_while(|death| death.reason != Reason::Rejected);
            let cycle =
                reason != Reason::Rejected && since.into_iter().any(|death| death.queue == target.name);
            blocked |= !cycle && target.refuses(letter);
            !cycle && !target.refuses(letter)
        });
        if must_arrive && blocked {
            return false;
        }
        if self.is_held(&targets) {
            // What a full queue refused is its publisher's again.
            return history.is_none();
        }
        if must_arrive && !targets.is_empty() {
            self.waiting.progress(now);
        }
        let queue = &self.queues[&id];
        let mut told = letter.told.clone();
        let name = queue.name.clone();
        told.extend(
            history.unwrap_or_default().iter().map(|failed| (name.clone(), failed.attempt, failed.outcome)),
        );
        let letter = Letter { exchange, key, deaths, told, ttl: None, ..letter.clone() };
        match history {
            Some(_) => self.store(&targets, &letter, 0, now),
            None => self.admit(&targets, &letter, 0, now),
        }
        self.touched.extend(targets);
        true
    }
}
