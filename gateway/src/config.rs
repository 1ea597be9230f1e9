//! What an operator may set: one struct per section, one table of keys ([`keys::all`]) that every source goes through.
//!
//! A value comes from a flag, else the environment, else the file, else the default. A key that is not in the table
//! is an error, so nothing is accepted and ignored.

mod check;
mod door_keys;
mod engine_keys;
mod field;
pub mod keys;
mod page;
mod security;
mod security_keys;
mod share_groups;
mod source;

use crate::topics::TopicConfig;
use std::path::PathBuf;

use message::Limits;

pub use field::{Door, Doors, LogFormat};
pub use security::{AuthConfig, CertificateName, ClientCertificates, TlsConfig};
pub use share_groups::ShareGroupsConfig;
pub use source::{ConfigError, Sources, load};

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the data lies.
    pub data_dir: PathBuf,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or a filter like `info,sluice=debug`.
    pub log_level: String,
    /// How long shutting down may take, in milliseconds.
    pub drain_grace_ms: u64,
    pub memory_high_watermark_bytes: u64,
    /// The HTTP door.
    pub http: HttpConfig,
    /// WebSockets, which come in through the HTTP door.
    pub ws: WsConfig,
    /// The Kafka door.
    pub kafka: KafkaConfig,
    /// The AMQP door.
    pub amqp: AmqpConfig,
    /// Sizes that nothing may exceed, whatever door it came through.
    pub limits: Limits,
    /// The journal.
    pub storage: StorageConfig,
    /// Queues.
    pub queue: QueueConfig,
    /// Logs.
    pub log: LogConfig,
    /// Consumer groups.
    pub groups: GroupsConfig,
    /// Share groups.
    pub share_groups: ShareGroupsConfig,
    /// Idempotency keys.
    pub idempotency: IdempotencyConfig,
    /// Transactions.
    pub transactions: TransactionsConfig,
    /// Who may do what.
    pub auth: AuthConfig,
    /// Certificates.
    pub tls: TlsConfig,
    /// Whether doors may be open to whoever reaches them.
    pub insecure: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data_dir: PathBuf::from("./data"),
            log_format: LogFormat::Text,
            log_level: "info".into(),
            drain_grace_ms: 10_000,
            memory_high_watermark_bytes: 0,
            http: HttpConfig::default(),
            ws: WsConfig::default(),
            kafka: KafkaConfig::default(),
            amqp: AmqpConfig::default(),
            limits: Limits::default(),
            storage: StorageConfig::default(),
            queue: QueueConfig::default(),
            log: LogConfig::default(),
            groups: GroupsConfig::default(),
            share_groups: ShareGroupsConfig::default(),
            idempotency: IdempotencyConfig::default(),
            transactions: TransactionsConfig::default(),
            auth: AuthConfig::default(),
            tls: TlsConfig::default(),
            insecure: false,
        }
    }
}

/// The HTTP door.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where it listens.
    pub addr: Door,
    /// Most connections at a time, WebSockets included.
    pub max_connections: usize,
    /// Largest request body that is read as a whole, in bytes.
    pub max_body_bytes: usize,
    /// Largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout_ms: u64,
    /// How long a connection may stand still: between requests, or while one side waits for the other's bytes.
    pub idle_timeout_ms: u64,
    /// Origins whose pages may call the API from a browser; empty is none but its own.
    pub cors_origins: Vec<String>,
    /// Most bytes of request bodies held in memory at a time, over all connections.
    pub max_in_flight_bytes: usize,
    /// Longest line of an NDJSON stream, in bytes.
    pub max_line_bytes: usize,
    /// Longest wait of a long poll.
    pub max_wait_ms: u64,
    /// Where it listens with TLS.
    pub tls_addr: Door,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            addr: Door::At("127.0.0.1:8080".into()),
            max_connections: 10_000,
            max_body_bytes: 32 << 20,
            max_header_bytes: 32 << 10,
            header_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            cors_origins: Vec::new(),
            max_in_flight_bytes: 256 << 20,
            max_line_bytes: 32 << 20,
            max_wait_ms: 60_000,
            tls_addr: Door::Off,
        }
    }
}

/// WebSockets.
#[derive(Clone, Debug)]
pub struct WsConfig {
    /// Sockets open at once.
    pub max_sockets: usize,
    /// Largest frame that a client may send, in bytes.
    pub max_frame_bytes: usize,
    /// Commands of one socket whose reply is still owed.
    pub max_commands_in_flight: usize,
    /// Most subscriptions of one socket.
    pub max_subscriptions: usize,
    /// Most messages that one subscription may have in flight.
    pub max_credit_messages: u32,
    /// Most payload bytes that one subscription may have in flight.
    pub max_credit_bytes: u64,
    /// Most bytes waiting to be written to one socket.
    pub max_buffered_bytes: usize,
    /// Undecodable frames after which a socket is closed.
    pub max_protocol_errors: u32,
    /// Silence after which a ping is sent.
    pub ping_after_ms: u64,
    /// Silence, pongs included, after which a socket is closed.
    pub idle_timeout_ms: u64,
    /// How long a write may make no progress.
    pub write_timeout_ms: u64,
    /// Origins whose pages may open a socket; empty is only the server's own.
    pub allowed_origins: Vec<String>,
}

impl Default for WsConfig {
    fn default() -> WsConfig {
        WsConfig {
            max_sockets: 50_000,
            max_frame_bytes: 32 << 20,
            max_commands_in_flight: 256,
            max_subscriptions: 256,
            max_credit_messages: 100_000,
            max_credit_bytes: 64 << 20,
            max_buffered_bytes: 1 << 20,
            max_protocol_errors: 8,
            ping_after_ms: 20_000,
            idle_timeout_ms: 60_000,
            write_timeout_ms: 30_000,
            allowed_origins: Vec::new(),
        }
    }
}

/// The Kafka door.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// Where it listens; empty is nowhere.
    pub addr: Doors,
    /// Where it listens with TLS; empty is nowhere.
    pub tls_addr: Doors,
    /// What clients of those are told to connect to.
    pub tls_advertised: Vec<String>,
    /// What clients are told to connect to, one for each listener; empty tells them the address that they reached.
    pub advertised: Vec<String>,
    /// The number of this broker.
    pub node_id: u32,
    /// What the cluster calls itself.
    pub cluster_id: String,
    /// Whether producing to, or asking for, a topic that does not exist makes a log.
    pub auto_create_topics: bool,
    /// Partitions of a log that is made without saying how many.
    pub default_partitions: u32,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Largest request, in bytes.
    pub max_request_bytes: usize,
    /// Most bytes of requests held in memory at a time, over all connections.
    pub max_in_flight_bytes: usize,
    /// Requests of one connection that are worked on at a time.
    pub max_requests_in_flight: usize,
    /// Most bytes of records in one answer.
    pub max_fetch_bytes: usize,
    /// Fetch sessions kept at a time.
    pub max_fetch_sessions: usize,
    /// How long a connection may stand still.
    pub idle_timeout_ms: u64,
    /// How clients may log in.
    pub mechanisms: Vec<String>,
    /// How long a login lasts before it has to be renewed; 0 is for ever.
    pub max_session_ms: u64,
}

impl Default for KafkaConfig {
    fn default() -> KafkaConfig {
        KafkaConfig {
            addr: Doors(vec!["127.0.0.1:9092".into()]),
            tls_addr: Doors(Vec::new()),
            tls_advertised: Vec::new(),
            advertised: Vec::new(),
            node_id: 1,
            cluster_id: "sluice-cluster-0000000".into(),
            auto_create_topics: true,
            default_partitions: 1,
            max_connections: 10_000,
            max_request_bytes: 100 << 20,
            max_in_flight_bytes: 256 << 20,
            max_requests_in_flight: 100,
            max_fetch_bytes: 55 << 20,
            max_fetch_sessions: 1000,
            idle_timeout_ms: 600_000,
            mechanisms: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"].map(str::to_owned).into(),
            max_session_ms: 0,
        }
    }
}

/// The AMQP door.
#[derive(Clone, Debug)]
pub struct AmqpConfig {
    /// Where it listens.
    pub addr: Door,
    /// Where it listens with TLS.
    pub tls_addr: Door,
    /// How clients may say who they are.
    pub mechanisms: Vec<String>,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Highest channel number that is offered.
    pub max_channels: usize,
    /// Largest frame that is offered, in bytes.
    pub max_frame_bytes: u32,
    /// Heartbeat that is offered, in seconds; 0 is none.
    pub heartbeat_s: u64,
    /// Most subscriptions of one channel.
    pub max_consumers: usize,
    /// Most unsettled deliveries of one channel without a prefetch.
    pub max_unsettled: usize,
    /// Bytes of one connection's messages on their way in.
    pub max_in_flight_bytes: usize,
    /// Bytes of incomplete and uncommitted messages of all connections.
    pub max_assembling_bytes: usize,
    /// Bytes waiting to be written to one connection.
    pub max_buffered_bytes: usize,
    /// How long the handshake may take.
    pub handshake_timeout_ms: u64,
    /// How long a write may make no progress.
    pub write_timeout_ms: u64,
}

impl Default for AmqpConfig {
    fn default() -> AmqpConfig {
        AmqpConfig {
            addr: Door::At("127.0.0.1:5672".into()),
            tls_addr: Door::Off,
            mechanisms: ["PLAIN", "AMQPLAIN", "ANONYMOUS"].map(str::to_owned).into(),
            max_connections: 10_000,
            max_channels: 2047,
            max_frame_bytes: 131_072,
            heartbeat_s: 60,
            max_consumers: 10_000,
            max_unsettled: 1_000_000,
            max_in_flight_bytes: 32 << 20,
            max_assembling_bytes: 256 << 20,
            max_buffered_bytes: 8 << 20,
            handshake_timeout_ms: 10_000,
            write_timeout_ms: 60_000,
        }
    }
}

/// The journal.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// Size of one journal segment, in bytes.
    pub segment_bytes: u64,
    /// Empty segments kept for reuse.
    pub spare_segments: usize,
    /// Bytes of the disk that the journal leaves free.
    pub headroom_bytes: u64,
    /// Most bytes of requests on their way from a door to the disk.
    pub max_in_flight_bytes: u32,
}

impl Default for StorageConfig {
    fn default() -> StorageConfig {
        StorageConfig {
            segment_bytes: 64 << 20,
            spare_segments: 16,
            headroom_bytes: 64 << 20,
            max_in_flight_bytes: 64 << 20,
        }
    }
}

/// Queues.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Most bytes of messages kept in memory for one queue.
    pub loaded_bytes: u64,
    /// The same for all queues together.
    pub loaded_bytes_total: u64,
    /// Most bytes that one read from the journal brings back.
    pub read_ahead_bytes: u64,
    /// How long a subscription may keep a message of a quorum queue; 0 is for ever.
    pub consumer_timeout_ms: u64,
}

impl Default for QueueConfig {
    fn default() -> QueueConfig {
        QueueConfig {
            loaded_bytes: 1 << 20,
            loaded_bytes_total: 64 << 20,
            read_ahead_bytes: 256 << 10,
            consumer_timeout_ms: 30 * 60 * 1000,
        }
    }
}

/// Logs.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Bytes of unsettled records from which on they settle.
    pub settle_bytes: u64,
    /// Most bytes of unsettled records.
    pub unsettled_bytes: u64,
    /// Segments whose files are open at once.
    pub open_segments: usize,
    /// Partitions of all logs together.
    pub max_partitions: usize,
    /// Whether reading from files compares checksums.
    pub verify_reads: bool,
    /// How often retention is looked at.
    pub check_interval_ms: u64,
    /// How long an idempotent producer that writes nothing is remembered.
    pub producer_expiration_ms: u64,
    /// Producers remembered in all partitions together.
    pub max_producers: usize,
    /// Memory for keys while a log is compacted.
    pub cleaner_bytes: usize,
    /// What topics have unless they say otherwise.
    pub topic_defaults: TopicConfig,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            settle_bytes: 8 << 20,
            unsettled_bytes: 512 << 20,
            open_segments: 256,
            max_partitions: 200_000,
            verify_reads: true,
            check_interval_ms: 1000,
            producer_expiration_ms: 24 * 60 * 60 * 1000,
            max_producers: 1_000_000,
            cleaner_bytes: 128 << 20,
            topic_defaults: TopicConfig::default(),
        }
    }
}

/// Consumer groups.
#[derive(Clone, Debug)]
pub struct GroupsConfig {
    /// Members of one group.
    pub max_members: usize,
    /// Most bytes of memory for all groups.
    pub memory_bytes: u64,
    /// Most bytes of metadata beside a committed offset.
    pub max_metadata_bytes: usize,
    /// The shortest session of a classic member.
    pub min_session_timeout_ms: u64,
    /// The longest session of a classic member.
    pub max_session_timeout_ms: u64,
    /// How long an empty group waits for more members.
    pub initial_rebalance_delay_ms: u64,
    /// After this silence a KIP-848 member is out, unless its group chooses otherwise.
    pub consumer_session_timeout_ms: u64,
    /// The shortest that a group may choose.
    pub min_consumer_session_timeout_ms: u64,
    /// The longest that a group may choose.
    pub max_consumer_session_timeout_ms: u64,
    /// How often a KIP-848 member is to be heard of, unless its group chooses otherwise.
    pub consumer_heartbeat_interval_ms: u64,
    /// The shortest that a group may choose.
    pub min_consumer_heartbeat_interval_ms: u64,
    /// The longest that a group may choose.
    pub max_consumer_heartbeat_interval_ms: u64,
    /// How long a group without members keeps its offsets.
    pub offsets_retention_ms: u64,
    /// How often offsets are looked at for their age.
    pub offsets_check_interval_ms: u64,
}

impl Default for GroupsConfig {
    fn default() -> GroupsConfig {
        GroupsConfig {
            max_members: 1000,
            memory_bytes: 1 << 30,
            max_metadata_bytes: 4096,
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 30 * 60 * 1000,
            initial_rebalance_delay_ms: 3_000,
            consumer_session_timeout_ms: 45_000,
            min_consumer_session_timeout_ms: 45_000,
            max_consumer_session_timeout_ms: 60_000,
            consumer_heartbeat_interval_ms: 5_000,
            min_consumer_heartbeat_interval_ms: 5_000,
            max_consumer_heartbeat_interval_ms: 15_000,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1000,
            offsets_check_interval_ms: 10 * 60 * 1000,
        }
    }
}

/// Idempotency keys.
#[derive(Clone, Debug)]
pub struct IdempotencyConfig {
    /// How long a key is remembered.
    pub window_ms: u64,
    /// Most keys remembered at a time; the oldest go first.
    pub max_keys: usize,
}

impl Default for IdempotencyConfig {
    fn default() -> IdempotencyConfig {
        IdempotencyConfig { window_ms: 24 * 60 * 60 * 1000, max_keys: 100_000 }
    }
}

/// Transactions.
#[derive(Clone, Debug)]
pub struct TransactionsConfig {
    /// The longest that one may ask to stay open.
    pub max_timeout_ms: u64,
    /// How long a transactional id that nobody uses is remembered.
    pub id_expiration_ms: u64,
    /// Transactional ids remembered at a time.
    pub max_ids: usize,
    /// How long the outcome of a transaction without a name is remembered.
    pub outcome_ms: u64,
    /// Most bytes that one transaction holds for queues.
    pub max_staged_bytes: usize,
    /// The same for all open transactions together.
    pub max_staged_bytes_total: usize,
}

impl Default for TransactionsConfig {
    fn default() -> TransactionsConfig {
        TransactionsConfig {
            max_timeout_ms: 15 * 60 * 1000,
            id_expiration_ms: 7 * 24 * 60 * 60 * 1000,
            max_ids: 100_000,
            outcome_ms: 60 * 60 * 1000,
            max_staged_bytes: 16 << 20,
            max_staged_bytes_total: 256 << 20,
        }
    }
}
