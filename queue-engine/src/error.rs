use ::message::{ErrorCode, HeaderError, TopicName};

use crate::{MessageId, QueueId};

/// Why the engine refused. Nothing changed, unless the variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// No queue has this name.
    #[error("there is no queue {0:?}; create it first")]
    UnknownQueue(String),
    /// No exchange has this name.
    #[error("there is no exchange {0:?}; declare it first")]
    UnknownExchange(String),
    /// No virtual host has this name.
    #[error("there is no virtual host {0:?}; create it first")]
    UnknownVirtualHost(String),
    /// No policy has this name.
    #[error("there is no policy {0:?}")]
    UnknownPolicy(String),
    /// The exchange has no such binding.
    #[error("there is no such binding on exchange {0:?}")]
    UnknownBinding(String),
    /// The queue holds no such message (any more).
    #[error("queue {queue} holds no message {id}: it was settled, expired or deleted, or never existed")]
    UnknownMessage {
        /// Where it was looked for.
        queue: TopicName,
        /// What was looked for.
        id: MessageId,
    },
    /// The subscription ended, or never was.
    #[error("there is no such subscription; it was cancelled, or its queue was deleted")]
    UnknownConsumer,
    /// It exists, with another value of one property. `have` and `want` are printed values.
    #[error("{what} exists with {field} = {have}, not {want}; change it with an update, or delete it first")]
    Differs {
        /// What exists, e.g. `queue "a"`.
        what: String,
        /// The property, as users name it.
        field: &'static str,
        /// The value in force.
        have: String,
        /// The value that was asked for.
        want: String,
    },
    /// The queue belongs to somebody else.
    #[error("queue {0} is exclusive to the connection that declared it")]
    Locked(TopicName),
    /// The queue hands messages to its active consumer only.
    #[error("queue {0} has single_active_consumer: subscribe to it, messages cannot be taken one by one")]
    SingleActive(TopicName),
    /// An exclusive subscription wants to be alone.
    #[error("queue {queue} {why}")]
    ExclusiveUse {
        /// The queue.
        queue: TopicName,
        /// Who is in the way.
        why: &'static str,
    },
    /// The shared limit was closed, or never was.
    #[error("there is no such shared limit; it was closed")]
    UnknownPool,
    /// The request asked to delete only what nobody needs.
    #[error("{0}")]
    InUse(String),
    /// The name or the thing is the broker's own.
    #[error("{0}")]
    Reserved(String),
    /// It exists, and an AMQP client declared it otherwise. `received` and `current` are printed as RabbitMQ does.
    #[error(
        "inequivalent arg '{argument}' for queue '{queue}' in vhost '/': received {received} but current is {current}"
    )]
    Inequivalent {
        /// The queue.
        queue: TopicName,
        /// The argument or property.
        argument: String,
        /// What was asked for.
        received: String,
        /// What is in force.
        current: String,
    },
    /// An argument of a declaration has a value that it cannot have, or belongs to another type of queue.
    #[error("invalid arg '{argument}' for queue '{queue}' in vhost '/': {why}")]
    InvalidArgument {
        /// The queue.
        queue: TopicName,
        /// The argument.
        argument: String,
        /// What is wrong with it.
        why: String,
    },
    /// An option is out of range, or needs another.
    #[error("{field}: {why}")]
    InvalidOption {
        /// The option, as users name it.
        field: &'static str,
        /// What to do about it.
        why: String,
    },
    /// Options do not go together: with one another, or with what the queue is.
    #[error("{field}: {why}")]
    ConflictingOptions {
        /// The option to change, as users name it.
        field: &'static str,
        /// What to do about it.
        why: String,
    },
    /// A header that names further routing keys is no list.
    #[error("header {0} must be a list of routing keys")]
    CarbonCopy(&'static str),
    /// The headers of the message or of the binding are not well formed.
    #[error(transparent)]
    Headers(#[from] HeaderError),
    /// The queue is at its length limit and refuses. Other queues that the message was routed to have it.
    #[error("queue {0} is full (max_length or max_length_bytes); retry when it has drained")]
    QueueFull(TopicName),
    /// A log that would get the message has too much waiting for its disk. Nothing has the message.
    #[error("a log that keeps what passes here has too much waiting for the disk; retry")]
    LogsFull,
    /// The journal's block has no room for this request. Flush it and call again.
    #[error("the journal block is full; retry")]
    BlockFull,
    /// No block of the journal has room for it.
    #[error("{0}")]
    TooLarge(String),
    /// No queue ids are left. 2^32 queues were declared in the life of this data directory.
    #[error("no queue ids are left; start with a new data directory")]
    OutOfIds,
    /// A journal record does not read as one.
    #[error("the queue record at journal position {0} is malformed")]
    CorruptRecord(u64),
    /// A stored message cannot be read any more.
    #[error("message {id} of queue {queue} cannot be read from the journal: {why}")]
    Damaged {
        /// Whose message.
        queue: QueueId,
        /// Which message.
        id: MessageId,
        /// What the journal answered.
        why: String,
    },
}

impl QueueError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            QueueError::UnknownQueue(_) => ErrorCode::UnknownTopic,
            QueueError::UnknownExchange(_) => ErrorCode::UnknownExchange,
            QueueError::UnknownVirtualHost(_) => ErrorCode::UnknownVirtualHost,
            QueueError::UnknownPolicy(_) => ErrorCode::UnknownPolicy,
            QueueError::UnknownBinding(_) => ErrorCode::UnknownBinding,
            QueueError::UnknownMessage { .. } => ErrorCode::UnknownMessage,
            QueueError::UnknownConsumer => ErrorCode::UnknownMember,
            QueueError::Differs { .. } | QueueError::Inequivalent { .. } => ErrorCode::AlreadyExists,
            QueueError::Locked(_) | QueueError::SingleActive(_) => ErrorCode::ResourceLocked,
            QueueError::ExclusiveUse { .. } => ErrorCode::ExclusiveUse,
            QueueError::UnknownPool => ErrorCode::Internal,
            QueueError::InUse(_) => ErrorCode::InUse,
            QueueError::Reserved(_) => ErrorCode::Reserved,
            QueueError::ConflictingOptions { .. } => ErrorCode::ConflictingSettings,
            QueueError::InvalidOption { .. } | QueueError::InvalidArgument { .. } => ErrorCode::InvalidConfig,
            QueueError::CarbonCopy(_) => ErrorCode::InvalidRequest,
            QueueError::Headers(error) => error.code(),
            QueueError::QueueFull(_) => ErrorCode::QueueFull,
            QueueError::BlockFull | QueueError::LogsFull => ErrorCode::Overloaded,
            QueueError::TooLarge(_) => ErrorCode::TooLarge,
            QueueError::OutOfIds => ErrorCode::Internal,
            QueueError::CorruptRecord(_) | QueueError::Damaged { .. } => ErrorCode::DataDamaged,
        }
    }
}

/// Why one lease could not be settled. The others of the same request are not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The lease is over. Settling twice ends here too: the engine does not remember how a lease ended.
    #[error("the lease is over: it was settled, it expired, or the message was deleted")]
    StaleLease,
    /// The journal's block has no room left. Flush it and settle this lease again.
    #[error("the journal block is full; retry")]
    BlockFull,
}

impl SettleError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            SettleError::StaleLease => ErrorCode::StaleLease,
            SettleError::BlockFull => ErrorCode::Overloaded,
        }
    }
}
