use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use log_engine::{LogEngine, PartitionId, PartitionView, Visible};
use message::{ErrorCode, Limits, Timestamp, TopicName};
use queue_engine::{
    Browsed, ConsumerId, LeaseToken, LogTarget, OpenLeases, Outbox, QueueEngine, Settle, SettleAction,
};
use segment_store::{Block, Journal};
use tracing::warn;

use super::idempotency::Idempotency;
use super::job_book::JobBook;
use super::outlets::Outlets;
use super::staging::Staging;
use super::waiters::Waiters;
use crate::refusal::Refusal;
use crate::topics::delivery::QueueDelivery;
use crate::topics::directory::Directory;
use crate::topics::log_topic::LogPartition;
use crate::topics::outgoing::Outgoing;
use crate::topics::partitioner::Partitioner;
use crate::topics::record_batches;
use crate::topics::session::ReplyBook;
use crate::topics::share::ShareBells;
use crate::topics::vitals::Vitals;

/// All state that the owner guards.
pub(crate) struct Engines {
    pub log: LogEngine,
    pub queue: QueueEngine,
    pub idempotency: Idempotency,
    pub jobs: JobBook,
    pub staging: Staging,
    pub outlets: Outlets,
    pub waiters: Waiters,
    /// Who takes replies that go by no queue.
    pub replies: ReplyBook,
    /// What doors look names up in; only the owner changes it.
    pub directory: Arc<Directory>,
    pub bells: HashMap<PartitionId, Arc<LogPartition>>,
    pub partitioner: Partitioner,
    pub limits: Limits,
    /// Dead letters for logs that found no room yet.
    pub unrouted: Vec<LogTarget>,
    pub vitals: Arc<Vitals>,
    /// Rung when records of share groups come back.
    pub share_bells: Arc<ShareBells>,
}

impl Engines {
    /// When an engine has something to do that cannot wait for the next regular look.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        [self.queue.next_deadline(), self.log.group_deadline()].into_iter().flatten().min()
    }

    /// The effects of the group that ends now. What dead letters send to logs is appended within the group.
    pub(crate) fn collect(&mut self, journal: &mut Journal, now: Timestamp) -> Outbox {
        let mut outbox = self.queue.take_outbox(journal.block());
        let mut routed = std::mem::take(&mut self.unrouted);
        routed.append(&mut outbox.log_appends);
        if !routed.is_empty()
            && let Err(refusal) = self.append_routed(journal, routed.clone(), now)
        {
            warn!(%refusal, count = routed.len(), "dead letters for a log wait for room");
            self.unrouted = routed;
        }
        for (_, name) in &outbox.deleted_queues {
            // Unless somebody declared it anew within the same group.
            if !self.queue.has_queue(name) {
                self.directory.remove(name);
            }
        }
        outbox
    }

    /// Puts messages that an exchange routed to logs into them. A log that is gone by now takes nothing.
    pub(crate) fn append_routed(
        &mut self,
        journal: &mut Journal,
        routed: Vec<LogTarget>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut by_log: BTreeMap<TopicName, Vec<Outgoing>> = BTreeMap::new();
        for LogTarget { topic, message } in routed {
            by_log.entry(topic).or_default().push(Outgoing::from(message.as_ref()));
        }
        for (name, messages) in by_log {
            let Some(topic) = self.log.topic(&name).map(Arc::clone) else { continue };
            let partitions = topic.partitions().len() as u32;
            let built = record_batches::build(
                &messages,
                partitions,
                topic.config(),
                &self.limits,
                &self.partitioner,
                now,
                None,
            );
            for (partition, batch) in built.batches {
                let Some(view) = topic.partition(partition) else { continue };
                journal.ensure(LogEngine::append_record_len(batch.len()))?;
                self.log.append(journal.block(), view.id(), batch, now)?;
            }
            // What the log does not take can go nowhere: as a broker drops what no queue is bound for.
            for refusal in built.slots.into_iter().filter_map(Result::err) {
                warn!(log = %name, %refusal, "a message that was routed to a log was dropped");
            }
        }
        Ok(())
    }

    /// A message that was looked at, with who holds it.
    pub(crate) fn shown(&self, seen: Browsed) -> Result<QueueDelivery, Refusal> {
        QueueDelivery::seen(seen, |consumer| self.outlets.holder(consumer))
    }

    /// Shows readers what a partition holds now.
    pub(crate) fn advance(&self, view: &PartitionView, visible: Visible) {
        view.advance(visible);
        if let Some(partition) = self.bells.get(&view.id()) {
            partition.grew.notify_waiters();
        }
    }

    /// Ends a subscription; what it held returns to the queue.
    pub(crate) fn cancel(&mut self, block: &mut Block, consumer: ConsumerId, now: Timestamp) {
        self.outlets.remove(consumer);
        // A consumer that ended by itself, or with its queue, is unknown here: nothing is left to do.
        let _ = self.queue.cancel(block, consumer, OpenLeases::Return, now);
    }

    /// Returns deliveries that nobody read: a one-shot consumer is gone by the time that its reader is.
    pub(crate) fn give_back(&mut self, block: &mut Block, unread: &[LeaseToken], now: Timestamp) {
        let nack = |lease: &LeaseToken| Settle {
            lease: *lease,
            action: SettleAction::Nack { delay: Duration::ZERO },
        };
        let settles: Vec<Settle> = unread.iter().map(nack).collect();
        // A lease that ended meanwhile needs no return.
        let _ = self.queue.settle(block, &settles, now);
    }

    /// Refuses a queue that belongs to a connection: whoever comes without one is not its owner.
    pub(crate) fn check_is_shared(&self, queue: &TopicName) -> Result<(), Refusal> {
        Ok(self.queue.check_access(queue, None)?)
    }

    /// Refuses a name that a topic of the other model has.
    pub(crate) fn check_name_is_free_of(&self, name: &TopicName, other: &'static str) -> Result<(), Refusal> {
        let taken = match other {
            "log" => self.log.topic(name).is_some(),
            _ => self.queue.has_queue(name),
        };
        if taken {
            let detail = format!("{name} exists as a {other}; delete it first or use another name");
            return Err(Refusal::new(ErrorCode::AlreadyExists, detail).in_field("model"));
        }
        Ok(())
    }
}
