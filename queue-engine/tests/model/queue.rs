//! A queue of the model: its messages in a map, and what follows from looking at all of them.
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use queue_engine::{FailedAttempt, Outcome, Overflow, QueueOptions, QueueType, Reason, RetryOn, RetryPolicy};

use crate::headers::Headers;

pub const NEVER: i64 = i64::MAX;

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Ready,
    /// With `timed`, the lease ends because its consumer is too slow.
    Leased {
        due: i64,
        consumer: u64,
        serial: u64,
        timed: bool,
    },
    Delayed(i64),
    Dying(Reason),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    pub body: String,
    pub priority: Option<u8>,
    pub ttl: Option<i64>,
    pub exchange: String,
    pub key: String,
    /// The key that order is promised for.
    pub lane: Option<String>,
    pub message_id: Option<String>,
    pub headers: Headers,
    /// Queue, attempt and outcome of what failed in queues that it died in.
    pub told: Vec<(String, u32, Outcome)>,
    /// The latest first.
    pub deaths: Vec<Death>,
}

/// What `x-death` says of one queue and reason: where the message had been published to, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Death {
    pub queue: String,
    pub reason: Reason,
    pub count: i64,
    pub exchange: String,
    pub key: String,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub letter: Letter,
    pub state: State,
    pub attempts: u32,
    /// Attempts that came to nothing without being failures.
    pub forgiven: u32,
    pub priority: u8,
    pub history: Vec<FailedAttempt>,
    pub enqueued_at: i64,
    pub expires_at: i64,
}

#[derive(Clone, Debug)]
pub struct BookQueue {
    pub name: String,
    /// As declared, and as policies say.
    pub declared: QueueOptions,
    pub options: QueueOptions,
    pub entries: BTreeMap<u64, Entry>,
    pub next: u64,
    /// Time, id and first message, in order.
    pub seen: Vec<(i64, String, u64)>,
    /// Who waits for a message, next first.
    pub rotation: VecDeque<u64>,
    pub consumers: Vec<u64>,
    pub had_subscriber: bool,
    /// Who alone is served, 0 for nobody.
    pub active: u64,
    pub yielding: bool,
    pub owner: Option<u64>,
    pub orphan: bool,
    /// When somebody last used it.
    pub used: i64,
}

impl Entry {
    pub fn failures(&self) -> u32 {
        self.attempts - self.forgiven
    }
}

impl BookQueue {
    pub fn level(&self, entry: &Entry) -> u8 {
        match self.options.kind {
            QueueType::Classic => entry.priority.min(self.options.max_priority.unwrap_or(0)),
            QueueType::Quorum => entry.priority.min(31),
        }
    }

    /// What a message's own priority means here.
    pub fn priority(&self, own: Option<u8>) -> u8 {
        match self.options.kind {
            QueueType::Classic => own.unwrap_or(0),
            QueueType::Quorum => own.unwrap_or(4).min(31),
        }
    }

    /// Whether others of its key wait for it.
    fn blocks(entry: &Entry) -> bool {
        match entry.state {
            State::Leased { .. } => true,
            State::Delayed(_) => entry.attempts > 0,
            State::Ready | State::Dying(_) => false,
        }
    }

    fn is_its_turn(&self, entry: &Entry) -> bool {
        let Some(lane) = entry.letter.lane.as_ref().filter(|_| self.options.order_per_key) else {
            return true;
        };
        let is_same = |other: &&Entry| other.letter.lane.as_ref() == Some(lane);
        !self.entries.values().filter(is_same).any(BookQueue::blocks)
    }

    pub fn head(&self) -> Option<u64> {
        let ready = self.entries.iter().filter(|(_, entry)| entry.state == State::Ready);
        ready
            .filter(|(_, entry)| self.is_its_turn(entry))
            .min_by_key(|(sequence, entry)| (Reverse(self.level(entry)), **sequence))
            .map(|(s, _)| *s)
    }

    pub fn ready(&self) -> u64 {
        self.entries.values().filter(|entry| entry.state == State::Ready).count() as u64
    }

    pub fn over_limit(&self, sequence: u64) -> bool {
        let usual = (self.options.kind == QueueType::Quorum).then_some(20);
        let limit = self.options.delivery_limit.or(usual).filter(|limit| *limit != u32::MAX);
        let retries = self.options.retry.as_ref().map(|retry| retry.retries());
        let failures = self.entries[&sequence].failures();
        [limit, retries].into_iter().flatten().any(|limit| failures > limit)
    }

    fn forget_old_ids(&mut self, now: i64) {
        let window_ms = self.options.dedup.map_or(0, |window| window.window_ms as i64);
        self.seen.retain(|(at, ..)| at + window_ms > now);
    }

    /// The message that had this id first.
    pub fn first(&mut self, id: &str, now: i64) -> Option<u64> {
        self.forget_old_ids(now);
        self.seen.iter().find(|(_, have, _)| have == id).map(|(.., first)| *first)
    }

    /// Whether a message that comes back has failed an attempt, rather than only waits.
    pub fn tells_failures(&self) -> bool {
        matches!(self.options.retry, Some(RetryPolicy::Delays(_) | RetryPolicy::Exponential { .. }))
    }

    /// How long a message waits that came back, where it is not told as a failure.
    pub fn pause(&self, sequence: u64, failed: bool) -> Option<i64> {
        let Some(RetryPolicy::Linear(linear)) = self.options.retry else { return None };
        let waits = match linear.on {
            RetryOn::All => true,
            RetryOn::Failed => failed,
            RetryOn::Returned => !failed,
        };
        let grown = linear.min_ms * u64::from(self.entries[&sequence].failures().max(1));
        waits.then_some(linear.max_ms.map_or(grown, |most| grown.min(most)) as i64)
    }

    pub fn ready_bytes(&self) -> u64 {
        let ready = self.entries.values().filter(|entry| entry.state == State::Ready);
        ready.map(|entry| entry.letter.body.len() as u64).sum()
    }

    pub fn may_refuse(&self) -> bool {
        let is_limited = self.options.max_length.is_some() || self.options.max_length_bytes.is_some();
        self.options.overflow != Overflow::DropHead && is_limited
    }

    fn is_beyond(&self, messages: u64, bytes: u64) -> bool {
        self.options.max_length.is_some_and(|most| self.ready() + messages > most)
            || self.options.max_length_bytes.is_some_and(|most| self.ready_bytes() + bytes > most)
    }

    /// Whether it would not take so many more messages with bodies of so many bytes.
    pub fn refuses_all(&self, messages: u64, bytes: u64) -> bool {
        self.may_refuse() && self.is_beyond(messages, bytes)
    }

    pub fn refuses(&self, letter: &Letter) -> bool {
        self.refuses_all(1, letter.body.len() as u64)
    }

    pub fn is_too_long(&self) -> bool {
        self.options.overflow == Overflow::DropHead && self.is_beyond(0, 0)
    }

    /// Whether nobody used it for as long as it waits for that.
    pub fn is_abandoned(&self, now: i64) -> bool {
        let wait = self.options.expires_ms.filter(|_| self.consumers.is_empty());
        wait.is_some_and(|ms| self.used + ms as i64 <= now)
    }
}
