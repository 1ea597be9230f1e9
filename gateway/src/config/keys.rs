//! The table of keys: names, ranges, meaning. Files, environment, flags, `sluice config` and the
//! documentation all read it.

use std::ops::RangeInclusive;

use super::Config;
use super::field::{Field, Value};
use super::security_keys::SECURITY_KEYS;

/// One thing that can be set.
pub struct Key {
    /// Its dotted name, as in a TOML file.
    pub name: &'static str,
    /// What it does, in a sentence or two.
    pub about: &'static str,
    /// What a number may be.
    pub range: Option<RangeInclusive<u64>>,
    pub(super) field: fn(&mut Config) -> &mut dyn Field,
    pub(super) peek: fn(&Config) -> &dyn Field,
}

impl Key {
    /// The environment variable that sets it: `http.max_connections` is `SLUICE_HTTP_MAX_CONNECTIONS`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("SLUICE_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// What it is in `config`.
    #[must_use]
    pub fn get(&self, config: &Config) -> Value {
        (self.peek)(config).get()
    }

    /// Sets it in `config`, or says what it must be.
    pub fn set(&self, config: &mut Config, value: Value) -> Result<(), String> {
        (self.field)(config).set(value)?;
        match (&self.range, self.get(config)) {
            (Some(range), Value::Number(number)) if !range.contains(&number) => {
                Err(format!("must be from {} to {}, not {number}", range.start(), range.end()))
            }
            _ => Ok(()),
        }
    }
}

macro_rules! key {
    ($name:literal, $($field:ident).+, $range:expr, $about:literal) => {
        Key {
            name: $name,
            about: $about,
            range: $range,
            field: |config| &mut config.$($field).+,
            peek: |config| &config.$($field).+,
        }
    };
}

pub(super) use key;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

/// Every key, in the order in which they are printed.
pub fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(SECURITY_KEYS)
}

/// Those that are not about security.
const KEYS: &[Key] = &[
    key!(
        "data_dir",
        data_dir,
        None,
        "Directory that holds all data. One server at a time; made when it is missing. Flag `--data-dir`."
    ),
    key!(
        "log_format",
        log_format,
        None,
        "`text` for people, `json` for one JSON object per line. Logs go to standard error."
    ),
    key!(
        "log_level",
        log_level,
        None,
        "`error`, `warn`, `info`, `debug`, `trace`, or a filter per module like `info,sluice::http=debug`. `SLUICE_LOG` is a short form of its variable."
    ),
    key!(
        "drain_grace_ms",
        drain_grace_ms,
        Some(0..=DAY),
        "How long requests and sockets may take to finish after SIGTERM, in milliseconds; then they are cut. Data is synced either way."
    ),
    key!(
        "memory_high_watermark_bytes",
        memory_high_watermark_bytes,
        Some(0..=1 << 50),
        "Memory that the process may hold before publishers must wait: AMQP clients are blocked, other doors answer 503 or its like. Consumers go on. 0 is 60 % of the machine's memory, or of its cgroup's."
    ),
    key!(
        "http.addr",
        http.addr,
        None,
        "Where the HTTP door listens: `host:port`, or `off`. Port 0 takes a free port and prints it. Flag `--http`."
    ),
    key!(
        "http.max_connections",
        http.max_connections,
        Some(1..=1_000_000),
        "Most connections at a time, WebSockets included. One more is answered 503 and closed."
    ),
    key!(
        "http.max_body_bytes",
        http.max_body_bytes,
        Some(KIB..=GIB),
        "Largest request body read as a whole. A streamed body (NDJSON) may be longer; its lines may not."
    ),
    key!(
        "http.max_header_bytes",
        http.max_header_bytes,
        Some(8 * KIB..=MIB),
        "Largest request head: request line and headers."
    ),
    key!(
        "http.header_timeout_ms",
        http.header_timeout_ms,
        Some(SECOND..=DAY),
        "How long a client may take to send a request head, in milliseconds. Checked once a second."
    ),
    key!(
        "http.idle_timeout_ms",
        http.idle_timeout_ms,
        Some(SECOND..=DAY),
        "How long a connection may stand still between requests, or while the server waits for the client to send or to read, in milliseconds. Checked once a second."
    ),
    key!(
        "http.cors_origins",
        http.cors_origins,
        None,
        "Origins whose pages may call the API from a browser, like `https://example.org`; `*` is any, without credentials. Empty: cross-origin calls are not allowed."
    ),
    key!(
        "http.max_in_flight_bytes",
        http.max_in_flight_bytes,
        Some(MIB..=64 * GIB),
        "Most bytes of request bodies in memory at a time, over all connections. Beyond it requests wait or are answered 429."
    ),
    key!(
        "http.max_line_bytes",
        http.max_line_bytes,
        Some(KIB..=GIB),
        "Longest line of a streamed NDJSON body."
    ),
    key!(
        "http.max_wait_ms",
        http.max_wait_ms,
        Some(0..=60_000),
        "Longest wait of a long poll, in milliseconds. Who asks for more is answered after this, with what there is."
    ),
    key!("ws.max_sockets", ws.max_sockets, Some(1..=1_000_000), "Most WebSockets at a time."),
    key!(
        "ws.max_frame_bytes",
        ws.max_frame_bytes,
        Some(KIB..=GIB),
        "Largest frame that a client may send, all its fragments together."
    ),
    key!(
        "ws.max_commands_in_flight",
        ws.max_commands_in_flight,
        Some(1..=100_000),
        "Commands of one socket whose reply is still owed; beyond it the socket is not read."
    ),
    key!(
        "ws.max_subscriptions",
        ws.max_subscriptions,
        Some(1..=100_000),
        "Most subscriptions of one socket."
    ),
    key!(
        "ws.max_credit_messages",
        ws.max_credit_messages,
        Some(1..=10_000_000),
        "Most messages that one subscription may have in flight."
    ),
    key!(
        "ws.max_credit_bytes",
        ws.max_credit_bytes,
        Some(KIB..=64 * GIB),
        "Most payload bytes that one subscription may have in flight."
    ),
    key!(
        "ws.max_buffered_bytes",
        ws.max_buffered_bytes,
        Some(64 * KIB..=GIB),
        "Bytes waiting to be written to one socket; beyond it nothing more is pulled from its topics."
    ),
    key!(
        "ws.max_protocol_errors",
        ws.max_protocol_errors,
        Some(1..=1_000_000),
        "Frames that cannot be decoded after which a socket is closed."
    ),
    key!(
        "ws.ping_after_ms",
        ws.ping_after_ms,
        Some(100..=DAY),
        "Silence after which the server sends a ping, in milliseconds."
    ),
    key!(
        "ws.idle_timeout_ms",
        ws.idle_timeout_ms,
        Some(200..=DAY),
        "Silence, pongs included, after which a socket is closed, in milliseconds."
    ),
    key!(
        "ws.write_timeout_ms",
        ws.write_timeout_ms,
        Some(100..=DAY),
        "How long a write may make no progress before the socket is closed, in milliseconds."
    ),
    key!(
        "ws.allowed_origins",
        ws.allowed_origins,
        None,
        "Origins whose pages may open a socket; `*` is any. Empty: only pages that this server served. A client that sends no `Origin` is not a page and is let in."
    ),
    key!(
        "kafka.addr",
        kafka.addr,
        None,
        "Where the Kafka door listens: `host:port`, several of them as a list or with commas, or `off`. Port 0 takes a free port and prints it. Flag `--kafka`."
    ),
    key!(
        "kafka.advertised",
        kafka.advertised,
        None,
        "What Kafka clients are told to connect to: one `host:port` for each address of `kafka.addr`, in the same order. Empty: each client is told the address that it reached."
    ),
    key!(
        "kafka.node_id",
        kafka.node_id,
        Some(0..=i32::MAX as u64),
        "The number under which Kafka clients know this broker."
    ),
    key!("kafka.cluster_id", kafka.cluster_id, None, "The cluster id that Kafka clients see."),
    key!(
        "kafka.auto_create_topics",
        kafka.auto_create_topics,
        None,
        "Whether a Kafka client that asks for a topic which does not exist makes a log of that name, as far as the client allows it: `true` or `false`."
    ),
    key!(
        "kafka.default_partitions",
        kafka.default_partitions,
        Some(1..=10_000),
        "Partitions of a log that a Kafka client makes without saying how many."
    ),
    key!(
        "kafka.max_connections",
        kafka.max_connections,
        Some(1..=1_000_000),
        "Most Kafka connections at a time. One more is closed at once."
    ),
    key!(
        "kafka.max_request_bytes",
        kafka.max_request_bytes,
        Some(KIB..=GIB),
        "Largest request; a connection that announces a larger one is closed."
    ),
    key!(
        "kafka.max_in_flight_bytes",
        kafka.max_in_flight_bytes,
        Some(MIB..=64 * GIB),
        "Most bytes of large requests in memory at a time, over all Kafka connections; beyond it connections wait to be read."
    ),
    key!(
        "kafka.max_requests_in_flight",
        kafka.max_requests_in_flight,
        Some(1..=100_000),
        "Produce requests of one connection that are worked on at a time; beyond it the connection is not read."
    ),
    key!(
        "kafka.max_fetch_bytes",
        kafka.max_fetch_bytes,
        Some(KIB..=GIB),
        "Most bytes of records in the answer to one fetch, whatever the client allows. The first batch is always sent whole."
    ),
    key!(
        "kafka.max_fetch_sessions",
        kafka.max_fetch_sessions,
        Some(0..=1_000_000),
        "Fetch sessions (KIP-227) kept at a time; beyond it clients fetch without one."
    ),
    key!(
        "kafka.idle_timeout_ms",
        kafka.idle_timeout_ms,
        Some(SECOND..=DAY),
        "How long a Kafka connection may stand still, in milliseconds: without a request, or while the client does not send the rest of one or does not read its answers."
    ),
    key!(
        "amqp.addr",
        amqp.addr,
        None,
        "Where the AMQP 0-9-1 door listens: `host:port`, or `off`. Port 0 takes a free port and prints it. Flag `--amqp`."
    ),
    key!(
        "amqp.mechanisms",
        amqp.mechanisms,
        None,
        "How AMQP clients may log in, of `PLAIN`, `AMQPLAIN`, `EXTERNAL` (a client certificate, over TLS) and `ANONYMOUS`."
    ),
    key!(
        "amqp.max_connections",
        amqp.max_connections,
        Some(1..=1_000_000),
        "Most AMQP connections at a time. One more is closed at once."
    ),
    key!(
        "amqp.max_channels",
        amqp.max_channels,
        Some(1..=65_535),
        "Highest channel number that AMQP clients may use (`channel_max`)."
    ),
    key!(
        "amqp.max_frame_bytes",
        amqp.max_frame_bytes,
        Some(8192..=64 * MIB),
        "Largest frame that AMQP clients may send or get (`frame_max`)."
    ),
    key!(
        "amqp.heartbeat_s",
        amqp.heartbeat_s,
        Some(0..=65_535),
        "Heartbeat that AMQP clients are offered, in seconds; 0 offers none. The client decides."
    ),
    key!(
        "amqp.max_consumers",
        amqp.max_consumers,
        Some(1..=1_000_000),
        "Most subscriptions of one AMQP channel."
    ),
    key!(
        "amqp.max_unsettled",
        amqp.max_unsettled,
        Some(1..=100_000_000),
        "Deliveries of one AMQP channel without an acknowledgement, beyond which its subscriptions without a prefetch get no more."
    ),
    key!(
        "amqp.max_in_flight_bytes",
        amqp.max_in_flight_bytes,
        Some(MIB..=64 * GIB),
        "Bytes of one AMQP connection's messages on their way to the disk, beyond which it is not read. Incomplete and uncommitted messages of one connection have the same bound; beyond that it is closed with 506."
    ),
    key!(
        "amqp.max_assembling_bytes",
        amqp.max_assembling_bytes,
        Some(MIB..=64 * GIB),
        "Bytes of incomplete and uncommitted messages of all AMQP connections together; a connection that adds to more is closed with 506."
    ),
    key!(
        "amqp.max_buffered_bytes",
        amqp.max_buffered_bytes,
        Some(256 * KIB..=GIB),
        "Bytes waiting to be written to one AMQP connection, beyond which it is not read and gets no more messages."
    ),
    key!(
        "amqp.handshake_timeout_ms",
        amqp.handshake_timeout_ms,
        Some(100..=DAY),
        "How long an AMQP client may take to log in and open its virtual host, in milliseconds."
    ),
    key!(
        "amqp.write_timeout_ms",
        amqp.write_timeout_ms,
        Some(100..=DAY),
        "How long a write to an AMQP client may make no progress before the connection is closed, in milliseconds."
    ),
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
        "Empty journal segments kept for reuse beyond the one in use."
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
        "Bytes of records in memory from which on they are written into their partitions' files."
    ),
    key!(
        "log.unsettled_bytes",
        log.unsettled_bytes,
        Some(MIB..=64 * GIB),
        "Most bytes of records in memory; beyond it publishers wait or are refused until files have caught up."
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
        "After this silence a member of the consumer protocol (KIP-848) is out, in milliseconds (Kafka: `group.consumer.session.timeout.ms`)."
    ),
    key!(
        "groups.consumer_heartbeat_interval_ms",
        groups.consumer_heartbeat_interval_ms,
        Some(1..=DAY),
        "How often a member of the consumer protocol (KIP-848) is to send a heartbeat, in milliseconds (Kafka: `group.consumer.heartbeat.interval.ms`)."
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

/// The key of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// Of `candidates` the one that looks most like `name`.
#[must_use]
pub fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
