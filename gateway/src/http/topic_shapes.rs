//! Settings of topics as bodies may have them, for the description only.

#![allow(dead_code, reason = "described, never built")]

use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::topics::{DeadLetterStrategy, Overflow, QueueType};

/// A log's settings.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLogSettings {
    /// How many partitions.
    #[schema(required = false, minimum = 1, maximum = 10000, default = 1)]
    partitions: u32,
    /// Kafka's topic configuration.
    #[schema(required = false)]
    config: LogConfig,
}

/// Kafka's topic configuration, as far as it is enforced; keys that are not are refused.
pub struct LogConfig;

/// The same with `null` for a key that gets its default back.
pub struct LogConfigChange;

/// Every key with the values that it takes.
const KEYS: [(&str, &str); 16] = [
    ("cleanup.policy", "^delete$"),
    ("compression.type", "^producer$"),
    ("flush.messages", "^9223372036854775807$"),
    ("flush.ms", "^9223372036854775807$"),
    ("index.interval.bytes", "^[0-9]{1,9}$"),
    ("max.message.bytes", "^[0-9]{1,9}$"),
    ("message.timestamp.type", "^(CreateTime|LogAppendTime)$"),
    ("min.insync.replicas", "^1$"),
    ("preallocate", "^false$"),
    ("remote.storage.enable", "^false$"),
    ("retention.bytes", "^(-1|[0-9]{1,15})$"),
    ("retention.ms", "^(-1|[0-9]{1,15})$"),
    ("segment.bytes", "^([2-9][0-9]{3}|[1-9][0-9]{4,8})$"),
    ("segment.jitter.ms", "^0$"),
    ("segment.ms", "^[1-9][0-9]{0,14}$"),
    ("unclean.leader.election.enable", "^false$"),
];

/// Keys whose values may be given as numbers, too.
pub const NUMERIC_KEYS: [&str; 6] = [
    "index.interval.bytes",
    "max.message.bytes",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.ms",
];

/// The bounds of a key's number: what its pattern has.
pub fn bounds(key: &str) -> (i64, i64) {
    match key {
        "retention.bytes" | "retention.ms" => (-1, 999_999_999_999_999),
        "segment.bytes" => (2_000, 999_999_999),
        "segment.ms" => (1, 999_999_999_999_999),
        _ => (0, 999_999_999),
    }
}

fn config(nullable: bool) -> Schema {
    let mut object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .description(Some("Values are text; numbers are taken as well."));
    for (key, pattern) in KEYS {
        let numeric = NUMERIC_KEYS.contains(&key);
        let kinds = [(Type::String, true), (Type::Integer, numeric), (Type::Null, nullable)];
        let kinds = kinds.into_iter().filter(|(_, wanted)| *wanted).map(|(kind, _)| kind);
        let mut value = ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds)).pattern(Some(pattern));
        if numeric {
            let (low, high) = bounds(key);
            value = value.minimum(Some(low)).maximum(Some(high));
        }
        object = object.property(key, value);
    }
    object.build().into()
}

impl PartialSchema for LogConfig {
    fn schema() -> RefOr<Schema> {
        RefOr::T(config(false))
    }
}

impl ToSchema for LogConfig {}

impl PartialSchema for LogConfigChange {
    fn schema() -> RefOr<Schema> {
        RefOr::T(config(true))
    }
}

impl ToSchema for LogConfigChange {}

/// A change of a queue's settings: what is absent stays, `null` is the default again.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueChange {
    /// Which of RabbitMQ's queues it behaves like; this cannot change.
    r#type: Option<QueueType>,
    /// Highest priority that is told apart.
    #[schema(minimum = 0, maximum = 255)]
    max_priority: Option<u8>,
    /// Life of a message from its arrival, in milliseconds.
    #[schema(minimum = 0, maximum = 9007199254740991u64)]
    message_ttl_ms: Option<u64>,
    /// The queue is deleted after it went unused for this long, in milliseconds.
    #[schema(minimum = 1, maximum = 9007199254740991u64)]
    expires_ms: Option<u64>,
    /// Most ready messages.
    #[schema(minimum = 0, maximum = 9007199254740991u64)]
    max_length: Option<u64>,
    /// Most bytes of ready messages.
    #[schema(minimum = 0, maximum = 9007199254740991u64)]
    max_length_bytes: Option<u64>,
    /// What happens at the limit.
    overflow: Option<Overflow>,
    /// Where dead letters go; empty is the default exchange.
    #[schema(max_length = 255)]
    dead_letter_exchange: Option<String>,
    /// The routing key for it, instead of the message's own.
    #[schema(max_length = 255)]
    dead_letter_routing_key: Option<String>,
    /// What becomes of dead letters that nothing takes.
    dead_letter_strategy: Option<DeadLetterStrategy>,
    /// How often a message is delivered before it is dead-lettered.
    #[schema(minimum = 0, maximum = 4294967295u64)]
    delivery_limit: Option<u32>,
    /// For how long a message is leased when the reader does not say, in milliseconds.
    #[schema(minimum = 1, maximum = 43200000)]
    lease_ms: Option<u64>,
    /// Whether it survives a restart.
    durable: Option<bool>,
    /// Whether it is deleted when its last subscription ends.
    auto_delete: Option<bool>,
    /// Whether one subscription gets everything while the others wait.
    single_active_consumer: Option<bool>,
    /// How long a subscription without a lease time may keep a message, in milliseconds.
    #[schema(minimum = 1, maximum = 9007199254740991u64)]
    consumer_timeout_ms: Option<u64>,
}
