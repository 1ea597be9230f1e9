//! The keys of what the doors lead to: messages, the journal, queues, logs, groups and transactions.

use super::keys::{DAY, GIB, KIB, Key, MIB, SECOND, key};

/// In the order in which they are printed.
pub const ENGINE_KEYS: &[Key] = &[
    key!("limits.message_bytes", limits.message_bytes, Some(KIB..=GIB), "Largest message body."),
    key!(
        "limits.header_bytes",
        limits.header_bytes,
        Some(KIB..=MIB),
        "Largest set of headers of one message, as stored."
    ),
    key!("limits.key_bytes", limits.key_bytes, Some(64..=MIB), "Largest message key."),
    key!(
        "limits.decompressed_bytes",
        limits.decompressed_bytes,
        Some(KIB..=4 * GIB),
        "Most bytes that a compressed batch may grow to when it is opened."
    ),
    key!(
        "storage.segment_bytes",
        storage.segment_bytes,
        Some(MIB..=GIB),
        "Size of one journal segment, a multiple of 4096. It bounds the largest message. Fixed when the data directory is first used."
    ),
    key!(
        "storage.spare_segments",
        storage.spare_segments,
        Some(0..=1000),
        "Empty journal segments kept for reuse beyond the one in use; of those given up while the disk has no room for another, four at most."
    ),
    key!(
        "storage.headroom_bytes",
        storage.headroom_bytes,
        Some(0..=1024 * GIB),
        "Free bytes of the disk that new journal segments leave alone, so that logs and checkpoints find room."
    ),
    key!(
        "storage.max_in_flight_bytes",
        storage.max_in_flight_bytes,
        Some(MIB..=2 * GIB),
        "Most bytes of requests on their way from a door to the disk; beyond it doors wait."
    ),
    key!(
        "queue.loaded_bytes",
        queue.loaded_bytes,
        Some(64 * KIB..=64 * GIB),
        "Most bytes of messages kept in memory for one queue; the rest waits on disk."
    ),
    key!(
        "queue.loaded_bytes_total",
        queue.loaded_bytes_total,
        Some(MIB..=1024 * GIB),
        "The same for all queues together."
    ),
    key!(
        "queue.read_ahead_bytes",
        queue.read_ahead_bytes,
        Some(4 * KIB..=GIB),
        "Most bytes that one read brings back from disk into a queue."
    ),
    key!(
        "queue.consumer_timeout_ms",
        queue.consumer_timeout_ms,
        Some(0..=315_360_000_000),
        "How long a subscription without a lease time may keep a message of a quorum queue that says nothing else; \
         then it is cancelled. 0 is for ever."
    ),
    key!(
        "log.settle_bytes",
        log.settle_bytes,
        Some(MIB..=64 * GIB),
        "Bytes of records in memory from which on they are written into their partitions' files; or 256 KiB \
         for each partition that has some, where that is more."
    ),
    key!(
        "log.unsettled_bytes",
        log.unsettled_bytes,
        Some(MIB..=64 * GIB),
        "Most bytes of records in memory; beyond it publishers are refused until files have caught up. They wait before that: \
         at three quarters of it at the latest, with few partitions at twice `log.settle_bytes`, with many at 320 KiB for \
         each."
    ),
    key!(
        "log.open_segments",
        log.open_segments,
        Some(1..=1_000_000),
        "Log segments whose files are open for reading at once."
    ),
    key!(
        "log.max_partitions",
        log.max_partitions,
        Some(1..=10_000_000),
        "Most partitions of all logs together."
    ),
    key!(
        "log.verify_reads",
        log.verify_reads,
        None,
        "Whether reading from a log's files compares checksums: `true` or `false`."
    ),
    key!(
        "log.check_interval_ms",
        log.check_interval_ms,
        Some(10..=DAY),
        "How often retention is looked at and unused files are closed, in milliseconds."
    ),
    key!(
        "log.producer_expiration_ms",
        log.producer_expiration_ms,
        Some(SECOND..=3650 * DAY),
        "How long an idempotent producer that writes nothing is remembered, in milliseconds (Kafka's `producer.id.expiration.ms`)."
    ),
    key!(
        "log.max_producers",
        log.max_producers,
        Some(10..=100_000_000),
        "Idempotent producers remembered, counted once per partition. Beyond it those that were silent the longest, at least ten minutes, are forgotten; a newcomer for whom that makes no room is refused."
    ),
    key!(
        "log.cleaner_bytes",
        log.cleaner_bytes,
        Some(64 * KIB..=64 * GIB),
        "Memory for keys while a log is compacted, 24 bytes for each and a third more. A log with more keys takes several passes."
    ),
    key!(
        "log.topic_defaults",
        log.topic_defaults,
        None,
        "Settings that logs have unless they say otherwise, as a list of `key=value`; docs/topic-settings.md has the keys."
    ),
    key!(
        "groups.max_members",
        groups.max_members,
        Some(1..=1_000_000),
        "Most members of one consumer group."
    ),
    key!(
        "groups.memory_bytes",
        groups.memory_bytes,
        Some(MIB..=1 << 40),
        "Most bytes of memory for all consumer groups: offsets, their metadata, and what members say of themselves. Beyond it joins and commits are refused."
    ),
    key!(
        "groups.max_metadata_bytes",
        groups.max_metadata_bytes,
        Some(0..=MIB),
        "Most bytes of metadata beside one committed offset (Kafka: `offset.metadata.max.bytes`)."
    ),
    key!(
        "groups.min_session_timeout_ms",
        groups.min_session_timeout_ms,
        Some(1..=DAY),
        "Shortest session that a member of the classic protocol may ask for, in milliseconds (Kafka: `group.min.session.timeout.ms`)."
    ),
    key!(
        "groups.max_session_timeout_ms",
        groups.max_session_timeout_ms,
        Some(1..=DAY),
        "Longest session that a member of the classic protocol may ask for, in milliseconds (Kafka: `group.max.session.timeout.ms`)."
    ),
    key!(
        "groups.initial_rebalance_delay_ms",
        groups.initial_rebalance_delay_ms,
        Some(0..=DAY),
        "How long an empty group waits for more members before its first rebalance by the classic protocol, in milliseconds (Kafka: `group.initial.rebalance.delay.ms`)."
    ),
    key!(
        "groups.consumer_session_timeout_ms",
        groups.consumer_session_timeout_ms,
        Some(1..=DAY),
        "After this silence a member of the consumer protocol (KIP-848) is out, in milliseconds, unless its group chooses otherwise (Kafka: `group.consumer.session.timeout.ms`)."
    ),
    key!(
        "groups.min_consumer_session_timeout_ms",
        groups.min_consumer_session_timeout_ms,
        Some(1..=DAY),
        "Shortest such silence that a group may choose, in milliseconds."
    ),
    key!(
        "groups.max_consumer_session_timeout_ms",
        groups.max_consumer_session_timeout_ms,
        Some(1..=DAY),
        "Longest such silence that a group may choose, in milliseconds."
    ),
    key!(
        "groups.consumer_heartbeat_interval_ms",
        groups.consumer_heartbeat_interval_ms,
        Some(1..=DAY),
        "How often a member of the consumer protocol (KIP-848) is to send a heartbeat, in milliseconds, unless its group chooses otherwise (Kafka: `group.consumer.heartbeat.interval.ms`)."
    ),
    key!(
        "groups.min_consumer_heartbeat_interval_ms",
        groups.min_consumer_heartbeat_interval_ms,
        Some(1..=DAY),
        "Shortest such interval that a group may choose, in milliseconds."
    ),
    key!(
        "groups.max_consumer_heartbeat_interval_ms",
        groups.max_consumer_heartbeat_interval_ms,
        Some(1..=DAY),
        "Longest such interval that a group may choose, in milliseconds."
    ),
    key!(
        "groups.offsets_retention_ms",
        groups.offsets_retention_ms,
        Some(1..=3650 * DAY),
        "How long a group without members keeps its committed offsets, in milliseconds (Kafka: `offsets.retention.minutes`)."
    ),
    key!(
        "groups.offsets_check_interval_ms",
        groups.offsets_check_interval_ms,
        Some(1..=DAY),
        "How often committed offsets are looked at for their age, in milliseconds (Kafka: `offsets.retention.check.interval.ms`)."
    ),
    key!(
        "share_groups.max_groups",
        share_groups.max_groups,
        Some(1..=1_000_000),
        "Most share groups with members or offsets, and most groups with settings of their own."
    ),
    key!(
        "share_groups.max_members",
        share_groups.max_members,
        Some(1..=1000),
        "Most members of one share group (Kafka: `group.share.max.size`)."
    ),
    key!(
        "share_groups.max_sessions",
        share_groups.max_sessions,
        Some(1..=1_000_000),
        "Most share sessions of all groups together: one for each member and broker (Kafka: `group.share.max.share.sessions`)."
    ),
    key!(
        "share_groups.max_deliveries",
        share_groups.max_deliveries,
        Some(2..=10),
        "How often a log's record is handed out before it is archived when it comes back (Kafka: `group.share.delivery.count.limit`)."
    ),
    key!(
        "share_groups.max_record_locks",
        share_groups.max_record_locks,
        Some(100..=10_000),
        "Most records of one partition that one group deals with at a time (Kafka: `group.share.partition.max.record.locks`)."
    ),
    key!(
        "share_groups.record_lock_ms",
        share_groups.record_lock_ms,
        Some(1000..=60 * 60_000),
        "How long a member may keep a record that it does not settle, in milliseconds, unless its group chooses otherwise (Kafka: `group.share.record.lock.duration.ms`)."
    ),
    key!(
        "share_groups.min_record_lock_ms",
        share_groups.min_record_lock_ms,
        Some(1000..=60 * 60_000),
        "Shortest such time that a group may choose, in milliseconds."
    ),
    key!(
        "share_groups.max_record_lock_ms",
        share_groups.max_record_lock_ms,
        Some(1000..=60 * 60_000),
        "Longest such time that a group may choose, in milliseconds."
    ),
    key!(
        "share_groups.session_timeout_ms",
        share_groups.session_timeout_ms,
        Some(1..=DAY),
        "After this silence a member of a share group is out, in milliseconds, unless its group chooses otherwise (Kafka: `group.share.session.timeout.ms`)."
    ),
    key!(
        "share_groups.min_session_timeout_ms",
        share_groups.min_session_timeout_ms,
        Some(1..=DAY),
        "Shortest such silence that a group may choose, in milliseconds."
    ),
    key!(
        "share_groups.max_session_timeout_ms",
        share_groups.max_session_timeout_ms,
        Some(1..=DAY),
        "Longest such silence that a group may choose, in milliseconds."
    ),
    key!(
        "share_groups.heartbeat_interval_ms",
        share_groups.heartbeat_interval_ms,
        Some(1..=DAY),
        "How often a member of a share group is to send a heartbeat, in milliseconds, unless its group chooses otherwise (Kafka: `group.share.heartbeat.interval.ms`)."
    ),
    key!(
        "share_groups.min_heartbeat_interval_ms",
        share_groups.min_heartbeat_interval_ms,
        Some(1..=DAY),
        "Shortest such interval that a group may choose, in milliseconds."
    ),
    key!(
        "share_groups.max_heartbeat_interval_ms",
        share_groups.max_heartbeat_interval_ms,
        Some(1..=DAY),
        "Longest such interval that a group may choose, in milliseconds."
    ),
    key!(
        "transactions.max_timeout_ms",
        transactions.max_timeout_ms,
        Some(SECOND..=DAY),
        "The longest that a transaction may ask to stay open, in milliseconds (Kafka's `transaction.max.timeout.ms`)."
    ),
    key!(
        "transactions.id_expiration_ms",
        transactions.id_expiration_ms,
        Some(SECOND..=3650 * DAY),
        "How long a transactional id that nobody uses is remembered, in milliseconds (Kafka's `transactional.id.expiration.ms`)."
    ),
    key!(
        "transactions.max_ids",
        transactions.max_ids,
        Some(1..=10_000_000),
        "Most transactional ids remembered at a time. Ended transactions without a name make room first."
    ),
    key!(
        "transactions.outcome_ms",
        transactions.outcome_ms,
        Some(SECOND..=30 * DAY),
        "How long one can ask how a transaction without a name ended, in milliseconds."
    ),
    key!(
        "transactions.max_staged_bytes",
        transactions.max_staged_bytes,
        Some(KIB..=GIB),
        "Most bytes of messages for queues, and of leases to settle, that one transaction holds in memory until it is committed; never more than half of `storage.segment_bytes`, since a commit is written in one piece."
    ),
    key!(
        "transactions.max_staged_bytes_total",
        transactions.max_staged_bytes_total,
        Some(KIB..=64 * GIB),
        "The same for all open transactions together."
    ),
    key!(
        "idempotency.window_ms",
        idempotency.window_ms,
        Some(SECOND..=30 * DAY),
        "How long an `Idempotency-Key` is remembered, in milliseconds."
    ),
    key!(
        "idempotency.max_keys",
        idempotency.max_keys,
        Some(1..=100_000_000),
        "Most idempotency keys remembered at a time; the oldest go first."
    ),
];
