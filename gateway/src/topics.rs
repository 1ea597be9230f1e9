//! The seam: the only place that knows both models.
//!
//! Doors name topics and get answers in these types; engines get plain calls from the shard's owner. A topic that
//! lives on an external cluster will be a third variant of [`Topic`].

mod administration;
mod appending;
mod authorization;
mod clock;
mod consumer_protocol;
mod deeds;
mod delegation_tokens;
mod delivery;
mod directory;
mod exchange_spec;
mod exchanges;
mod group_acks;
mod group_lag;
mod group_positions;
mod group_readers;
mod group_settings;
mod group_spec;
pub mod group_wire;
mod groups;
mod header_json;
mod identities;
mod identity_audit;
mod inventory;
mod job_spec;
mod jobs;
mod lease;
mod log_settings;
mod log_topic;
mod member_ids;
mod message_edit;
mod opening;
mod outgoing;
mod partitioner;
mod permissions;
mod policies;
mod policy_spec;
mod producer_wire;
mod publishing;
mod queue_message;
mod queue_producing;
mod queue_topic;
mod record_batches;
mod record_chunk;
mod record_properties;
mod refusals;
mod retry_settings;
pub mod session;
mod settling;
mod shard;
pub mod share;
mod shovels;
mod spec;
mod transaction_spec;
mod transactions;
mod view;
mod virtual_hosts;
mod vitals;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use dashmap::DashMap;
use message::{ErrorCode, GroupName, Limits, Timestamp, TopicName};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use appending::{AppendedBatch, Appends, BatchAppend, InTransaction, ProducerBatch};
pub use authorization::Act;
pub(crate) use deeds::Deed;
pub use delegation_tokens::{DelegationError, ShownToken};
pub use delivery::QueueDelivery;
pub use exchange_spec::{
    BindingDescription, BindingSpec, DestinationType, EffectiveExchange, ExchangeDescription, ExchangeKind,
    ExchangeSpec, HashProperty,
};
pub use group_readers::GroupBatch;
pub use group_settings::GroupSetting;
pub use group_spec::{
    CommitNote, CommitOffset, GroupAck, GroupCommit, GroupDescription, GroupKind, GroupMember, GroupOffset,
    GroupPosition, GroupReceive, GroupReset, GroupState, GroupSummary, Joined, MemberKind, Reader,
    ResetOutcome, ResetTo, TopicPartition,
};
pub use identities::{QuotaChange, UserChange, check_rules};
pub use inventory::{BindingEntry, ExchangeCounts, ExchangeEntry, QueueCounts, QueueEntry, Table};
pub use job_spec::{JobDescription, JobKind, JobState, RedriveSpec, ReplaySpec, ReplayTarget, StartAt};
pub use lease::{Lease, NotALease};
pub use log_engine::{
    ActiveProducer, Adjustable, ConfigChange, ConfigEntry, ConfigKind, ConfigSource, GroupConfig, Isolation,
    LogEngineConfig, LowWatermark, Offset, Producer, ProducerEpoch, ProducerId, ShareConfig, ShareLimits,
    TopicConfig, TransactionDescription, TransactionOutcome, TransactionalId,
};
pub use log_settings::{Mode, Others};
pub use log_topic::{LogTopic, LogWatch, PartitionBounds, StoredBatches};
pub use message_edit::{MessageChange, MessageEdits, MessageFilter};
pub use opening::{OwnerTask, TopicsSettings};
pub use outgoing::{Acks, IdempotencyKey, Outgoing, OutgoingOptions, Receipt, Receipts};
pub use policy_spec::{ApplyTo, PolicyDefinition, PolicyDescription, PolicyKind, PolicySpec};
pub use producer_wire::TransactionOffsets;
pub use queue_engine::EngineConfig as QueueEngineConfig;
pub use queue_engine::{FailedAttempt, Outcome as FailureOutcome};
pub use queue_producing::QueueBatch;
pub use queue_topic::{Hold, QueueSubscription, QueueTopic, SubscribeOptions};
pub use record_chunk::RecordChunk;
pub use record_properties::amqp_form;
pub use retry_settings::{RetryLinear, RetrySettings};
pub use settling::{SettleAction, SettleRequest, SettledLease};
pub use shard::{IdempotencySettings, StagingSettings};
pub use shovels::{ShovelDefinition, ShovelName, ShovelSettings, ShovelTable};
pub use spec::{
    Created, DeadLetterStrategy, DeleteIf, LogSettings, Model, Overflow, PartitionDescription, QueueSettings,
    QueueStats, QueueType, TopicDescription, TopicFilter, TopicPatch, TopicSpec,
};
pub use transaction_spec::{NotATransaction, Transaction, TransactionId, TransactionStatus};
pub use view::{HeadersView, MessageView, Place, Standing};
pub use virtual_hosts::VirtualHost;
pub use vitals::Alarm;

use directory::{Directory, Listed};
use group_positions::GroupPositions;
use jobs::Jobs;
use member_ids::MemberIds;
use shard::ShardHandle;
use share::ShareBells;
use vitals::Vitals;

use crate::auth::{Guard, Pass, Usage};
use crate::refusal::Refusal;

/// All topics, for every door, on behalf of one client. Cheap to clone.
#[derive(Clone)]
pub struct Topics(Arc<House>, Pass, Usage);

/// Where each group member that comes request by request reads on.
type Positions = DashMap<(GroupName, String), Arc<Mutex<GroupPositions>>>;

struct House {
    shard: ShardHandle,
    guard: Guard,
    directory: Arc<Directory>,
    limits: Limits,
    topic_defaults: TopicConfig,
    clock: clock::Clock,
    draining: CancellationToken,
    stop: CancellationToken,
    jobs: Jobs,
    positions: Positions,
    member_ids: MemberIds,
    sweep_at: AtomicUsize,
    vitals: Arc<Vitals>,
    share_bells: Arc<ShareBells>,
    shovels: watch::Receiver<Arc<ShovelTable>>,
}

/// A topic of either model. An enum and not a trait: a trait wide enough for both would speak the language of neither.
#[derive(Clone)]
pub enum Topic {
    /// Partitioned, kept, pulled by offset.
    Log(LogTopic),
    /// Pushed, leased, acked one by one, deleted.
    Queue(QueueTopic),
}

impl Topic {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &TopicName {
        match self {
            Topic::Log(log) => log.name(),
            Topic::Queue(queue) => queue.name(),
        }
    }

    /// Its model.
    #[must_use]
    pub fn model(&self) -> Model {
        match self {
            Topic::Log(_) => Model::Log,
            Topic::Queue(_) => Model::Queue,
        }
    }
}

fn wrong_model(topic: &Topic) -> Refusal {
    let name = topic.name();
    let detail = match topic {
        Topic::Log(_) => format!("{name} is a log; this operation is for queues"),
        Topic::Queue(_) => format!("{name} is a queue; this operation is for logs"),
    };
    Refusal::new(ErrorCode::WrongModel, detail)
}

impl Topics {
    /// The topic of that name, whatever its model.
    pub fn topic(&self, name: &str) -> Result<Topic, Refusal> {
        self.allow(Act::SeeTopic, name)?;
        Ok(self.handle(self.0.directory.get(name)?))
    }

    /// The log of that name.
    pub fn log(&self, name: &str) -> Result<LogTopic, Refusal> {
        match self.topic(name)? {
            Topic::Log(log) => Ok(log),
            other @ Topic::Queue(_) => Err(wrong_model(&other)),
        }
    }

    /// The queue of that name.
    pub fn queue(&self, name: &str) -> Result<QueueTopic, Refusal> {
        match self.topic(name)? {
            Topic::Queue(queue) => Ok(queue),
            other @ Topic::Log(_) => Err(wrong_model(&other)),
        }
    }

    /// The log with this id.
    pub fn log_by_id(&self, id: u64) -> Result<LogTopic, Refusal> {
        let found = self.0.directory.name_of(id).and_then(|name| self.log(name.as_str()).ok());
        found.filter(|log| log.id() == id).ok_or_else(|| {
            Refusal::new(ErrorCode::UnknownTopic, "no topic has this id (any more); ask for metadata again")
        })
    }

    /// The queue with this id.
    pub fn queue_by_id(&self, id: u32) -> Result<QueueTopic, Refusal> {
        let found = self.0.directory.name_of_queue(id).and_then(|name| self.queue(name.as_str()).ok());
        found.filter(|queue| queue.id() == id).ok_or_else(|| {
            Refusal::new(ErrorCode::UnknownTopic, "no topic has this id (any more); ask for metadata again")
        })
    }

    /// The first `limit` topics after `after`, by name.
    #[must_use]
    pub fn topics_after(&self, after: Option<&str>, limit: usize) -> Vec<Topic> {
        self.list_topics(after, limit, |_, _| true)
    }

    /// Those of them that are wanted.
    fn list_topics(
        &self,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&TopicName, Model) -> bool,
    ) -> Vec<Topic> {
        let shown =
            |name: &TopicName, model: Model| self.may(Act::SeeTopic, name.as_str()) && wanted(name, model);
        let found = self.0.directory.list(after, limit, shown);
        found.into_iter().map(|listed| self.handle(listed)).collect()
    }

    /// A handle on behalf of the client.
    fn handle(&self, listed: Listed) -> Topic {
        let Topics(house, pass, usage) = self;
        let pass = pass.clone();
        match listed {
            Listed::Log(log) => Topic::Log(LogTopic(log, pass)),
            Listed::Queue { id, name, host } => Topic::Queue(QueueTopic {
                id,
                name,
                host,
                shard: house.shard.clone(),
                draining: house.draining.clone(),
                pass,
                usage: usage.clone(),
                guard: house.guard.clone(),
            }),
        }
    }

    /// The time as engines see it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Sizes that nothing may exceed.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Cancelled once the server goes down: long polls end, streams say goodbye.
    #[must_use]
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// Stops taking new work and ends every wait. What was accepted is still carried out.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Ends the owner once everything accepted is on disk; call it after the doors have closed.
    pub fn close(&self) {
        self.0.draining.cancel();
        self.0.stop.cancel();
    }

    fn check_not_draining(&self) -> Result<(), Refusal> {
        if self.0.draining.is_cancelled() {
            let detail = "the server is stopping; retry against it when it is back";
            return Err(Refusal::new(ErrorCode::ShuttingDown, detail).retry_after(1000));
        }
        Ok(())
    }

    fn shard(&self) -> &ShardHandle {
        &self.0.shard
    }

    fn directory(&self) -> &Directory {
        &self.0.directory
    }

    fn vitals(&self) -> &Vitals {
        &self.0.vitals
    }

    fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    fn positions(&self) -> &Positions {
        &self.0.positions
    }

    fn member_ids(&self) -> &MemberIds {
        &self.0.member_ids
    }

    fn sweep_at(&self) -> &AtomicUsize {
        &self.0.sweep_at
    }
}
