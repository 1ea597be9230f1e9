use std::io;

use message::{ErrorCode, NameError, TopicName};

use crate::batch::BatchError;
use crate::{
    GroupError, Offset, PartitionId, Producer, ProducerEpoch, ProducerId, TopicPartition, TransactionalId,
};

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
    /// Settings do not go together: with one another, or with what is there.
    #[error("{0}")]
    ConflictingConfig(String),
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
    /// A record has no key, and the topic is compacted by key.
    #[error("record {0} of the batch has no key; a compacted topic takes only records with one")]
    Keyless(u32),
    /// A record's timestamp is too far from the broker's clock.
    #[error(
        "the timestamp {timestamp} is not allowed: the topic takes {earliest} to {latest}; see \
         message.timestamp.before.max.ms and message.timestamp.after.max.ms"
    )]
    Timestamp {
        /// What the record bears, in milliseconds.
        timestamp: i64,
        /// The earliest that is allowed.
        earliest: i64,
        /// The latest that is allowed.
        latest: i64,
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
    /// No producer was ever given this id here.
    #[error("producer id {0} was not given out by this server; ask for a new one")]
    UnknownProducer(ProducerId),
    /// A newer incarnation of the producer writes here.
    #[error("producer {producer} is fenced: its epoch is {current} by now; begin again")]
    InvalidProducerEpoch {
        /// Who wrote.
        producer: Producer,
        /// The epoch that counts.
        current: ProducerEpoch,
    },
    /// The batch leaves out records of its producer, or comes again after so many others that it is not recognised.
    #[error("producer {producer} sent sequence {found} to {partition}, where {expected} is next")]
    OutOfOrderSequence {
        /// Who wrote.
        producer: Producer,
        /// Where.
        partition: TopicPartition,
        /// The number that the batch should have begun with.
        expected: i32,
        /// The number that it began with.
        found: i32,
    },
    /// Somebody else goes on under the transactional id.
    #[error("producer {claimed} is fenced: the transactional id belongs to {current} by now")]
    ProducerFenced {
        /// Who asked.
        claimed: Producer,
        /// Whose the id is.
        current: Producer,
    },
    /// The transactional id is not this producer's.
    #[error("transactional id {:?} does not belong to producer {producer}", id.as_str())]
    InvalidProducerMapping {
        /// The id.
        id: TransactionalId,
        /// Who asked.
        producer: ProducerId,
    },
    /// No such transactional id, or transaction.
    #[error("there is no transaction {0:?} (any more)")]
    UnknownTransaction(String),
    /// What was asked does not fit the state that the transaction is in.
    #[error("{0}")]
    InvalidTransactionState(String),
    /// The transaction cannot be committed any more: it was aborted.
    #[error("the transaction of {:?} was aborted; nothing of it counts, begin another", .0.as_str())]
    TransactionAborted(TransactionalId),
    /// A transaction may not stay open for so long, or not at all.
    #[error("give a timeout of 1 to {} milliseconds", .0.as_millis())]
    InvalidTransactionTimeout(std::time::Duration),
    /// A transactional id is empty or too long.
    #[error("a transactional id has 1 to {} bytes", TransactionalId::LEN_MAX)]
    InvalidTransactionalId,
    /// The transaction takes in more than can be ended at once.
    #[error("a transaction takes at most {max} {what}; end it and begin another")]
    TransactionTooLarge {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// Too many producers are remembered to take another.
    #[error(
        "{0} producers wrote lately, which is the limit; retry when some of them have been silent for a while"
    )]
    TooManyProducers(usize),
    /// Too many transactional ids are remembered to take another.
    #[error("{0} transactional ids are in use, which is the limit")]
    TooManyTransactionalIds(usize),
    /// A group refused.
    #[error(transparent)]
    Group(#[from] GroupError),
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
            LogError::ConflictingConfig(_) => ErrorCode::ConflictingSettings,
            LogError::Batch(error) => error.code(),
            LogError::Keyless(_) => ErrorCode::InvalidRecord,
            LogError::Timestamp { .. } => ErrorCode::InvalidTimestamp,
            LogError::TooLarge { .. } => ErrorCode::TooLarge,
            LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            LogError::Damaged { .. } => ErrorCode::DataDamaged,
            LogError::UnknownProducer(_) => ErrorCode::UnknownProducer,
            LogError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            LogError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequence,
            LogError::ProducerFenced { .. } => ErrorCode::ProducerFenced,
            LogError::InvalidProducerMapping { .. } => ErrorCode::InvalidProducerMapping,
            LogError::UnknownTransaction(_) => ErrorCode::UnknownTransaction,
            LogError::InvalidTransactionState(_) => ErrorCode::InvalidTransactionState,
            LogError::TransactionAborted(_) => ErrorCode::TransactionAborted,
            LogError::InvalidTransactionTimeout(_) => ErrorCode::InvalidTransactionTimeout,
            LogError::InvalidTransactionalId => ErrorCode::InvalidRequest,
            LogError::TransactionTooLarge { .. } => ErrorCode::TooLarge,
            LogError::TooManyProducers(_) | LogError::TooManyTransactionalIds(_) => ErrorCode::Overloaded,
            LogError::Group(error) => error.code(),
            LogError::Overloaded(_) => ErrorCode::Overloaded,
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
