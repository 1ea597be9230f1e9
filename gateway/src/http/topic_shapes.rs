//! Settings of topics as bodies may have them, for the description only.

#![allow(dead_code, reason = "described, never built")]

use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::topics::{ConfigKind, DeadLetterStrategy, Overflow, QueueType, RetrySettings, TopicConfig};

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

/// A whole number of up to 15 digits, or the largest there is.
const LONG: &str = "^([0-9]{1,15}|9223372036854775807)$";
const LONG_FROM_1: &str = "^([1-9][0-9]{0,14}|9223372036854775807)$";

/// The values that a key takes, as a pattern. Numbers have at most as many digits as are sure to fit.
fn pattern(key: &str, kind: ConfigKind) -> &'static str {
    match key {
        "cleanup.policy" => "^(delete|compact|compact,delete)$",
        "compression.type" => "^(producer|uncompressed|gzip|snappy|lz4|zstd)$",
        "compression.gzip.level" => "^(-1|[1-9])$",
        "compression.lz4.level" => "^([1-9]|1[0-7])$",
        "compression.zstd.level" => "^(-[1-9][0-9]{0,4}|[0-9]|1[0-9]|2[0-2])$",
        "message.timestamp.type" => "^(CreateTime|LogAppendTime)$",
        "min.cleanable.dirty.ratio" => "^(0(\\.[0-9]{1,6})?|1)$",
        "retention.bytes" | "retention.ms" => "^(-1|[0-9]{1,15})$",
        "segment.bytes" => "^([2-9][0-9]{3}|[1-9][0-9]{4,8})$",
        "segment.index.bytes" => "^[1-9][0-9]{2,8}$",
        "segment.ms" => "^[1-9][0-9]{0,14}$",
        "flush.messages" | "max.compaction.lag.ms" => LONG_FROM_1,
        _ => match kind {
            ConfigKind::Boolean => "^(true|false)$",
            ConfigKind::Int => "^[0-9]{1,9}$",
            ConfigKind::Long => LONG,
            ConfigKind::Double | ConfigKind::String | ConfigKind::List => "",
        },
    }
}

/// Whether a key's value may be given as a number, too.
pub fn is_numeric(key: &str) -> bool {
    let number = |kind| matches!(kind, ConfigKind::Int | ConfigKind::Long | ConfigKind::Double);
    TopicConfig::keys().iter().any(|known| known.name == key && number(known.kind))
}

/// The bounds of a key's number: what its pattern has.
pub fn bounds(key: &str) -> (i64, i64) {
    match key {
        "compression.gzip.level" => (1, 9),
        "compression.lz4.level" => (1, 17),
        "compression.zstd.level" => (-131_072, 22),
        "min.cleanable.dirty.ratio" => (0, 1),
        "retention.bytes" | "retention.ms" => (-1, 999_999_999_999_999),
        "segment.bytes" => (2_000, 999_999_999),
        "segment.index.bytes" => (100, 999_999_999),
        "flush.messages" | "max.compaction.lag.ms" | "segment.ms" => (1, 999_999_999_999_999),
        "index.interval.bytes" | "max.message.bytes" => (0, 999_999_999),
        _ => (0, 999_999_999_999_999),
    }
}

fn config(nullable: bool) -> Schema {
    let mut object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .description(Some(
            "Values are text; numbers are taken as well. GET /v1/topics/{topic}/settings explains each.",
        ));
    let value = |kinds: [(Type, bool); 3], pattern: String| {
        let kinds = kinds.into_iter().filter(|(_, wanted)| *wanted).map(|(kind, _)| kind);
        ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds)).pattern(Some(pattern))
    };
    for key in TopicConfig::keys() {
        let numeric = is_numeric(key.name);
        let number = if key.kind == ConfigKind::Double { Type::Number } else { Type::Integer };
        let kinds = [(Type::String, true), (number, numeric), (Type::Null, nullable)];
        let mut value = value(kinds, pattern(key.name, key.kind).to_owned()).description(Some(key.about));
        if numeric {
            let (low, high) = bounds(key.name);
            value = value.minimum(Some(low)).maximum(Some(high));
        }
        object = object.property(key.name, value);
    }
    for key in TopicConfig::fixed_keys() {
        let kinds = [(Type::String, true), (Type::Null, nullable), (Type::Null, false)];
        object =
            object.property(key.name, value(kinds, format!("^{}$", key.value)).description(Some(key.why)));
    }
    let older =
        [("message.format.version", "^[1-9]\\.[0-9]{1,2}$"), ("message.timestamp.difference.max.ms", LONG)];
    for (name, pattern) in older {
        let kinds = [(Type::String, true), (Type::Null, nullable), (Type::Null, false)];
        object = object.property(name, value(kinds, pattern.to_owned()).description(Some("Of older Kafka.")));
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
    /// Whether of the messages with the same key only one is out at a time, in order.
    order_per_key: Option<bool>,
    /// How messages that failed are tried again.
    retry: Option<RetrySettings>,
    /// Within which time a message with a known `message_id` is not taken again, in milliseconds.
    #[schema(minimum = 1, maximum = 9007199254740991u64)]
    dedup_window_ms: Option<u64>,
    /// How many ids are remembered for that at most.
    #[schema(minimum = 1, maximum = 10000000)]
    dedup_max_ids: Option<u32>,
    /// The log that keeps every message which enters the queue.
    #[schema(min_length = 1, max_length = 249)]
    keep_in: Option<String>,
}
