//! What the server says of itself, and what it reads of its clients.

use message::{HeaderTable, HeaderValue};

/// What clients may rely on, as RabbitMQ names it.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];
/// The version of RabbitMQ whose behaviour is kept to: clients choose their ways by it.
const COMPATIBLE_WITH: &str = "4.1.0";

/// `server-properties`: the truth under Sluice's own name, with a version that clients of RabbitMQ accept.
#[must_use]
pub fn server_properties() -> HeaderTable {
    let text = |text: &str| HeaderValue::Text(text.to_owned());
    let capabilities =
        CAPABILITIES.iter().map(|name| ((*name).to_owned(), HeaderValue::Bool(true))).collect();
    [
        ("capabilities", HeaderValue::Table(capabilities)),
        ("cluster_name", text("sluice")),
        ("copyright", text("The authors of Sluice")),
        ("information", text("Compatible with RabbitMQ's AMQP 0-9-1; see docs/rabbitmq-differences.md")),
        ("platform", text("Rust")),
        ("product", text("Sluice")),
        ("sluice_version", text(env!("CARGO_PKG_VERSION"))),
        ("version", text(COMPATIBLE_WITH)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// What matters of a client's own properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientIdentity {
    /// All that it told.
    pub properties: HeaderTable,
    /// What it calls itself, for people.
    pub product: String,
    /// A name that its user gave the connection.
    pub name: String,
    /// Whether it can be told why its login failed.
    pub authentication_failure_close: bool,
    /// Whether it can be told that a subscription ended.
    pub consumer_cancel_notify: bool,
    /// Whether it can be told to wait.
    pub connection_blocked: bool,
}

impl ClientIdentity {
    /// Reads `client-properties`. What is not there is not promised.
    #[must_use]
    pub fn read(properties: &HeaderTable) -> ClientIdentity {
        let text = |name: &str| match properties.get(name) {
            Some(HeaderValue::Text(text)) => text.chars().take(255).collect(),
            _ => String::new(),
        };
        let capabilities = match properties.get("capabilities") {
            Some(HeaderValue::Table(entries)) => entries,
            _ => Vec::new(),
        };
        let can = |wanted: &str| {
            capabilities.iter().any(|(name, value)| name == wanted && *value == HeaderValue::Bool(true))
        };
        ClientIdentity {
            properties: properties.clone(),
            product: text("product"),
            name: text("connection_name"),
            authentication_failure_close: can("authentication_failure_close"),
            consumer_cancel_notify: can("consumer_cancel_notify"),
            connection_blocked: can("connection.blocked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_says_nothing_can_do_nothing() {
        assert_eq!(ClientIdentity::read(&HeaderTable::default()), ClientIdentity::default());
    }

    #[test]
    fn the_servers_own_properties_read_as_capabilities() {
        let read = ClientIdentity::read(&server_properties());
        assert_eq!(read.product, "Sluice");
        assert!(read.connection_blocked && read.consumer_cancel_notify && read.authentication_failure_close);
    }
}
