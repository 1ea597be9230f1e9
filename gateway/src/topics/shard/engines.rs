use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use log_engine::{LogEngine, PartitionId, PartitionView, ProducerWindows, Visible};
use message::{ErrorCode, Limits, Timestamp, TopicName};
use queue_engine::{
    Browsed, ConsumerId, LeaseToken, LogTarget, OpenLeases, Outbox, QueueEngine, QueueId, Settle,
    SettleAction,
};
use segment_store::{Block, Journal, StoreError};
use tracing::warn;

use super::idempotency::Idempotency;
use super::job_book::JobBook;
use super::makers::Makers;
use super::outlets::Outlets;
use super::shovel_book::ShovelBook;
use super::staging::Staging;
use super::waiters::Waiters;
use crate::auth::{Guard, Identities};
use crate::refusal::Refusal;
use crate::topics::deeds::{self, Deed};
use crate::topics::delivery::QueueDelivery;
use crate::topics::directory::Directory;
use crate::topics::log_topic::LogPartition;
use crate::topics::outgoing::Outgoing;
use crate::topics::partitioner::Partitioner;
use crate::topics::record_batches;
use crate::topics::session::ReplyBook;
use crate::topics::share::ShareBells;
use crate::topics::vitals::Vitals;

/// Bytes of a batch of messages that passed, unless a single one is larger.
const PASSED_BATCH: usize = 1 << 20;

/// All state that the owner guards.
pub(crate) struct Engines {
    pub log: LogEngine,
    pub queue: QueueEngine,
    pub idempotency: Idempotency,
    pub jobs: JobBook,
    pub queue_producers: ProducerWindows,
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
    /// Why the journal did not take what a log was to get of messages that are in their queues: nothing of their block
    /// may be told.
    pub unkept: Option<StoreError>,
    /// Users, rules and quotas.
    pub identities: Identities,
    /// Definitions of shovels.
    pub shovels: ShovelBook,
    /// Who made which topic.
    pub makers: Makers,
    /// Who is shown users, rules and quotas.
    pub guard: Guard,
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
        self.append_passed(journal, now);
        let outbox = self.queue.take_outbox(journal.block());
        for (_, name) in &outbox.deleted_queues {
            // Unless somebody declared it anew within the same group.
            if !self.queue.has_queue(name) {
                self.forget_topic(name);
            }
            deeds::tell_own(&self.guard, Deed::DeleteTopic, &format!("queue {name}"));
        }
        outbox
    }

    /// Puts what passed queues that logs keep, and dead letters that go to logs, into those, and tells the queues whether
    /// logs take more.
    pub(crate) fn append_passed(&mut self, journal: &mut Journal, now: Timestamp) {
        let passed = self.queue.take_log_appends();
        self.append_routed(journal, passed, now);
        self.queue.hold_logs(!self.log.has_room());
    }

    /// Puts messages that an exchange routed to logs into them, now. They are in the block, or nowhere else: that there
    /// is room for them was seen to before they were taken in.
    pub(crate) fn append_routed(&mut self, journal: &mut Journal, routed: Vec<LogTarget>, now: Timestamp) {
        if routed.is_empty() {
            return;
        }
        routed.iter().for_each(|target| journal.block().release(target.room()));
        if let Err(error) = self.append_all(journal, routed, now) {
            self.unkept = Some(error);
        }
    }

    /// Appends messages to their logs. A log that is gone by now takes nothing.
    fn append_all(
        &mut self,
        journal: &mut Journal,
        routed: Vec<LogTarget>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut by_log: BTreeMap<TopicName, Vec<LogTarget>> = BTreeMap::new();
        for target in routed {
            by_log.entry(target.topic.clone()).or_default().push(target);
        }
        // Each was small enough where it entered; what it became on its way must not keep it out.
        let sizes = Limits {
            key_bytes: usize::MAX,
            header_bytes: usize::MAX,
            message_bytes: usize::MAX,
            ..self.limits
        };
        for (name, targets) in by_log {
            let Some(topic) = self.log.topic(&name).map(Arc::clone) else { continue };
            let messages: Vec<Outgoing> =
                targets.iter().map(|target| Outgoing::from(target.message.as_ref())).collect();
            let partitions = topic.partitions().len() as u32;
            let config = topic.config().with_batches_of(record_batches::largest(&messages).max(PASSED_BATCH));
            let built =
                record_batches::build(&messages, partitions, &config, &sizes, &self.partitioner, now, None);
            for (partition, batch) in built.batches {
                let Some(view) = topic.partition(partition) else { continue };
                journal.ensure(LogEngine::append_record_len(batch.len()))?;
                if let Err(refusal) = self.log.append_passed(journal.block(), view.id(), batch, now) {
                    warn!(log = %name, %refusal, "messages that were routed to a log were dropped");
                }
            }
            for refusal in built.slots.into_iter().filter_map(Result::err) {
                // What the log does not take can go nowhere: as a broker drops what no queue is bound for.
                warn!(log = %name, %refusal, "a message that was routed to a log was dropped");
            }
        }
        Ok(())
    }

    /// Forgets producers to queues that were silent for long, or whose queue is gone.
    pub(crate) fn forget_queue_producers(&mut self, now: Timestamp) {
        if !self.queue_producers.is_empty() {
            let queues = &self.queue;
            let before = self.log.producers_since(now);
            self.queue_producers.forget(before, |place| has_queue(queues, place));
        }
    }

    /// Shows everybody the users, rules and quotas as they are now.
    pub(crate) fn show_identities(&mut self) {
        self.identities.arrange();
        self.guard.show(self.identities.clone());
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

/// Whether the queue is there that a producer's batches went to.
pub(crate) fn has_queue(queues: &QueueEngine, place: u64) -> bool {
    u32::try_from(place).is_ok_and(|id| queues.has_queue_id(QueueId(id)))
}
