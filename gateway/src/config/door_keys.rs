//! The keys of the server itself and of its doors.

use super::keys::{DAY, GIB, KIB, Key, MIB, SECOND, key};

/// In the order in which they are printed.
pub const DOOR_KEYS: &[Key] = &[
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
];
