//! Dead letters that may not get lost: those that nothing takes wait in their queue and are tried again.
use ::message::Timestamp;
use segment_store::Block;

use crate::dead_letter::Dying;
use crate::engine::{Core, QueueEngine};
use crate::fields::Malformed;
use crate::queue::after;
use crate::record::Record;
use crate::runs::Runs;
use crate::slots::NEVER;

/// What becomes of a dead letter that nothing takes: no exchange, no binding, or a full queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadLetterStrategy {
    /// It is gone.
    #[default]
    AtMostOnce,
    /// It stays, out of sight, until all that it is routed to take it.
    AtLeastOnce,
}

impl DeadLetterStrategy {
    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeadLetterStrategy::AtMostOnce => "at_most_once",
            DeadLetterStrategy::AtLeastOnce => "at_least_once",
        }
    }

    /// The number in the journal.
    pub(crate) fn number(self) -> u64 {
        match self {
            DeadLetterStrategy::AtMostOnce => 0,
            DeadLetterStrategy::AtLeastOnce => 1,
        }
    }

    pub(crate) fn from_number(number: u64) -> Result<DeadLetterStrategy, Malformed> {
        match number {
            0 => Ok(DeadLetterStrategy::AtMostOnce),
            1 => Ok(DeadLetterStrategy::AtLeastOnce),
            _ => Err(Malformed),
        }
    }
}

/// First and longest wait before dead letters that nothing took are tried again, in milliseconds. A change of queues,
/// exchanges, bindings or policies ends the wait at once.
const RETRY_MS: u64 = 1_000;
const RETRY_MS_MOST: u64 = 60_000;
/// The wait after one of them was taken.
const PROGRESS_MS: u64 = 100;

/// The dead letters that wait, for whoever takes them or for room in logs, and when they are tried again.
#[derive(Debug)]
pub(crate) struct Undelivered {
    letters: std::collections::VecDeque<Dying>,
    due: Timestamp,
    wait_ms: u64,
}

impl Default for Undelivered {
    fn default() -> Undelivered {
        Undelivered { letters: std::collections::VecDeque::new(), due: NEVER, wait_ms: RETRY_MS }
    }
}

impl Undelivered {
    /// When there is something to try; `NEVER` if nothing waits.
    pub(crate) fn due(&self) -> Timestamp {
        if self.letters.is_empty() { NEVER } else { self.due }
    }

    /// Something changed that may help.
    pub(crate) fn hurry(&mut self) {
        (self.due, self.wait_ms) = (Timestamp(0), RETRY_MS);
    }

    /// One of them was taken: others may be.
    pub(crate) fn progress(&mut self, now: Timestamp) {
        self.due = self.due.min(after(now, PROGRESS_MS));
        self.wait_ms = RETRY_MS;
    }
}

impl Core {
    /// Lets a dead letter wait. `false` when the block has no room to say that it is dead.
    pub(crate) fn keep_undelivered(&mut self, block: &mut Block, dying: Dying, now: Timestamp) -> bool {
        if !self.note_dying(block, dying) {
            return false;
        }
        let waiting = &mut self.undelivered;
        waiting.due = waiting.due().min(after(now, waiting.wait_ms));
        waiting.letters.push_back(dying);
        true
    }
}

impl Core {
    /// Writes down that the first of the dying is dead, if the journal does not know. `false` without room for that.
    pub(crate) fn note_dying(&mut self, block: &mut Block, first: Dying) -> bool {
        if self.dying_recorded > 0 {
            return true;
        }
        let mut runs = Runs::default();
        runs.push(first.queue, first.sequence);
        let noted = self.write(block, &Record::Doomed { reason: first.reason, runs });
        self.dying_recorded = usize::from(noted);
        noted
    }
}

impl QueueEngine {
    /// Puts dead letters that wait back among those that are to be moved, if it is time.
    pub(crate) fn retry_undelivered(&mut self, now: Timestamp) {
        let core = &mut self.core;
        if core.undelivered.due() > now {
            return;
        }
        let waiting = &mut core.undelivered;
        let taken = waiting.letters.len().min(core.config.tick_events);
        (waiting.due, waiting.wait_ms) = (NEVER, (waiting.wait_ms * 2).min(RETRY_MS_MOST));
        if taken < waiting.letters.len() {
            waiting.due = after(now, waiting.wait_ms);
        }
        let taken: Vec<Dying> = waiting.letters.drain(..taken).collect();
        core.dying_recorded += taken.len();
        for dying in taken.into_iter().rev() {
            core.dying.push_front(dying);
        }
    }
}
