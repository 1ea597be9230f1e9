//! What a shovel is to do, read from its definition. What is wrong with one is said as RabbitMQ says it.

use std::time::Duration;

use lapin::types::FieldTable;

use super::address::Address;
use super::flow::AckMode;
use super::overrides::Overrides;
use super::settings::Settings;
use crate::topics::ShovelSettings;

/// How many messages may be on their way unless the definition says otherwise.
const PREFETCH: u16 = 1000;
/// Seconds until the next try unless the definition says otherwise.
const RECONNECT_DELAY: u32 = 5;

/// A shovel.
#[derive(Clone, Debug, PartialEq)]
pub struct Shovel {
    /// Where messages come from.
    pub source: Source,
    /// Where they go.
    pub destination: Destination,
    /// When they are settled at the source.
    pub ack_mode: AckMode,
    /// How long after a failure it is tried again; `None` is never.
    pub reconnect_delay: Option<Duration>,
}

/// Where messages come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The brokers that may be asked, in turn.
    pub addresses: Vec<Address>,
    /// What is consumed there.
    pub from: Intake,
    /// Whether it has to be there already.
    pub predeclared: bool,
    /// How many messages may be on their way.
    pub prefetch: u16,
    /// When the shovel is done.
    pub delete_after: DeleteAfter,
    /// The arguments of the subscription.
    pub consumer_arguments: FieldTable,
    /// Its tag; empty has the broker make one up.
    pub consumer_tag: String,
}

/// What is consumed.
#[derive(Clone, Debug, PartialEq)]
pub enum Intake {
    /// A queue, with the arguments that it gets if it is not there.
    Queue(String, FieldTable),
    /// An exchange with this binding key, by a queue that lasts as long as the connection.
    Exchange(String, String),
}

/// When a shovel is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAfter {
    /// Never.
    Never,
    /// When it has moved as many messages as were in the queue when it began.
    QueueLength,
    /// When it has moved so many messages.
    Count(u64),
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// The brokers that may be asked, in turn.
    pub addresses: Vec<Address>,
    /// What they are published to.
    pub to: Target,
    /// Whether it has to be there already.
    pub predeclared: bool,
    /// Properties that they get.
    pub properties: Overrides,
    /// Whether they get a header that says which way they came.
    pub forward_headers: bool,
    /// Whether they get a header that says when.
    pub timestamp_header: bool,
}

/// What messages are published to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A queue, with the arguments that it gets if it is not there.
    Queue(String, FieldTable),
    /// An exchange with a routing key; where either is not said, as they were published first.
    Exchange(Option<String>, Option<String>),
}

impl Shovel {
    /// Reads a definition.
    ///
    /// # Errors
    /// Everything that is wrong with it. Nothing secret is in that.
    pub fn read(name: &str, definition: &ShovelSettings) -> Result<Shovel, Vec<String>> {
        let mut settings = Settings::new(name, definition);
        let ack_mode = settings.ack_mode();
        let source = source(&mut settings, ack_mode);
        let destination = destination(&mut settings);
        let delay = settings.whole("reconnect-delay", 0, u32::MAX.into());
        let shovel = Shovel {
            source,
            destination,
            ack_mode,
            reconnect_delay: match delay.unwrap_or(RECONNECT_DELAY.into()) {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            },
        };
        settings.finish(shovel)
    }

    /// Where it is from and where to, for people. Nothing secret is in it.
    #[must_use]
    pub fn route(&self) -> String {
        let shown = |addresses: &[Address]| {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
        };
        format!("from {} to {}", shown(&self.source.addresses), shown(&self.destination.addresses))
    }
}

fn source(settings: &mut Settings<'_>, ack_mode: AckMode) -> Source {
    match (settings.has("src-exchange"), settings.has("src-queue")) {
        (false, false) => settings.fault("Must specify 'src-exchange' or 'src-queue'"),
        (true, true) => settings.fault("Cannot specify 'src-exchange' and 'src-queue'"),
        _ => {}
    }
    let delete_after = settings.delete_after("src-delete-after");
    let older = settings.delete_after("delete-after");
    let delete_after = delete_after.or(older).unwrap_or(DeleteAfter::Never);
    if ack_mode == AckMode::NoAck && matches!(delete_after, DeleteAfter::Count(_)) {
        settings.fault("Cannot specify 'no-ack' and numerical 'delete-after'");
    }
    settings.protocol("src-protocol");
    let addresses = settings.addresses("src-uri");
    let queue = settings.name("src-queue");
    let queue_arguments = settings.table("src-queue-args");
    let exchange = settings.name("src-exchange");
    let key = settings.text("src-exchange-key").unwrap_or_default();
    let prefetch = settings.prefetch("src-prefetch-count");
    let older = settings.prefetch("prefetch-count");
    Source {
        addresses,
        from: match queue {
            Some(queue) => Intake::Queue(queue, queue_arguments),
            None => Intake::Exchange(exchange.unwrap_or_default(), key),
        },
        predeclared: settings.flag("src-predeclared").unwrap_or(false),
        prefetch: prefetch.or(older).unwrap_or(PREFETCH),
        delete_after,
        consumer_arguments: settings.table("src-consumer-args"),
        consumer_tag: settings.name("src-consumer-name").unwrap_or_default(),
    }
}

fn destination(settings: &mut Settings<'_>) -> Destination {
    if settings.has("dest-exchange") && settings.has("dest-queue") {
        settings.fault("Cannot specify 'dest-exchange' and 'dest-queue'");
    }
    settings.protocol("dest-protocol");
    let addresses = settings.addresses("dest-uri");
    let queue = settings.name("dest-queue");
    let queue_arguments = settings.table("dest-queue-args");
    let exchange = settings.name("dest-exchange");
    let key = settings.name("dest-exchange-key");
    let properties = settings.overrides("dest-publish-properties");
    let older_properties = settings.overrides("publish-properties");
    let mut flag = |name: &str, older: &str| {
        let (newer, older) = (settings.flag(name), settings.flag(older));
        newer.or(older).unwrap_or(false)
    };
    let forward_headers = flag("dest-add-forward-headers", "add-forward-headers");
    let timestamp_header = flag("dest-add-timestamp-header", "add-timestamp-header");
    Destination {
        addresses,
        to: match queue {
            Some(queue) => Target::Queue(queue, queue_arguments),
            None => Target::Exchange(exchange, key),
        },
        predeclared: settings.flag("dest-predeclared").unwrap_or(false),
        properties: properties.or(older_properties).unwrap_or_default(),
        forward_headers,
        timestamp_header,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(changes: Value) -> Result<Shovel, Vec<String>> {
        let mut value =
            json!({"src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://h", "dest-queue": "b"});
        for (name, change) in changes.as_object().unwrap() {
            let members = value.as_object_mut().unwrap();
            drop(members.remove(name));
            if *change != json!({"without": true}) {
                members.insert(name.clone(), change.clone());
            }
        }
        Shovel::read("s", value.as_object().unwrap())
    }

    fn fault(changes: Value) -> String {
        let faults = read(changes).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    }

    #[test]
    fn what_is_not_said_is_as_rabbitmq_has_it() {
        let shovel = read(json!({})).unwrap();
        assert_eq!(shovel.ack_mode, AckMode::OnConfirm);
        assert_eq!(shovel.reconnect_delay, Some(Duration::from_secs(5)));
        assert_eq!((shovel.source.prefetch, shovel.source.delete_after), (1000, DeleteAfter::Never));
        assert!(!shovel.source.predeclared && !shovel.destination.forward_headers);
        assert_eq!(shovel.source.from, Intake::Queue("a".into(), FieldTable::default()));
    }

    #[test]
    fn every_setting_is_read_and_older_names_too() {
        let shovel = read(json!({
            "ack-mode": "on-publish", "reconnect-delay": 0, "delete-after": 7, "prefetch-count": 9,
            "add-forward-headers": true, "publish-properties": {"delivery_mode": 2}, "src-predeclared": true,
            "dest-queue": {"without": true}, "dest-exchange": "x", "dest-exchange-key": "k",
            "src-queue": {"without": true}, "src-exchange": "y", "src-exchange-key": "#",
            "src-uri": ["amqp://", "amqp:///v"], "src-protocol": "amqp091", "src-consumer-args": {"x-priority": 3},
        }));
        let shovel = shovel.unwrap();
        assert_eq!((shovel.ack_mode, shovel.reconnect_delay), (AckMode::OnPublish, None));
        assert_eq!((shovel.source.delete_after, shovel.source.prefetch), (DeleteAfter::Count(7), 9));
        assert_eq!(shovel.source.from, Intake::Exchange("y".into(), "#".into()));
        assert_eq!(shovel.destination.to, Target::Exchange(Some("x".into()), Some("k".into())));
        assert!(shovel.destination.forward_headers && shovel.source.predeclared);
        assert_eq!(shovel.source.addresses.len(), 2);
        assert!(shovel.destination.properties != Overrides::default());
        assert_eq!(shovel.route(), "from amqp:// or amqp:///v to amqp://h");
        let newer = read(json!({"src-delete-after": "queue-length", "delete-after": 7})).unwrap();
        assert_eq!(newer.source.delete_after, DeleteAfter::QueueLength);
    }

    #[test]
    fn what_is_wrong_is_said_as_rabbitmq_says_it() {
        let without = json!({"without": true});
        for (changes, wanted) in [
            (json!({"src-queue": without}), "Must specify 'src-exchange' or 'src-queue'"),
            (json!({"src-exchange": "x"}), "Cannot specify 'src-exchange' and 'src-queue'"),
            (json!({"dest-exchange": "x"}), "Cannot specify 'dest-exchange' and 'dest-queue'"),
            (
                json!({"ack-mode": "no-ack", "src-delete-after": 4}),
                "Cannot specify 'no-ack' and numerical 'delete-after'",
            ),
            (json!({"src-uri": without}), "Key \"src-uri\" not found in s"),
            (json!({"dest-uri": without}), "Key \"dest-uri\" not found in s"),
            (json!({"colour": "red"}), "Unrecognised terms [<<\"colour\">>] in s"),
            (
                json!({"ack-mode": "never"}),
                "ack-mode should be one of [<<\"no-ack\">>,<<\"on-publish\">>,<<\"on-confirm\">>], actually was <<\"never\">>",
            ),
            (json!({"src-queue": 5}), "src-queue should be binary, actually was 5"),
            (
                json!({"dest-queue": "q".repeat(256)}),
                "dest-queue should be less than 255 bytes, actually was 256",
            ),
            (
                json!({"src-predeclared": "yes"}),
                "src-predeclared should be boolean, actually was <<\"yes\">>",
            ),
            (
                json!({"src-prefetch-count": "many"}),
                "src-prefetch-count should be a number, actually was <<\"many\">>",
            ),
            (
                json!({"src-delete-after": -1}),
                "src-delete-after should be a number greater than or equal to 0, \"never\" or \"queue-length\", actually was -1",
            ),
            (
                json!({"dest-publish-properties": {"colour": 1}}),
                "Unrecognised terms [<<\"colour\">>] in dest-publish-properties",
            ),
            (
                json!({"dest-publish-properties": {"delivery_mode": "two"}}),
                "delivery_mode should be a number, actually was <<\"two\">>",
            ),
        ] {
            assert_eq!(fault(changes), wanted);
        }
        assert!(fault(json!({"src-protocol": "amqp10"})).contains("does not speak amqp10"));
        assert!(fault(json!({"dest-protocol": "local"})).contains("does not speak local"));
        assert!(
            fault(json!({"dest-protocol": "mqtt"}))
                .starts_with("dest-protocol should be one of [<<\"amqp091\">>]")
        );
        assert!(fault(json!({"src-prefetch-count": 0})).contains("1 to 65535"));
        assert!(fault(json!({"src-queue-args": 5})).contains("src-queue-args should be a map"));
        let all = read(json!({"src-uri": without, "dest-uri": without, "src-queue": without, "ack-mode": 5}));
        let told = all.unwrap_err();
        let words: Vec<&str> = told.iter().filter_map(|why| why.split(' ').nth(1)).collect();
        assert_eq!(words, ["specify", "\"dest-uri\"", "\"src-uri\"", "should"]);
    }

    #[test]
    fn no_fault_tells_a_password() {
        for uri in [
            json!("amqp://u:secret@h:0"),
            json!({"uri": "amqp://u:secret@h"}),
            json!(["amqp://u:secret@h/a/b"]),
            json!([{"uri": "secret"}]),
            json!("u:secret@h"),
            json!("amqps://u:secret@h?verify=verify_none"),
        ] {
            let why = fault(json!({"src-uri": uri}));
            assert!(why.contains("not a valid URI") || why.starts_with("src-uri should be"), "{why}");
            assert!(!why.contains("secret"), "{why}");
        }
        assert!(!fault(json!({"src-url": "amqp://u:secret@h"})).contains("secret"));
        let shovel = read(json!({"src-uri": "amqp://u:secret@h"})).unwrap();
        assert!(!format!("{shovel:?} {}", shovel.route()).contains("secret"));
    }
}
