//! One message changed where it stands: another priority, another time.
use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::engine::QueueEngine;
use crate::queue::Queue;
use crate::record::Record;
use crate::runs::{Run, Runs};
use crate::slots::{NEVER, State};
use crate::{MessageId, QueueError};

/// What is to become of a message that stays in its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// Its new priority; the queue clamps it to its own.
    pub priority: Option<u8>,
    /// When it is to be ready; a moment that is past is now. Whoever holds the message loses it.
    pub deliver_at: Option<Timestamp>,
}

impl Queue {
    /// Gives a message another priority.
    fn rank(&mut self, sequence: u64, priority: u8) {
        let Some(slot) = self.slots.get(sequence) else { return };
        let (state, attempts, have) = (slot.state, slot.attempts, slot.priority);
        let moves = state == State::Ready && self.level(have) != self.level(priority);
        if moves {
            self.leave_lane(sequence, (state, attempts, self.level(have)), (State::Vacant, 0));
        }
        self.slots.get_mut(sequence).into_iter().for_each(|slot| slot.priority = priority);
        if moves {
            self.index(sequence);
        }
    }
}

impl QueueEngine {
    /// Changes one message, whoever holds it, and nothing else in the queue.
    pub fn amend_message(
        &mut self,
        block: &mut Block,
        queue: &TopicName,
        id: MessageId,
        amendment: Amendment,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.begin(block);
        let queue = self.queue(queue)?;
        let queue_id = queue.id;
        let unknown = || QueueError::UnknownMessage { queue: queue.name.clone(), id };
        let state = queue.slots.get(id.0).map(|slot| slot.state).ok_or_else(unknown)?;
        if matches!(state, State::Dying | State::Damaged) {
            let what = "is on its way to the dead-letter exchange or cannot be read any more";
            return Err(QueueError::InUse(format!("message {id} {what}")));
        }
        if !block.fits(2 * (Run::BOUND + 32)) {
            return Err(QueueError::BlockFull);
        }
        // An attempt that is not written down yet would count for a later one.
        self.core.write_runs(block);
        let runs = || {
            let mut runs = Runs::default();
            runs.push(queue_id, id.0);
            runs
        };
        if let Some(priority) = amendment.priority {
            self.core.write(block, &Record::Ranked { priority, runs: runs() });
        }
        let until = amendment.deliver_at.filter(|at| *at > now);
        match (amendment.deliver_at, until) {
            (Some(_), Some(until)) => drop(self.core.write(block, &Record::Delayed { until, runs: runs() })),
            (Some(_), None) => drop(self.core.write(block, &Record::Released(runs()))),
            (None, _) => {}
        }
        if let Some(queue) = self.queues.get_mut(&queue_id) {
            amendment.priority.into_iter().for_each(|priority| queue.rank(id.0, priority));
            match (amendment.deliver_at, until) {
                (Some(_), Some(until)) => {
                    queue.change(id.0, State::Delayed, until, &mut self.core.ledger);
                    queue.watch_delay(until, id.0);
                }
                (Some(_), None) if state != State::Ready => {
                    queue.change(id.0, State::Ready, NEVER, &mut self.core.ledger);
                    queue.index(id.0);
                }
                _ => {}
            }
        }
        self.touched.push(queue_id);
        self.wind_up(block, now);
        Ok(())
    }
}
