use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::retry_settings::RetryLinear;
use super::spec::{DeadLetterStrategy, Overflow};

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// Fills in what declarations left open.
    User,
    /// Bounds what declarations and users' policies ask for.
    Operator,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Queues of every type.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Exchanges.
    Exchanges,
}

/// What a policy sets; what is absent stays as it was declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(min_properties = 1)]
pub struct PolicyDefinition {
    /// Longest wait of a ready message, in milliseconds. The smallest value wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9007199254740991u64, nullable = false)]
    pub message_ttl_ms: Option<u64>,
    /// The queue is deleted after it went unused for this long, in milliseconds. The smallest value wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9007199254740991u64, nullable = false)]
    pub expires_ms: Option<u64>,
    /// Most ready messages. The smallest value wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9007199254740991u64, nullable = false)]
    pub max_length: Option<u64>,
    /// Most bytes of ready messages. The smallest value wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9007199254740991u64, nullable = false)]
    pub max_length_bytes: Option<u64>,
    /// How often a message may come back. The smallest value wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 4294967295u64, nullable = false)]
    pub delivery_limit: Option<u32>,
    /// What happens at the limit. A queue's own choice wins, unless it is `drop_head`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub overflow: Option<Overflow>,
    /// Where dead letters go; empty is the default exchange. A queue's own choice wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, nullable = false)]
    pub dead_letter_exchange: Option<String>,
    /// The routing key for it. A queue's own choice wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, nullable = false)]
    pub dead_letter_routing_key: Option<String>,
    /// What becomes of dead letters that nothing takes. A queue's own choice wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dead_letter_strategy: Option<DeadLetterStrategy>,
    /// How long a subscription may keep a message, in milliseconds. Quorum queues only; the smallest value wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9007199254740991u64, nullable = false)]
    pub consumer_timeout_ms: Option<u64>,
    /// RabbitMQ's delayed retry, for quorum queues. A queue's own `retry` wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delayed_retry: Option<RetryLinear>,
    /// For exchanges: where messages go that no binding takes. An exchange's own choice wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub alternate_exchange: Option<String>,
}

/// Settings for every queue and exchange whose name matches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// A regular expression that is looked for in names, without that of the virtual host.
    pub pattern: String,
    /// What it is for.
    #[serde(default)]
    pub apply_to: ApplyTo,
    /// Of several policies that match, the one with the highest priority is in force, alone.
    #[serde(default)]
    pub priority: i32,
    /// What it sets.
    pub definition: PolicyDefinition,
}

/// A policy as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyDescription {
    /// Its name in its virtual host.
    pub name: String,
    /// Its virtual host.
    pub vhost: String,
    /// A regular expression that is looked for in names, without that of the virtual host.
    pub pattern: String,
    /// What it is for.
    pub apply_to: ApplyTo,
    /// Of several policies that match, the one with the highest priority is in force, alone.
    pub priority: i32,
    /// What it sets.
    pub definition: PolicyDefinition,
}
