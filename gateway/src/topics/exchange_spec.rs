use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an exchange chooses. RabbitMQ's names with `x-` are understood as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExchangeKind {
    /// Bindings whose key is the routing key.
    Direct,
    /// Bindings whose pattern of words, `*` and `#` fits the routing key.
    Topic,
    /// Every binding.
    Fanout,
    /// Bindings whose arguments fit the headers.
    Headers,
    /// One binding, the same for the same hash; a binding's key is its weight.
    #[serde(alias = "x-consistent-hash")]
    ConsistentHash,
    /// One binding, by the routing key's hash modulo the number of bindings.
    #[serde(alias = "x-modulus-hash")]
    ModulusHash,
    /// One binding at random.
    #[serde(alias = "x-random")]
    Random,
    /// One queue at random.
    #[serde(alias = "x-local-random")]
    LocalRandom,
    /// Every binding; a new one gets the latest messages at once.
    #[serde(alias = "x-recent-history")]
    RecentHistory,
    /// As `delayed_type` says, once the milliseconds in the header `x-delay` have passed.
    #[serde(alias = "x-delayed-message")]
    DelayedMessage,
}

impl ExchangeKind {
    /// The kind that AMQP clients call so.
    #[must_use]
    pub fn from_amqp(name: &str) -> Option<ExchangeKind> {
        queue_engine::ExchangeKind::from_name(name).map(ExchangeKind::from)
    }

    /// What AMQP clients call it.
    #[must_use]
    pub fn amqp_name(self) -> &'static str {
        queue_engine::ExchangeKind::from(self).as_str()
    }
}

macro_rules! same_kinds {
    ($($here:ident = $there:ident),*) => {
        impl From<ExchangeKind> for queue_engine::ExchangeKind {
            fn from(kind: ExchangeKind) -> queue_engine::ExchangeKind {
                match kind {
                    $(ExchangeKind::$here => queue_engine::ExchangeKind::$there,)*
                }
            }
        }

        impl From<queue_engine::ExchangeKind> for ExchangeKind {
            fn from(kind: queue_engine::ExchangeKind) -> ExchangeKind {
                match kind {
                    $(queue_engine::ExchangeKind::$there => ExchangeKind::$here,)*
                }
            }
        }
    };
}

same_kinds!(
    Direct = Direct,
    Topic = Topic,
    Fanout = Fanout,
    Headers = Headers,
    ConsistentHash = ConsistentHash,
    ModulusHash = ModulusHash,
    Random = Random,
    LocalRandom = LocalRandom,
    RecentHistory = RecentHistory,
    DelayedMessage = Delayed
);

/// What a consistent-hash exchange may hash instead of the routing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashProperty {
    /// The publisher's id for the message.
    MessageId,
    /// What ties a reply to its request.
    CorrelationId,
    /// The publisher's time.
    Timestamp,
}

impl From<HashProperty> for queue_engine::HashProperty {
    fn from(property: HashProperty) -> queue_engine::HashProperty {
        match property {
            HashProperty::MessageId => queue_engine::HashProperty::MessageId,
            HashProperty::CorrelationId => queue_engine::HashProperty::CorrelationId,
            HashProperty::Timestamp => queue_engine::HashProperty::Timestamp,
        }
    }
}

impl From<queue_engine::HashProperty> for HashProperty {
    fn from(property: queue_engine::HashProperty) -> HashProperty {
        match property {
            queue_engine::HashProperty::MessageId => HashProperty::MessageId,
            queue_engine::HashProperty::CorrelationId => HashProperty::CorrelationId,
            queue_engine::HashProperty::Timestamp => HashProperty::Timestamp,
        }
    }
}

/// What an exchange is made as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeSpec {
    /// How it chooses.
    #[serde(rename = "type")]
    pub kind: ExchangeKind,
    /// Whether it survives a restart.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub durable: bool,
    /// Whether it goes with its last binding.
    #[serde(default)]
    pub auto_delete: bool,
    /// Whether only other exchanges may publish to it.
    #[serde(default)]
    pub internal: bool,
    /// Where messages go that no binding takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub alternate_exchange: Option<String>,
    /// For consistent-hash: the header whose value is hashed instead of the routing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub hash_header: Option<String>,
    /// For consistent-hash: the property that is hashed instead of the routing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hash_property: Option<HashProperty>,
    /// For recent-history: how many messages a new binding gets, 20 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000, nullable = false)]
    pub history_length: Option<u32>,
    /// For delayed-message, where it is needed: how the exchange chooses once the delay is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delayed_type: Option<ExchangeKind>,
}

impl ExchangeSpec {
    /// A durable exchange without anything special.
    #[must_use]
    pub fn new(kind: ExchangeKind) -> ExchangeSpec {
        ExchangeSpec {
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            alternate_exchange: None,
            hash_header: None,
            hash_property: None,
            history_length: None,
            delayed_type: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// What an exchange does with what policies say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectiveExchange {
    /// Where messages go that no binding takes.
    pub alternate_exchange: String,
}

/// An exchange as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExchangeDescription {
    /// Its name.
    pub name: String,
    /// What it was made as.
    #[serde(flatten)]
    pub spec: ExchangeSpec,
    /// The policy in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub policy: Option<String>,
    /// What it does with what the policy says, where that makes a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub effective: Option<EffectiveExchange>,
}

/// What a binding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DestinationType {
    /// A queue topic.
    Queue,
    /// A log topic.
    Log,
    /// Another exchange.
    Exchange,
}

/// A way from an exchange to a topic or another exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingSpec {
    /// The exchange.
    #[schema(min_length = 1, max_length = 255)]
    pub source: String,
    /// The topic or exchange.
    #[schema(min_length = 1, max_length = 255)]
    pub destination: String,
    /// What the destination is.
    pub destination_type: DestinationType,
    /// The key or pattern.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub routing_key: String,
    /// What a headers exchange compares; `x-match` is `all`, `any`, `all-with-x` or `any-with-x`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, serde_json::Value>,
}

/// A binding as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BindingDescription {
    /// Its id: the same binding always has the same.
    pub id: String,
    /// What it was made as.
    #[serde(flatten)]
    pub spec: BindingSpec,
}
