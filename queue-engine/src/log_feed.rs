//! What reaches logs: room for it in the block, and what waits while logs take nothing more.
use ::message::Timestamp;

use crate::engine::QueueEngine;
use crate::message::Message;
use crate::outbox::{log_room, log_room_of};
use crate::publish::PER_RECORD;
use crate::queue::after;
use crate::routing::Route;
use crate::slots::State;
use crate::{QueueError, QueueId};

/// How long a delayed message waits anew that cannot be routed on since it would reach a log.
const HELD_MS: u64 = 100;

impl QueueEngine {
    /// Says whether logs take nothing more for now. Until the opposite is said nothing more is sent to them: what is
    /// published and would reach one is refused as [`QueueError::LogsFull`], and what the engine moves by itself, dead
    /// letters and delayed messages, stays where it is. What was announced to a log so far is still to be appended.
    pub fn hold_logs(&mut self, full: bool) {
        if self.logs_full && !full {
            self.core.undelivered.hurry();
        }
        self.logs_full = full;
    }

    /// Whether a message on this route has to wait for logs.
    pub(crate) fn is_held(&self, route: &Route) -> bool {
        self.logs_full && self.logs_on(route) > 0
    }

    /// Refuses a message that would reach a log now.
    pub(crate) fn check_logs(&self, route: &Route) -> Result<(), QueueError> {
        if self.is_held(route) { Err(QueueError::LogsFull) } else { Ok(()) }
    }

    /// Lets a delayed message wait a little longer. A restart does not know of that.
    pub(crate) fn hold_back(&mut self, (id, sequence): (QueueId, u64), now: Timestamp) {
        if let Some(store) = self.queues.get_mut(&id) {
            let again = after(now, HELD_MS);
            store.change(sequence, State::Delayed, again, &mut self.core.ledger);
            store.watch_delay(again, sequence);
        }
    }

    /// Bytes of the block that logs take for a message on this route: those that it leads to, and those that keep what
    /// passes its queues.
    pub(crate) fn logs_room(&self, route: &Route, message: &Message) -> usize {
        match self.logs_on(route) {
            0 => 0,
            logs => logs * (log_room(message) + PER_RECORD),
        }
    }

    /// The same of a message that is not made yet.
    pub(crate) fn logs_bound(&self, route: &Route, key: usize, texts: usize, body: usize) -> usize {
        match self.logs_on(route) {
            0 => 0,
            logs => logs * (log_room_of(key, texts, body) + PER_RECORD),
        }
    }

    /// How many records of logs a message on this route becomes.
    fn logs_on(&self, route: &Route) -> usize {
        let keeps = |id: &&QueueId| self.queues.get(*id).is_some_and(|queue| queue.options.keep_in.is_some());
        let kept = if self.keeps_any { route.queues.iter().filter(keeps).count() } else { 0 };
        route.logs.len() + kept
    }
}
