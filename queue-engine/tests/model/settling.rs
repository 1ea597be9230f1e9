//! What becomes of messages that consumers are done with, in the model.
use message::Timestamp;
use queue_engine::{FailedAttempt, MessageId, Outcome, QueueType, Reason};

use crate::book::Book;
use crate::command::Action;
use crate::queue::State;

impl Book {
    pub fn kill(&mut self, id: u32, sequence: u64, reason: Reason) {
        let queue = self.queues.get_mut(&id).unwrap();
        if queue.options.dead_letter_exchange.is_none() {
            self.take_out(id, sequence);
        } else {
            self.set_state(id, sequence, State::Dying(reason));
            self.dying.push_back((id, sequence, reason));
        }
    }

    pub fn forgive(&mut self, id: u32, sequence: u64) {
        let queue = self.queues.get_mut(&id).unwrap();
        if queue.options.kind == QueueType::Quorum {
            queue.entries.get_mut(&sequence).unwrap().forgiven += 1;
        }
    }

    /// `failed` tells whether it counts as a failure that it comes back.
    pub fn give_back(&mut self, id: u32, sequence: u64, failed: bool, now: i64) {
        if !failed {
            self.forgive(id, sequence);
        }
        let queue = &self.queues[&id];
        if queue.over_limit(sequence) {
            self.kill(id, sequence, Reason::DeliveryLimit);
        } else if let Some(pause) = queue.pause(sequence, failed) {
            self.set_state(id, sequence, State::Delayed(now + pause));
        } else {
            self.set_state(id, sequence, State::Ready);
        }
    }

    /// Whether the lease is open.
    pub fn holds(&self, id: u32, sequence: u64, lease: u64) -> bool {
        let entry = self.queues.get(&id).and_then(|queue| queue.entries.get(&sequence));
        entry.is_some_and(|entry| matches!(entry.state, State::Leased { serial, .. } if serial == lease))
    }

    pub fn settle(&mut self, id: u32, sequence: u64, action: Action, now: i64) {
        match action {
            Action::Ack => self.ack(id, sequence),
            Action::Nack(delay) => self.nack(id, sequence, delay, now),
            Action::Fail => self.fail(id, sequence, now),
            Action::Retry => self.retry(id, sequence, now),
            Action::Reject => self.reject(id, sequence, now),
            Action::Extend(more) => self.extend(id, sequence, now + more),
        }
    }

    fn ack(&mut self, id: u32, sequence: u64) {
        self.take_out(id, sequence);
        self.touch_ordered(id);
    }

    fn fail(&mut self, id: u32, sequence: u64, now: i64) {
        if self.queues[&id].tells_failures() {
            return self.fail_attempt(id, sequence, Outcome::Returned, None, now);
        }
        self.give_back(id, sequence, true, now);
        self.touch(id);
    }

    fn nack(&mut self, id: u32, sequence: u64, delay: i64, now: i64) {
        if delay > 0 && self.queues[&id].tells_failures() {
            return self.fail_attempt(id, sequence, Outcome::Returned, Some(delay), now);
        }
        if delay == 0 {
            self.give_back(id, sequence, false, now);
        } else {
            self.forgive(id, sequence);
            if self.queues[&id].over_limit(sequence) {
                self.kill(id, sequence, Reason::DeliveryLimit);
            } else {
                self.set_state(id, sequence, State::Delayed(now + delay));
            }
        }
        self.touch(id);
    }

    fn reject(&mut self, id: u32, sequence: u64, now: i64) {
        if self.queues[&id].tells_failures() {
            return self.fail_attempt(id, sequence, Outcome::Rejected, None, now);
        }
        self.kill(id, sequence, Reason::Rejected);
        self.touch_ordered(id);
    }

    /// The next message of the same key may go now.
    fn touch_ordered(&mut self, id: u32) {
        if self.queues[&id].options.order_per_key {
            self.touch(id);
        }
    }

    /// A failed attempt, where there is a retry policy.
    pub fn fail_attempt(&mut self, id: u32, sequence: u64, outcome: Outcome, wait: Option<i64>, now: i64) {
        let queue = self.queues.get_mut(&id).unwrap();
        let ends = outcome == Outcome::Rejected || queue.over_limit(sequence);
        let policy = queue.options.retry.clone().unwrap();
        let entry = queue.entries.get_mut(&sequence).unwrap();
        let usual = policy.wait_ms(MessageId(sequence), entry.failures()) as i64;
        let wait = if ends { 0 } else { wait.unwrap_or(usual) };
        let retry_at = (wait > 0).then_some(Timestamp(now + wait));
        entry.history.push(FailedAttempt { attempt: entry.attempts, outcome, at: Timestamp(now), retry_at });
        match retry_at {
            Some(until) => self.set_state(id, sequence, State::Delayed(until.0)),
            None if outcome == Outcome::Rejected => self.kill(id, sequence, Reason::Rejected),
            None if ends => self.kill(id, sequence, Reason::DeliveryLimit),
            None => self.set_state(id, sequence, State::Ready),
        }
        self.touch(id);
    }

    fn retry(&mut self, id: u32, sequence: u64, now: i64) {
        match self.queues[&id].tells_failures() {
            true => self.fail_attempt(id, sequence, Outcome::Returned, None, now),
            false => self.nack(id, sequence, 0, now),
        }
    }

    fn extend(&mut self, id: u32, sequence: u64, until: i64) {
        let entry = self.queues.get_mut(&id).unwrap().entries.get_mut(&sequence).unwrap();
        if let State::Leased { due, .. } = &mut entry.state {
            *due = until;
        }
        self.touch(id);
    }
}
