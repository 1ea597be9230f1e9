use std::io;

use message::{ErrorCode, GroupName, NameError, TopicName};

use crate::batch::BatchError;
use crate::{MemberId, Offset, PartitionId, TopicPartition};

/// Why the log engine refused or could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No log has this name.
    #[error("there is no log topic {0:?}; create it first")]
    UnknownTopic(TopicName),
    /// The topic has fewer partitions.
    #[error("topic {:?} has no partition {}; its partitions count from 0", .0.topic.as_str(), .0.partition)]
    UnknownPartition(TopicPartition),
    /// The partition's topic was deleted.
    #[error("partition {0} does not exist (any more)")]
    GonePartition(PartitionId),
    /// A log of that name exists already.
    #[error("log topic {0:?} exists already")]
    TopicExists(TopicName),
    /// A log cannot have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A configuration key or value is not accepted, or a number of partitions is out of range.
    #[error("{0}")]
    InvalidConfig(String),
    /// A batch is broken.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A batch is larger than the topic takes.
    #[error("the batch has {size} bytes, more than the topic's max.message.bytes of {max}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// What the topic allows.
        max: usize,
    },
    /// The offset lies outside what the partition holds.
    #[error("offset {requested} is out of range: the partition holds {start} up to, not including, {end}")]
    OffsetOutOfRange {
        /// What was asked for.
        requested: Offset,
        /// The first offset held.
        start: Offset,
        /// The offset after the last one held.
        end: Offset,
    },
    /// Records were damaged on disk. Everything before and after them can be read.
    #[error(
        "the records {first} up to, not including, {next} of partition {partition} are damaged on disk; go on at {next}"
    )]
    Damaged {
        /// Where.
        partition: TopicPartition,
        /// The first offset lost.
        first: Offset,
        /// The first offset that can be read again.
        next: Offset,
    },
    /// No group has this name.
    #[error("there is no group {0:?}")]
    UnknownGroup(GroupName),
    /// The group still has members.
    #[error("group {0:?} has live members; stop them, or wait until their sessions end")]
    GroupInUse(GroupName),
    /// The group has as many members as are allowed.
    #[error("group {group:?} has its limit of {limit} members")]
    GroupFull {
        /// The group.
        group: GroupName,
        /// The limit.
        limit: usize,
    },
    /// The member is not in the group (any more).
    #[error("member {0:?} is not in the group (any more); join again")]
    UnknownMember(MemberId),
    /// The member no longer owns the partition, or never did.
    #[error("partition {0} is assigned to another member by now; the commit was refused")]
    StaleGeneration(TopicPartition),
    /// Text that a commit carries is too long.
    #[error("the commit's metadata has {size} bytes, more than the limit of {max}")]
    MetadataTooLarge {
        /// Bytes of the metadata.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// More was published than the disk could take over so far.
    #[error("the disk cannot keep up: {0} bytes wait to be settled; slow down and retry")]
    Overloaded(u64),
    /// The disk has no room for segment files. Nothing is lost; what was accepted waits in the journal.
    #[error("the disk is full; free space and retry")]
    DiskFull,
    /// The operating system refused.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The journal holds a record that this version cannot read.
    #[error("the journal holds a log record that cannot be read ({0}); was it written by a newer version?")]
    Record(&'static str),
}

impl LogError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            LogError::UnknownTopic(_) => ErrorCode::UnknownTopic,
            LogError::UnknownPartition(_) | LogError::GonePartition(_) => ErrorCode::UnknownPartition,
            LogError::TopicExists(_) => ErrorCode::AlreadyExists,
            LogError::Name(error) => error.code(),
            LogError::InvalidConfig(_) => ErrorCode::InvalidConfig,
            LogError::Batch(error) => error.code(),
            LogError::TooLarge { .. } | LogError::MetadataTooLarge { .. } => ErrorCode::TooLarge,
            LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            LogError::Damaged { .. } => ErrorCode::DataDamaged,
            LogError::UnknownGroup(_) => ErrorCode::UnknownGroup,
            LogError::GroupInUse(_) => ErrorCode::InUse,
            LogError::UnknownMember(_) => ErrorCode::UnknownMember,
            LogError::StaleGeneration(_) => ErrorCode::StaleGeneration,
            LogError::GroupFull { .. } | LogError::Overloaded(_) => ErrorCode::Overloaded,
            LogError::DiskFull => ErrorCode::DiskFull,
            LogError::Io { .. } | LogError::Record(_) => ErrorCode::StorageFailed,
        }
    }

    /// Wraps the operating system's answer, telling a full disk from other trouble.
    pub(crate) fn io(context: impl Into<String>, source: io::Error) -> LogError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LogError::DiskFull,
            _ => LogError::Io { context: context.into(), source },
        }
    }
}
