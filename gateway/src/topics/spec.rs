use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::retry_settings::RetrySettings;

/// Which of the two ways a topic works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Pushed, leased, acked one by one, deleted.
    Queue,
    /// Partitioned, kept, pulled by offset.
    Log,
}

/// What a topic is made as.
#[derive(Clone, Debug, PartialEq)]
pub enum TopicSpec {
    /// A queue.
    Queue(Box<QueueSettings>),
    /// A log.
    Log(LogSettings),
}

/// What happens when a queue is at its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The oldest ready message makes room.
    #[default]
    DropHead,
    /// The new message is refused.
    RejectPublish,
    /// The new message is refused and dead-lettered.
    RejectPublishDlx,
}

/// Which of RabbitMQ's queues a queue behaves like. Both are equally durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueueType {
    /// Priorities up to a declared maximum, and every return counts towards a delivery limit.
    #[default]
    Classic,
    /// Priorities 0 to 31, a delivery limit of 20 unless told otherwise, towards which failures count and nacks do not.
    Quorum,
}

/// A queue's settings. What is absent is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// Which of RabbitMQ's queues it behaves like. It stays as it was made.
    #[serde(default, rename = "type")]
    #[schema(default = "classic")]
    pub kind: QueueType,
    /// Highest priority that is told apart; higher ones count as this. Absent: one order for all. A quorum queue always
    /// has 0 to 31.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 255, nullable = false)]
    pub max_priority: Option<u8>,
    /// Life of a message from its arrival, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9007199254740991u64, nullable = false)]
    pub message_ttl_ms: Option<u64>,
    /// The queue is deleted after it went unused for this long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9007199254740991u64, nullable = false)]
    pub expires_ms: Option<u64>,
    /// Most ready messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9007199254740991u64, nullable = false)]
    pub max_length: Option<u64>,
    /// Most bytes of ready messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9007199254740991u64, nullable = false)]
    pub max_length_bytes: Option<u64>,
    /// What happens at the limit.
    #[serde(default)]
    pub overflow: Overflow,
    /// Where messages go that are rejected, expire, overflow or were delivered too often. Empty is the default exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, nullable = false)]
    pub dead_letter_exchange: Option<String>,
    /// The routing key for it, instead of the message's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, nullable = false)]
    pub dead_letter_routing_key: Option<String>,
    /// What becomes of dead letters that nothing takes; absent is `at_most_once`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dead_letter_strategy: Option<DeadLetterStrategy>,
    /// How often a message may come back before it is dead-lettered. Absent, a quorum queue takes 20 and a classic one
    /// any number; 4294967295 is any number for both. In a quorum queue nacks and consumer timeouts do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 4294967295u64, nullable = false)]
    pub delivery_limit: Option<u32>,
    /// For how long a message is leased when the reader does not say, in milliseconds.
    #[serde(default = "default_lease_ms")]
    #[schema(minimum = 1, maximum = 43200000, default = 30000)]
    pub lease_ms: u64,
    /// Whether it survives a restart.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub durable: bool,
    /// The queue is deleted when its last subscription ends. Classic queues only.
    #[serde(default)]
    #[schema(default = false)]
    pub auto_delete: bool,
    /// One subscription gets everything; when it ends, the next takes its place.
    #[serde(default)]
    #[schema(default = false)]
    pub single_active_consumer: bool,
    /// How long a subscription without a lease time may keep a message before it is cancelled, in milliseconds. Absent:
    /// as the configuration says. Quorum queues only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9007199254740991u64, nullable = false)]
    pub consumer_timeout_ms: Option<u64>,
    /// Whether of the messages with the same key only one is out at a time, in order; other keys flow on.
    #[serde(default)]
    #[schema(default = false)]
    pub order_per_key: bool,
    /// How messages that failed are tried again: those returned without a delay, and those whose lease ended. Absent:
    /// at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry: Option<RetrySettings>,
    /// A message is not taken again when one with the same `message_id` came within this time before, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9007199254740991u64, nullable = false)]
    pub dedup_window_ms: Option<u64>,
    /// How many ids are remembered for that at most; beyond, the oldest is forgotten before its time.
    #[serde(default = "default_dedup_ids")]
    #[schema(minimum = 1, maximum = 10000000, default = 100000)]
    pub dedup_max_ids: u32,
    /// The log that keeps every message which enters the queue: it is written in the same step, and can be replayed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 249, nullable = false)]
    pub keep_in: Option<String>,
}

fn default_dedup_ids() -> u32 {
    queue_engine::DedupWindow::DEFAULT_IDS
}

fn default_lease_ms() -> u64 {
    30_000
}

fn yes() -> bool {
    true
}

/// What becomes of a dead letter that nothing takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterStrategy {
    /// It is gone.
    #[default]
    AtMostOnce,
    /// It stays, out of sight, until all that it is routed to take it.
    AtLeastOnce,
}

/// A log's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// How many partitions.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 10000, default = 1)]
    pub partitions: u32,
    /// Kafka's topic configuration keys, values as text or numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
}

fn one() -> u32 {
    1
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { partitions: 1, config: BTreeMap::new() }
    }
}

/// Whether something was made, or was there already as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// Made now.
    Made,
    /// There already, the same.
    Same,
}

/// Under which conditions something may be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteIf {
    /// Only if it holds nothing.
    pub empty: bool,
    /// Only if nobody consumes from it.
    pub unused: bool,
}

/// Which topics to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicFilter {
    /// Of one model only.
    pub model: Option<Model>,
    /// Whose name starts so.
    pub prefix: Option<String>,
}

/// A change of a topic's settings: what is absent stays.
#[derive(Clone, Debug, PartialEq)]
pub enum TopicPatch {
    /// The queue's settings as they shall be (the door merges the change into what `describe` answered).
    Queue(Box<QueueSettings>),
    /// More partitions, or other configuration; `None` takes a key back to its default.
    Log {
        /// The new number, not smaller than before.
        partitions: Option<u32>,
        /// Keys to set or take back.
        config: BTreeMap<String, Option<String>>,
    },
}

/// A topic as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its model.
    pub model: Model,
    /// Settings and state, if it is a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub queue: Option<QueueSettings>,
    /// Settings, if it is a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub log: Option<LogSettings>,
    /// The policy in force, if it is a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub policy: Option<String>,
    /// The operator policy in force, if it is a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub operator_policy: Option<String>,
    /// The settings in force, where policies make them differ from those in `queue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub effective: Option<QueueSettings>,
    /// What it holds and did, if it is a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub queue_stats: Option<QueueStats>,
    /// Its partitions, if it is a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub partitions: Option<Vec<PartitionDescription>>,
}

/// What a queue holds and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueStats {
    /// Messages that can be delivered now.
    pub ready: u64,
    /// Messages that somebody holds.
    pub leased: u64,
    /// Messages that wait for their time.
    pub delayed: u64,
    /// Bytes of ready messages.
    pub ready_bytes: u64,
    /// Open subscriptions.
    pub consumers: u64,
    /// Whether it belongs to one connection, which alone may use it and with which it goes.
    pub exclusive: bool,
    /// Messages that ever arrived.
    pub published: u64,
    /// Deliveries ever made.
    pub delivered: u64,
    /// Messages ever acked.
    pub acked: u64,
    /// Deliveries that were not a message's first.
    pub redelivered: u64,
    /// Messages not taken because their id was known.
    pub duplicates: u64,
    /// Messages ever dead-lettered or dropped instead.
    pub dead_lettered: u64,
}

/// One partition of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: u32,
    /// The first offset that it still holds.
    pub log_start_offset: i64,
    /// The offset that the next record gets once it can be read.
    pub high_watermark: i64,
    /// Bytes that it holds.
    pub bytes: u64,
}
