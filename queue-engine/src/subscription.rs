use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::consumer::{Consumer, ConsumerOptions, OpenLeases};
use crate::engine::{Failure, QueueEngine};
use crate::queue::Queue;
use crate::{ConsumerId, QueueError};

impl QueueEngine {
    /// Lets a consumer take messages from a queue as its credit allows; they come in the outbox.
    pub fn subscribe(
        &mut self,
        block: &mut Block,
        queue: &TopicName,
        options: ConsumerOptions,
        now: Timestamp,
    ) -> Result<ConsumerId, QueueError> {
        self.begin(block);
        let id = ConsumerId(self.next_consumer);
        let queue = self.queue(queue)?;
        self.check_company(queue, &options)?;
        let queue_id = queue.id;
        self.enter_pool(id, options.pool)?;
        self.next_consumer += 1;
        let mut consumer = Consumer::new(queue_id, options);
        if let Some(queue) = self.queues.get_mut(&queue_id) {
            queue.used_at = now;
            queue.consumers.push(id);
            if !options.once {
                queue.subscribers += 1;
                queue.had_subscriber = true;
            }
            queue.enter_rotation(id, &mut consumer, &self.pools);
        }
        self.consumers.insert(id, consumer);
        self.elect(queue_id);
        self.touched.push(queue_id);
        self.wind_up(block, now);
        Ok(id)
    }

    /// Refuses a subscription that does not get along with those that are there.
    fn check_company(&self, queue: &Queue, options: &ConsumerOptions) -> Result<(), QueueError> {
        let single = queue.options.single_active_consumer;
        if options.once {
            return if single { Err(QueueError::SingleActive(queue.name.clone())) } else { Ok(()) };
        }
        let refuse = |why| Err(QueueError::ExclusiveUse { queue: queue.name.clone(), why });
        let exclusive = |id| self.consumers.get(id).is_some_and(|consumer| consumer.options.exclusive);
        if queue.consumers.iter().any(exclusive) {
            return refuse("has an exclusive consumer");
        }
        match options.exclusive {
            true if queue.subscribers > 0 => refuse("has consumers already; an exclusive one would be alone"),
            true if single => refuse("has single_active_consumer, which exclusive consumers do not go with"),
            _ => Ok(()),
        }
    }

    /// Lets a consumer take more messages, and more bytes if it counts them.
    pub fn add_credit(
        &mut self,
        block: &mut Block,
        consumer: ConsumerId,
        messages: u64,
        bytes: u64,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.alter(block, consumer, now, |consumer| {
            consumer.messages = consumer.messages.saturating_add(messages);
            consumer.bytes = consumer.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        })
    }

    /// Replaces what is left of a consumer's credit.
    pub fn set_credit(
        &mut self,
        block: &mut Block,
        consumer: ConsumerId,
        messages: u64,
        bytes: Option<u64>,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.alter(block, consumer, now, |consumer| {
            consumer.messages = messages;
            consumer.options.credit_bytes = bytes;
            consumer.bytes = bytes.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        })
    }

    /// Pushes nothing more until resumed; credit stays.
    pub fn pause(
        &mut self,
        block: &mut Block,
        consumer: ConsumerId,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.alter(block, consumer, now, |consumer| consumer.paused = true)
    }

    /// Pushes again.
    pub fn resume(
        &mut self,
        block: &mut Block,
        consumer: ConsumerId,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.alter(block, consumer, now, |consumer| consumer.paused = false)
    }

    pub(crate) fn alter(
        &mut self,
        block: &mut Block,
        id: ConsumerId,
        now: Timestamp,
        change: impl FnOnce(&mut Consumer),
    ) -> Result<(), QueueError> {
        self.begin(block);
        let consumer = self.consumers.get_mut(&id).ok_or(QueueError::UnknownConsumer)?;
        change(consumer);
        let queue_id = consumer.queue;
        if let Some(queue) = self.queues.get_mut(&queue_id) {
            if consumer.is_hungry(&self.pools) {
                queue.enter_rotation(id, consumer, &self.pools);
                self.touched.push(queue_id);
            } else {
                queue.leave_rotation(id, consumer);
            }
        }
        self.wind_up(block, now);
        Ok(())
    }

    /// Ends a subscription.
    pub fn cancel(
        &mut self,
        block: &mut Block,
        consumer: ConsumerId,
        leases: OpenLeases,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.begin(block);
        let queue_id = self.remove_consumer(consumer).ok_or(QueueError::UnknownConsumer)?;
        if let Some(queue) = self.queues.get_mut(&queue_id) {
            queue.used_at = now;
            if leases == OpenLeases::Return {
                for sequence in queue.leased_by(consumer) {
                    self.core.give_back(queue, sequence, Failure::Counts, now);
                }
            }
            self.touched.push(queue_id);
        }
        self.wind_up(block, now);
        Ok(())
    }

    /// Forgets a subscription; its leases stay.
    pub(crate) fn remove_consumer(&mut self, id: ConsumerId) -> Option<crate::QueueId> {
        let mut consumer = self.consumers.remove(&id)?;
        self.pools.leave(id, &consumer);
        if let Some(queue) = self.queues.get_mut(&consumer.queue) {
            queue.leave_rotation(id, &mut consumer);
            queue.consumers.retain(|have| *have != id);
            queue.subscribers -= u32::from(!consumer.options.once);
        }
        self.elect(consumer.queue);
        Some(consumer.queue)
    }
}
