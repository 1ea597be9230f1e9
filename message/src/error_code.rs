/// What went wrong, in the one vocabulary that all doors share.
///
/// Engines answer these; one table in the gateway maps each to HTTP, Kafka and AMQP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The request does not follow the documented form.
    InvalidRequest,
    /// A name breaks the rules for names.
    InvalidName,
    /// A configuration key or argument is unknown, or its value is out of range.
    InvalidConfig,
    /// Settings do not go together: with one another, or with what is there.
    ConflictingSettings,
    /// The stored form of a batch or message is broken.
    CorruptMessage,
    /// The topic does not take such a record.
    InvalidRecord,
    /// A record's timestamp is too far from the broker's clock.
    InvalidTimestamp,
    /// The client has to say who it is.
    Unauthenticated,
    /// No rule allows the client to do this to a topic, exchange or virtual host.
    AccessDenied,
    /// No rule allows the client to do this to a group.
    GroupAccessDenied,
    /// No rule allows the client to do this to a transactional id.
    TransactionalIdAccessDenied,
    /// No rule allows the client to do this to the server itself.
    ServerAccessDenied,
    /// A quota is used up.
    QuotaExceeded,
    /// No user has this name.
    UnknownUser,
    /// No rule has this id.
    UnknownRule,
    /// No quota is set for this.
    UnknownQuota,
    /// No topic has this name.
    UnknownTopic,
    /// The log has no such partition.
    UnknownPartition,
    /// No exchange has this name.
    UnknownExchange,
    /// No virtual host has this name.
    UnknownVirtualHost,
    /// No policy has this name.
    UnknownPolicy,
    /// No such binding.
    UnknownBinding,
    /// The queue holds no message with this id.
    UnknownMessage,
    /// No group has this name.
    UnknownGroup,
    /// No job has this id.
    UnknownJob,
    /// The group has no such member (any more): join again.
    UnknownMember,
    /// The operation belongs to the other model.
    WrongModel,
    /// It exists with other properties.
    AlreadyExists,
    /// It is not empty, or in use, and the request asked to keep it then.
    InUse,
    /// It belongs to another connection, or is kept for one consumer.
    ResourceLocked,
    /// An exclusive consumer is, or wants to be, the only one.
    ExclusiveUse,
    /// Sluice's own, not to be changed.
    Reserved,
    /// The lease ended: the message was settled, or its time ran out.
    StaleLease,
    /// The offset lies outside what the partition holds.
    OffsetOutOfRange,
    /// A commit or request carried an old generation.
    StaleGeneration,
    /// No producer was ever given this id.
    UnknownProducer,
    /// A newer incarnation of the producer writes here.
    InvalidProducerEpoch,
    /// A producer left out records, or repeated ones that are no longer remembered.
    OutOfOrderSequence,
    /// Somebody else goes on under the transactional id.
    ProducerFenced,
    /// The transactional id is not this producer's.
    InvalidProducerMapping,
    /// No such transaction (any more).
    UnknownTransaction,
    /// What was asked does not fit the state that the transaction is in.
    InvalidTransactionState,
    /// The transaction cannot be committed any more: nothing of it counts.
    TransactionAborted,
    /// A transaction may not stay open for so long.
    InvalidTransactionTimeout,
    /// The group's members are to join again.
    RebalanceInProgress,
    /// The group wants its member to join again with the id that it was given.
    MemberIdRequired,
    /// The member and its group have no protocol in common.
    InconsistentProtocol,
    /// Another member took over the static name.
    FencedInstance,
    /// The static name is still in use.
    UnreleasedInstance,
    /// The member was put out: it gives everything up and joins again.
    FencedMemberEpoch,
    /// The member's epoch has moved on.
    StaleMemberEpoch,
    /// There is no such server-side assignor.
    UnsupportedAssignor,
    /// A pattern for topics cannot be read.
    InvalidPattern,
    /// A group member's session is too short or too long.
    InvalidSessionTimeout,
    /// The group has as many members as it may.
    GroupFull,
    /// Members of the group read the topic.
    GroupSubscribed,
    /// A commit's metadata is too long.
    MetadataTooLarge,
    /// The message, batch or header is larger than allowed.
    TooLarge,
    /// The queue is at its length limit and refuses.
    QueueFull,
    /// The idempotency key was used for another request.
    IdempotencyMismatch,
    /// The same idempotency key is being worked on.
    IdempotencyInFlight,
    /// A limit on requests, connections or bytes in flight was reached: slow down.
    Overloaded,
    /// Waited as long as asked, without result.
    TimedOut,
    /// Who somebody is cannot be found out at the moment: what it takes is out of reach.
    LoginUnavailable,
    /// The server is going down.
    ShuttingDown,
    /// No disk space for more messages.
    DiskFull,
    /// The server holds as much memory as it may.
    LowMemory,
    /// Storage failed; the store waits for a restart.
    StorageFailed,
    /// A record cannot be read any more; what surrounds it can.
    DataDamaged,
    /// A defect in Sluice.
    Internal,
}

impl ErrorCode {
    /// Every code, for tables and tests.
    pub const ALL: [ErrorCode; 70] = {
        use ErrorCode::*;
        [
            InvalidRequest,
            InvalidName,
            InvalidConfig,
            ConflictingSettings,
            CorruptMessage,
            InvalidRecord,
            InvalidTimestamp,
            Unauthenticated,
            AccessDenied,
            GroupAccessDenied,
            TransactionalIdAccessDenied,
            ServerAccessDenied,
            QuotaExceeded,
            UnknownUser,
            UnknownRule,
            UnknownQuota,
            UnknownTopic,
            UnknownPartition,
            UnknownExchange,
            UnknownVirtualHost,
            UnknownPolicy,
            UnknownBinding,
            UnknownMessage,
            UnknownGroup,
            UnknownJob,
            UnknownMember,
            WrongModel,
            AlreadyExists,
            InUse,
            ResourceLocked,
            ExclusiveUse,
            Reserved,
            StaleLease,
            OffsetOutOfRange,
            StaleGeneration,
            UnknownProducer,
            InvalidProducerEpoch,
            OutOfOrderSequence,
            ProducerFenced,
            InvalidProducerMapping,
            UnknownTransaction,
            InvalidTransactionState,
            TransactionAborted,
            InvalidTransactionTimeout,
            RebalanceInProgress,
            MemberIdRequired,
            InconsistentProtocol,
            FencedInstance,
            UnreleasedInstance,
            FencedMemberEpoch,
            StaleMemberEpoch,
            UnsupportedAssignor,
            InvalidPattern,
            InvalidSessionTimeout,
            GroupFull,
            GroupSubscribed,
            MetadataTooLarge,
            TooLarge,
            QueueFull,
            IdempotencyMismatch,
            IdempotencyInFlight,
            Overloaded,
            TimedOut,
            LoginUnavailable,
            ShuttingDown,
            DiskFull,
            LowMemory,
            StorageFailed,
            DataDamaged,
            Internal,
        ]
    };

    /// The name that clients see, in `snake_case`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidRequest => "invalid_request",
            ErrorCode::InvalidName => "invalid_name",
            ErrorCode::InvalidConfig => "invalid_config",
            ErrorCode::ConflictingSettings => "conflicting_settings",
            ErrorCode::CorruptMessage => "corrupt_message",
            ErrorCode::InvalidRecord => "invalid_record",
            ErrorCode::InvalidTimestamp => "invalid_timestamp",
            ErrorCode::Unauthenticated => "unauthenticated",
            ErrorCode::AccessDenied => "access_denied",
            ErrorCode::GroupAccessDenied => "group_access_denied",
            ErrorCode::TransactionalIdAccessDenied => "transactional_id_access_denied",
            ErrorCode::ServerAccessDenied => "server_access_denied",
            ErrorCode::QuotaExceeded => "quota_exceeded",
            ErrorCode::UnknownUser => "unknown_user",
            ErrorCode::UnknownRule => "unknown_rule",
            ErrorCode::UnknownQuota => "unknown_quota",
            ErrorCode::UnknownTopic => "unknown_topic",
            ErrorCode::UnknownPartition => "unknown_partition",
            ErrorCode::UnknownExchange => "unknown_exchange",
            ErrorCode::UnknownVirtualHost => "unknown_virtual_host",
            ErrorCode::UnknownPolicy => "unknown_policy",
            ErrorCode::UnknownBinding => "unknown_binding",
            ErrorCode::UnknownMessage => "unknown_message",
            ErrorCode::UnknownGroup => "unknown_group",
            ErrorCode::UnknownJob => "unknown_job",
            ErrorCode::UnknownMember => "unknown_member",
            ErrorCode::WrongModel => "wrong_model",
            ErrorCode::AlreadyExists => "already_exists",
            ErrorCode::InUse => "in_use",
            ErrorCode::ResourceLocked => "resource_locked",
            ErrorCode::ExclusiveUse => "exclusive_use",
            ErrorCode::Reserved => "reserved",
            ErrorCode::StaleLease => "stale_lease",
            ErrorCode::OffsetOutOfRange => "offset_out_of_range",
            ErrorCode::StaleGeneration => "stale_generation",
            ErrorCode::UnknownProducer => "unknown_producer",
            ErrorCode::InvalidProducerEpoch => "invalid_producer_epoch",
            ErrorCode::OutOfOrderSequence => "out_of_order_sequence",
            ErrorCode::ProducerFenced => "producer_fenced",
            ErrorCode::InvalidProducerMapping => "invalid_producer_mapping",
            ErrorCode::UnknownTransaction => "unknown_transaction",
            ErrorCode::InvalidTransactionState => "invalid_transaction_state",
            ErrorCode::TransactionAborted => "transaction_aborted",
            ErrorCode::InvalidTransactionTimeout => "invalid_transaction_timeout",
            ErrorCode::RebalanceInProgress => "rebalance_in_progress",
            ErrorCode::MemberIdRequired => "member_id_required",
            ErrorCode::InconsistentProtocol => "inconsistent_protocol",
            ErrorCode::FencedInstance => "fenced_instance",
            ErrorCode::UnreleasedInstance => "unreleased_instance",
            ErrorCode::FencedMemberEpoch => "fenced_member_epoch",
            ErrorCode::StaleMemberEpoch => "stale_member_epoch",
            ErrorCode::UnsupportedAssignor => "unsupported_assignor",
            ErrorCode::InvalidPattern => "invalid_pattern",
            ErrorCode::InvalidSessionTimeout => "invalid_session_timeout",
            ErrorCode::GroupFull => "group_full",
            ErrorCode::GroupSubscribed => "group_subscribed",
            ErrorCode::MetadataTooLarge => "metadata_too_large",
            ErrorCode::TooLarge => "too_large",
            ErrorCode::QueueFull => "queue_full",
            ErrorCode::IdempotencyMismatch => "idempotency_mismatch",
            ErrorCode::IdempotencyInFlight => "idempotency_in_flight",
            ErrorCode::Overloaded => "overloaded",
            ErrorCode::TimedOut => "timed_out",
            ErrorCode::LoginUnavailable => "login_unavailable",
            ErrorCode::ShuttingDown => "shutting_down",
            ErrorCode::DiskFull => "disk_full",
            ErrorCode::LowMemory => "low_memory",
            ErrorCode::StorageFailed => "storage_failed",
            ErrorCode::DataDamaged => "data_damaged",
            ErrorCode::Internal => "internal",
        }
    }

    /// Whether the same request may succeed later without being changed.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            ErrorCode::QueueFull
                | ErrorCode::RebalanceInProgress
                | ErrorCode::GroupFull
                | ErrorCode::IdempotencyInFlight
                | ErrorCode::Overloaded
                | ErrorCode::QuotaExceeded
                | ErrorCode::TimedOut
                | ErrorCode::LoginUnavailable
                | ErrorCode::ShuttingDown
                | ErrorCode::DiskFull
                | ErrorCode::LowMemory
                | ErrorCode::StorageFailed
        )
    }
}
