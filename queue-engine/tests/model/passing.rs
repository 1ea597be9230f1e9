//! What happens by itself, in the model: messages go to consumers, time passes, limits are enforced.
use std::collections::BTreeSet;

use queue_engine::{Outcome, Reason};

use crate::book::{Book, Handed};
use crate::consumers::End;
use crate::queue::{Entry, State};

impl Book {
    /// `due` is when the lease ends, if there is one, and whether that is a consumer timeout.
    fn hand_over(&mut self, id: u32, consumer: u64, due: Option<(i64, bool)>, now: i64) -> Option<Handed> {
        loop {
            let sequence = self.queues[&id].head()?;
            let queue = self.queues.get_mut(&id)?;
            let entry = &queue.entries[&sequence];
            if entry.expires_at < now {
                self.kill(id, sequence, Reason::Expired);
                continue;
            }
            if entry.attempts > 0 && queue.over_limit(sequence) {
                self.kill(id, sequence, Reason::DeliveryLimit);
                continue;
            }
            let entry = queue.entries.get_mut(&sequence)?;
            let failures = entry.failures();
            entry.attempts += 1;
            let (attempt, body) = (entry.attempts, entry.letter.body.clone());
            let mut serial = None;
            if let Some((due, timed)) = due {
                self.serial += 1;
                serial = Some(self.serial);
                entry.state = State::Leased { due, consumer, serial: self.serial, timed };
            } else {
                queue.entries.remove(&sequence);
            }
            return Some(Handed { consumer, queue: id, sequence, attempt, failures, body, serial });
        }
    }

    pub fn receive(&mut self, id: u32, max: usize, lease: Option<i64>, now: i64) -> Vec<Handed> {
        let mut taken = Vec::new();
        self.queues.get_mut(&id).unwrap().used = now;
        while taken.len() < max {
            match self.hand_over(id, 0, lease.map(|ms| (now + ms, false)), now) {
                Some(handed) => taken.push(handed),
                None => break,
            }
        }
        self.touched.push(id);
        self.wind_up(now);
        taken
    }

    pub fn tick(&mut self, now: i64) {
        self.retry_waiting(now);
        let ids: Vec<u32> = self.queues.keys().copied().collect();
        for id in ids {
            if self.queues[&id].is_abandoned(now) {
                self.delete(id);
                self.deleted.push(id);
                continue;
            }
            let due = |(sequence, entry): (&u64, &Entry)| match entry.state {
                State::Leased { due, .. } | State::Delayed(due) if due <= now => Some((due, *sequence)),
                _ => None,
            };
            let due: BTreeSet<(i64, u64)> = self.queues[&id].entries.iter().filter_map(due).collect();
            // A queue that was deleted because of what happened here before is not looked at again.
            let mut slow = Vec::new();
            for (_, sequence) in due {
                let tells = self.queues[&id].tells_failures();
                match self.queues[&id].entries[&sequence].state {
                    State::Delayed(_) => self.set_state(id, sequence, State::Ready),
                    State::Leased { consumer, timed: true, .. } => {
                        self.give_back(id, sequence, false, now);
                        slow.push(consumer);
                    }
                    _ if tells => {
                        self.fail_attempt(id, sequence, Outcome::LeaseExpired, None, now);
                    }
                    _ => self.give_back(id, sequence, true, now),
                }
            }
            for consumer in slow {
                if self.consumers.contains_key(&consumer) {
                    let id = self.forget_consumer(consumer);
                    self.queues.get_mut(&id).unwrap().used = now;
                    self.ended.push((consumer, End::TimedOut));
                }
            }
            self.touched.push(id);
        }
        self.wind_up(now);
    }

    pub fn wind_up(&mut self, now: i64) {
        loop {
            self.regain();
            while let Some(id) = self.touched.pop() {
                if self.queues.contains_key(&id) {
                    self.attend(id, now);
                }
                self.regain();
            }
            if self.dying.is_empty() {
                return;
            }
            while let Some((id, sequence, reason)) = self.dying.pop_front() {
                let Some(queue) = self.queues.get_mut(&id) else { continue };
                if queue.entries.get(&sequence).is_none_or(|entry| !matches!(entry.state, State::Dying(_))) {
                    continue;
                }
                let Entry { letter, history, .. } = queue.entries[&sequence].clone();
                if self.dead_letter(id, &letter, Some(&history), reason, now) {
                    self.take_out(id, sequence);
                } else {
                    self.waiting.keep((id, sequence, reason), now);
                }
            }
        }
    }

    fn attend(&mut self, id: u32, now: i64) {
        if self.is_deserted(id) {
            self.delete(id);
            self.deleted.push(id);
            return;
        }
        while let Some(consumer) = self.queues[&id].rotation.front().copied() {
            if !self.is_hungry(consumer) {
                self.queues.get_mut(&id).unwrap().rotation.pop_front();
                continue;
            }
            let due = self.lease_end(consumer, now);
            let Some(handed) = self.hand_over(id, consumer, due, now) else { break };
            self.pay(consumer, handed.serial.is_some(), now);
            self.handed.push(handed);
            self.queues.get_mut(&id).unwrap().rotation.pop_front();
            self.enter(consumer);
        }
        loop {
            let queue = &self.queues[&id];
            let oldest =
                || queue.entries.iter().find(|(_, entry)| entry.state == State::Ready).map(|(s, _)| *s);
            let (true, Some(head)) = (queue.is_too_long(), queue.head().or_else(oldest)) else { break };
            self.kill(id, head, Reason::MaxLen);
        }
        while let Some(head) = self.queues[&id].head() {
            if self.queues[&id].entries[&head].expires_at > now {
                break;
            }
            self.kill(id, head, Reason::Expired);
        }
    }
}
