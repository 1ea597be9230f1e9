//! Partitioned, durable logs in Kafka's own format, with consumer groups.
//!
//! A [`LogEngine`] belongs to one owner, which calls its methods, writes the journal block that they fill, and then
//! releases what it promised. Readers hold an [`Arc<PartitionView>`](PartitionView) and never ask the owner.
//!
//! **Invariant:** the engine knows no socket, clock or wire protocol. The time is an argument, files are reached
//! through [`segment_store::Disk`] only, and what it must remember goes through the journal.
//!
//! A batch lives in two places before it is settled: the journal, for durability, and memory, for readers. A
//! [`SettleJob`] moves it into the partition's own segment files, off the owner's thread; then the journal is recycled.
//!
//! ```
//! use std::sync::Arc;
//! use log_engine::batch::{BatchBuilder, RecordSet};
//! use log_engine::{LogEngine, LogEngineConfig, Offset, TopicConfig};
//! use message::{Timestamp, TopicName};
//! use segment_store::{Block, Lsn, RealDisk};
//!
//! # let directory = tempfile::tempdir()?;
//! let now = Timestamp(1_700_000_000_000);
//! let disk = Arc::new(RealDisk::new(directory.path()));
//! let mut engine = LogEngine::open(disk, LogEngineConfig::default());
//! engine.finish_recovery(now)?;
//!
//! let mut block = Block::for_test(Lsn(0));
//! let orders = engine.create_topic(&mut block, &TopicName::new("orders")?, 3, TopicConfig::default(), now)?;
//! let first = &orders.partitions()[0];
//!
//! let mut builder = BatchBuilder::new(now);
//! builder.push(Some(b"key"), Some(b"value"), &[], None);
//! let appended = engine.append(&mut block, first.id(), builder.build(), now)?;
//! assert_eq!(appended.base_offset, Offset(0));
//!
//! // The owner writes and syncs the block here; then readers may see it.
//! for (view, offset) in engine.take_advanced() {
//!     view.advance(offset);
//! }
//! let read = first.read(Offset(0), 1 << 20)?;
//! let records = RecordSet::open(&read.batches[0], 1 << 20)?;
//! assert_eq!(records.iter().next().unwrap()?.value, Some(&b"value"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
pub mod batch;
mod cleaner;
mod engine;
mod error;
mod group;
mod group_offsets;
mod group_settings;
mod group_upkeep;
mod groups;
mod intake;
mod offset;
mod partition;
mod producer;
mod producers;
mod record;
mod recovery;
mod retention;
mod segment;
mod settle;
mod settling;
mod share;
mod share_upkeep;
mod shares;
mod side_by_side;
mod tail;
mod time_lookup;
mod topic;
mod topic_changes;
mod topic_config;
mod transaction;
mod transactions;
mod view;

pub use cleaner::{CleanJob, CleanOutcome, CleanResult};
pub use engine::{Appended, LogEngine, LogEngineConfig};
pub use error::LogError;
pub use group::{
    AssignorKind, Attendance, ClassicProtocol, ClientFormat, ClientOrigin, ClientSubscription, Committed,
    ConsumerAnswer, ConsumerHeartbeat, Generation, GroupAnswer, GroupConfig, GroupDescription, GroupError,
    GroupKind, GroupListing, GroupState, InstanceId, JoinAnswer, JoinGroup, Joined, JoinedMember, Leaving,
    LowWatermark, MemberDescription, MemberEpoch, MemberId, MemberKind, OffsetCommit, OffsetReset,
    PartitionLag, ResetTo, SyncAnswer, SyncGroup, Ticket, resolve,
};
pub use group_offsets::Committer;
pub use group_settings::{Adjustable, GroupSetting};
pub use offset::{Offset, PartitionId, TopicId, TopicPartition};
pub use producer::{ActiveProducer, Producer, ProducerEpoch, ProducerId, ProducerWindows};
pub use recovery::Damage;
pub use settle::{SettleJob, SettleOutcome, SettleResult};
pub use share::{
    AcknowledgeType, Acknowledgement, AcquiredRecords, ShareConfig, ShareError, ShareGroupDescription,
    ShareHeartbeat, ShareLimits, ShareMemberDescription, Shareable,
};
pub use shares::{ShareAcquire, ShareAcquired, ShareOffset, ShareTaken};
pub use time_lookup::TimedOffset;
pub use topic::TopicView;
pub use topic_config::{
    CleanupPolicy, ConfigChange, ConfigEntry, ConfigKey, ConfigKind, ConfigSource, FixedKey, TopicConfig,
};
pub use transaction::{
    AbortedTransaction, Isolation, TransactionOutcome, TransactionState, TransactionalId, drop_aborted,
};
pub use transactions::{EndTransaction, Enrolment, InitProducer, TransactionDescription};
pub use view::{PartitionView, Read, Visible};
