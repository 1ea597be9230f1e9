use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an exchange chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// Bindings whose key is the routing key.
    Direct,
    /// Bindings whose pattern of words, `*` and `#` fits the routing key.
    Topic,
    /// Every binding.
    Fanout,
    /// Bindings whose arguments fit the headers.
    Headers,
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
}

fn yes() -> bool {
    true
}

/// An exchange as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExchangeDescription {
    /// Its name.
    pub name: String,
    /// What it was made as.
    #[serde(flatten)]
    pub spec: ExchangeSpec,
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
