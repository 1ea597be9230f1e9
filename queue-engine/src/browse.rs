use std::sync::Arc;

use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::engine::QueueEngine;
use crate::message::Message;
use crate::paging::peek;
use crate::queue::Queue;
use crate::record::Record;
use crate::runs::Runs;
use crate::slots::{NEVER, Slot, State};
use crate::{ConsumerId, FailedAttempt, MessageId, QueueError};

/// Where a message stands in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// Waits for a consumer.
    Ready,
    /// A consumer has it.
    Leased {
        /// The subscription that got it, unless it was an immediate receive.
        consumer: Option<ConsumerId>,
        /// When the lease ends by itself.
        expires_at: Option<Timestamp>,
    },
    /// Out of sight.
    Delayed {
        /// When it becomes ready.
        until: Timestamp,
    },
    /// On its way to the dead-letter exchange.
    Dying,
    /// The journal could not give it back.
    Damaged,
}

impl MessageState {
    pub(crate) fn of(slot: &Slot) -> MessageState {
        match slot.state {
            State::Ready => MessageState::Ready,
            State::Leased => MessageState::Leased {
                consumer: Some(slot.holder.consumer()).filter(|consumer| *consumer != ConsumerId::NOBODY),
                expires_at: Some(slot.due).filter(|at| *at != NEVER),
            },
            State::Delayed => MessageState::Delayed { until: slot.due },
            State::Dying => MessageState::Dying,
            State::Damaged | State::Vacant => MessageState::Damaged,
        }
    }

    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MessageState::Ready => "ready",
            MessageState::Leased { .. } => "leased",
            MessageState::Delayed { .. } => "delayed",
            MessageState::Dying => "dying",
            MessageState::Damaged => "damaged",
        }
    }
}

/// A message seen without being consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browsed {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub state: MessageState,
    /// How often it was delivered.
    pub attempts: u32,
    /// The priority that the queue gave it.
    pub priority: u8,
    /// When it reached the queue.
    pub enqueued_at: Timestamp,
    /// When it expires if nobody takes it before.
    pub expires_at: Option<Timestamp>,
    /// Attempts that failed, if the queue has a retry policy.
    pub history: Vec<FailedAttempt>,
    /// Headers, properties and body; an error where the journal cannot give it back.
    pub message: Result<Arc<Message>, QueueError>,
}

/// A stretch of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrowsePage {
    /// The messages, in order of arrival.
    pub messages: Vec<Browsed>,
    /// Where to go on; `None` at the end.
    pub next: Option<MessageId>,
}

impl QueueEngine {
    /// Looks at messages in order of arrival, in any state, `after` one of them. At most `limit` messages and about
    /// `max_bytes` of them, at least one.
    pub fn browse(
        &self,
        queue: &TopicName,
        after: Option<MessageId>,
        limit: usize,
        max_bytes: u64,
    ) -> Result<BrowsePage, QueueError> {
        let queue = self.queue(queue)?;
        let from = after.map_or(0, |after| after.0.saturating_add(1));
        let mut page = BrowsePage::default();
        let mut bytes = 0;
        for (sequence, slot) in queue.slots.iter_from(from) {
            if page.messages.len() >= limit || bytes > max_bytes {
                page.next = page.messages.last().map(|last| last.id);
                break;
            }
            bytes += u64::from(slot.envelope_len);
            page.messages.push(self.look(queue, sequence, slot));
        }
        Ok(page)
    }

    /// Looks at one message.
    pub fn get(&self, queue: &TopicName, id: MessageId) -> Result<Browsed, QueueError> {
        let queue = self.queue(queue)?;
        let slot = queue.slots.get(id.0);
        let unknown = || QueueError::UnknownMessage { queue: queue.name.clone(), id };
        slot.map(|slot| self.look(queue, id.0, slot)).ok_or_else(unknown)
    }

    pub(crate) fn look(&self, queue: &Queue, sequence: u64, slot: &Slot) -> Browsed {
        let set = |at: Timestamp| Some(at).filter(|at| *at != NEVER);
        let state = MessageState::of(slot);
        let id = MessageId(sequence);
        Browsed {
            id,
            state,
            attempts: u32::from(slot.attempts),
            priority: queue.level(slot.priority),
            enqueued_at: slot.enqueued_at,
            expires_at: set(slot.expires_at),
            history: queue.history(sequence).to_vec(),
            message: peek(queue, sequence, self.core.reader.as_deref()).map_err(|why| QueueError::Damaged {
                queue: queue.id,
                id,
                why,
            }),
        }
    }

    /// Deletes one message, whatever its state; a lease on it becomes stale.
    pub fn delete_message(
        &mut self,
        block: &mut Block,
        queue: &TopicName,
        id: MessageId,
    ) -> Result<(), QueueError> {
        self.begin(block);
        let queue = self.queue(queue)?;
        let queue_id = queue.id;
        if queue.slots.get(id.0).is_none() {
            return Err(QueueError::UnknownMessage { queue: queue.name.clone(), id });
        }
        let mut runs = Runs::default();
        runs.push(queue_id, id.0);
        if !self.core.write(block, &Record::Removed(runs)) {
            return Err(QueueError::BlockFull);
        }
        if let Some(queue) = self.queues.get_mut(&queue_id) {
            queue.remove(id.0, &mut self.core.ledger);
            self.regain();
            // Who is at the head now may have to go; the next call or tick sees to it.
            self.touched.push(queue_id);
        }
        Ok(())
    }
}
