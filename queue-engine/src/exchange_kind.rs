use crate::QueueError;

/// How an exchange chooses among its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// Bindings whose key equals the routing key.
    Direct,
    /// All bindings.
    Fanout,
    /// Bindings whose pattern matches the routing key, `*` for one word and `#` for any number.
    Topic,
    /// Bindings whose arguments match the message's headers.
    Headers,
    /// One binding, always the same for the same hash; a binding's key is its weight. Few messages go elsewhere when
    /// bindings come and go (RabbitMQ's plugin rabbitmq_consistent_hash_exchange).
    ConsistentHash,
    /// One binding, by the routing key's hash modulo the number of bindings (rabbitmq_sharding).
    ModulusHash,
    /// One binding at random (rabbitmq_random_exchange).
    Random,
    /// One queue at random among those of this node, which here are all (RabbitMQ 4).
    LocalRandom,
    /// All bindings; a new one gets the latest messages at once (rabbitmq_recent_history_exchange).
    RecentHistory,
    /// As another kind, but a message with the header `x-delay` waits that many milliseconds before it is routed
    /// (rabbitmq_delayed_message_exchange).
    Delayed,
}

impl ExchangeKind {
    /// Every kind.
    pub const ALL: [ExchangeKind; 10] = [
        ExchangeKind::Direct,
        ExchangeKind::Fanout,
        ExchangeKind::Topic,
        ExchangeKind::Headers,
        ExchangeKind::ConsistentHash,
        ExchangeKind::ModulusHash,
        ExchangeKind::Random,
        ExchangeKind::LocalRandom,
        ExchangeKind::RecentHistory,
        ExchangeKind::Delayed,
    ];

    /// The name that AMQP clients use, also the one in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
            ExchangeKind::ConsistentHash => "x-consistent-hash",
            ExchangeKind::ModulusHash => "x-modulus-hash",
            ExchangeKind::Random => "x-random",
            ExchangeKind::LocalRandom => "x-local-random",
            ExchangeKind::RecentHistory => "x-recent-history",
            ExchangeKind::Delayed => "x-delayed-message",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ExchangeKind> {
        ExchangeKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether the exchange keeps messages itself.
    pub(crate) fn keeps_messages(self) -> bool {
        matches!(self, ExchangeKind::RecentHistory | ExchangeKind::Delayed)
    }
}

/// What a hash exchange may look at instead of the routing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashProperty {
    /// The publisher's id for the message.
    MessageId,
    /// What ties a reply to its request.
    CorrelationId,
    /// The publisher's time.
    Timestamp,
}

impl HashProperty {
    const ALL: [HashProperty; 3] =
        [HashProperty::MessageId, HashProperty::CorrelationId, HashProperty::Timestamp];

    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            HashProperty::MessageId => "message_id",
            HashProperty::CorrelationId => "correlation_id",
            HashProperty::Timestamp => "timestamp",
        }
    }

    /// The property of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<HashProperty> {
        HashProperty::ALL.into_iter().find(|property| property.as_str() == name)
    }
}

/// How an exchange behaves beside its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeOptions {
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes when its last binding goes.
    pub auto_delete: bool,
    /// Whether only other exchanges may feed it.
    pub internal: bool,
    /// The exchange that gets what no binding of this one matches.
    pub alternate_exchange: Option<String>,
    /// Consistent-hash only: the header whose value is hashed instead of the routing key.
    pub hash_header: Option<String>,
    /// Consistent-hash only: the property that is hashed instead of the routing key.
    pub hash_property: Option<HashProperty>,
    /// Recent-history only: how many messages a new binding gets. `None` means 20.
    pub history_length: Option<u32>,
    /// Delayed only, and needed there: how it chooses once the delay is over.
    pub delayed_kind: Option<ExchangeKind>,
}

impl Default for ExchangeOptions {
    fn default() -> ExchangeOptions {
        ExchangeOptions {
            durable: true,
            auto_delete: false,
            internal: false,
            alternate_exchange: None,
            hash_header: None,
            hash_property: None,
            history_length: None,
            delayed_kind: None,
        }
    }
}

impl ExchangeOptions {
    /// Most messages that a recent-history exchange may keep.
    pub const HISTORY_MOST: u32 = 10_000;
    /// What it keeps when nothing is said.
    pub const HISTORY_DEFAULT: u32 = 20;

    /// Refuses what does not go together.
    pub(crate) fn check(&self, kind: ExchangeKind) -> Result<(), QueueError> {
        let invalid = |field, why: &str| Err(QueueError::InvalidOption { field, why: why.to_owned() });
        if self.alternate_exchange.as_ref().is_some_and(|name| name.is_empty() || name.len() > 255) {
            return invalid("alternate_exchange", "must be the name of an exchange, 1 to 255 bytes");
        }
        if kind != ExchangeKind::ConsistentHash {
            if self.hash_header.is_some() {
                return invalid("hash_header", "is for consistent-hash exchanges");
            }
            if self.hash_property.is_some() {
                return invalid("hash_property", "is for consistent-hash exchanges");
            }
        } else if self.hash_header.is_some() && self.hash_property.is_some() {
            return invalid("hash_property", "excludes hash_header: give one of the two");
        }
        if self.hash_header.as_ref().is_some_and(|name| name.is_empty() || name.len() > 255) {
            return invalid("hash_header", "must be the name of a header, 1 to 255 bytes");
        }
        match (kind, self.history_length) {
            (ExchangeKind::RecentHistory, Some(1..=ExchangeOptions::HISTORY_MOST) | None) | (_, None) => {}
            (ExchangeKind::RecentHistory, Some(_)) => {
                return invalid("history_length", "must be 1 to 10000");
            }
            (_, Some(_)) => return invalid("history_length", "is for recent-history exchanges"),
        }
        match (kind, self.delayed_kind) {
            (ExchangeKind::Delayed, None) => invalid(
                "delayed_type",
                "says how the exchange chooses once the delay is over, e.g. \"direct\"",
            ),
            (ExchangeKind::Delayed, Some(inner)) if inner.keeps_messages() => {
                invalid("delayed_type", "must be a type that keeps no messages itself, e.g. \"direct\"")
            }
            (ExchangeKind::Delayed, Some(_)) | (_, None) => Ok(()),
            (_, Some(_)) => invalid("delayed_type", "is for delayed-message exchanges"),
        }
    }

    /// The first option that differs: its name, the value here and the value there.
    pub(crate) fn difference(&self, other: &ExchangeOptions) -> Option<(&'static str, String, String)> {
        let shown =
            |value: Option<&str>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
        macro_rules! compare {
            ($($field:literal: $print:expr),*) => {
                $({
                    let print: &dyn Fn(&ExchangeOptions) -> String = &$print;
                    let (have, want) = (print(self), print(other));
                    if have != want {
                        return Some(($field, have, want));
                    }
                })*
            };
        }
        compare!(
            "durable": |options| options.durable.to_string(),
            "auto_delete": |options| options.auto_delete.to_string(),
            "internal": |options| options.internal.to_string(),
            "alternate_exchange": |options| shown(options.alternate_exchange.as_deref()),
            "hash_header": |options| shown(options.hash_header.as_deref()),
            "hash_property": |options| shown(options.hash_property.map(HashProperty::as_str)),
            "history_length": |options| options.history_length.unwrap_or(ExchangeOptions::HISTORY_DEFAULT).to_string(),
            "delayed_type": |options| shown(options.delayed_kind.map(ExchangeKind::as_str))
        );
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_property_has_its_name() {
        for kind in ExchangeKind::ALL {
            assert_eq!(ExchangeKind::from_name(kind.as_str()), Some(kind));
        }
        for property in HashProperty::ALL {
            assert_eq!(HashProperty::from_name(property.as_str()), Some(property));
        }
        assert_eq!(ExchangeKind::from_name("x-other"), None);
    }
}
