//! The optional arguments of AMQP's `queue.declare`: which type of queue takes which, what they mean, and when two
//! declarations ask for the same.
use ::message::{HeaderTable, HeaderValue, TopicName};

use crate::{
    DeadLetterStrategy, LinearRetry, Overflow, QueueDeclaration, QueueError, QueueOptions, QueueType,
    RetryOn, RetryPolicy,
};

/// One argument that RabbitMQ knows.
struct Argument {
    name: &'static str,
    /// The types of queue that take it. Others refuse it; an argument that no type knows is the client's own.
    types: &'static [QueueType],
    /// Puts its value into the options, or says what is wrong with it.
    read: fn(&mut QueueOptions, &HeaderValue) -> Result<(), String>,
    /// Its value in force; `None` where the options do not keep it.
    show: fn(&QueueOptions) -> Option<HeaderValue>,
}

const BOTH: &[QueueType] = &[QueueType::Classic, QueueType::Quorum];
const CLASSIC: &[QueueType] = &[QueueType::Classic];
const QUORUM: &[QueueType] = &[QueueType::Quorum];
/// Streams are logs here; their arguments are known so that queues can refuse them.
const STREAM: &[QueueType] = &[];

/// RabbitMQ's longest time, 2^32 - 1 milliseconds.
const LONGEST_MS: u64 = u32::MAX as u64;

fn known() -> [Argument; 27] {
    let unseen: fn(&QueueOptions) -> Option<HeaderValue> = |_| None;
    let row = |name, types, read, show| Argument { name, types, read, show };
    // What concerns the members of a cluster has nothing to choose from on one machine.
    let number_only: fn(&mut QueueOptions, &HeaderValue) -> Result<(), String> =
        |_, value| number(value, 0, u64::MAX).map(drop);
    let text_only: fn(&mut QueueOptions, &HeaderValue) -> Result<(), String> =
        |_, value| text(value).map(drop);
    [
        row("x-queue-type", BOTH, |_, _| Ok(()), |options| Some(text_value(options.kind.as_str()))),
        row(
            "x-message-ttl",
            BOTH,
            |options, value| set(&mut options.message_ttl_ms, number(value, 0, LONGEST_MS)),
            |options| int(options.message_ttl_ms),
        ),
        row(
            "x-expires",
            BOTH,
            |options, value| set(&mut options.expires_ms, number(value, 1, LONGEST_MS)),
            |options| int(options.expires_ms),
        ),
        row(
            "x-max-length",
            BOTH,
            |options, value| set(&mut options.max_length, number(value, 0, u64::MAX)),
            |options| int(options.max_length),
        ),
        row(
            "x-max-length-bytes",
            BOTH,
            |options, value| set(&mut options.max_length_bytes, number(value, 0, u64::MAX)),
            |options| int(options.max_length_bytes),
        ),
        row("x-overflow", BOTH, read_overflow, show_overflow),
        row(
            "x-dead-letter-exchange",
            BOTH,
            |options, value| set(&mut options.dead_letter_exchange, text(value)),
            |options| options.dead_letter_exchange.as_deref().map(text_value),
        ),
        row(
            "x-dead-letter-routing-key",
            BOTH,
            |options, value| set(&mut options.dead_letter_routing_key, text(value)),
            |options| options.dead_letter_routing_key.as_deref().map(text_value),
        ),
        row(
            "x-single-active-consumer",
            BOTH,
            |options, value| match value {
                HeaderValue::Bool(single) => {
                    options.single_active_consumer = *single;
                    Ok(())
                }
                _ => Err("it is true or false".to_owned()),
            },
            |options| options.single_active_consumer.then_some(HeaderValue::Bool(true)),
        ),
        row("x-queue-leader-locator", BOTH, text_only, unseen),
        row("x-queue-master-locator", CLASSIC, text_only, unseen),
        row(
            "x-queue-version",
            CLASSIC,
            |_, value| match number(value, 1, 2)? {
                2 => Ok(()),
                _ => Err("only version 2 is there".to_owned()),
            },
            unseen,
        ),
        row(
            "x-max-priority",
            CLASSIC,
            |options, value| {
                let most = number(value, 0, 255)?;
                options.max_priority = u8::try_from(most).ok();
                Ok(())
            },
            |options| int(options.max_priority.map(u64::from)),
        ),
        row("x-delivery-limit", QUORUM, read_delivery_limit, show_delivery_limit),
        row(
            "x-consumer-timeout",
            QUORUM,
            |options, value| set(&mut options.consumer_timeout_ms, number(value, 1, LONGEST_MS)),
            |options| int(options.consumer_timeout_ms),
        ),
        row(
            "x-dead-letter-strategy",
            QUORUM,
            |options, value| {
                options.dead_letter_strategy = Some(match text(value)?.as_str() {
                    "at-most-once" => DeadLetterStrategy::AtMostOnce,
                    "at-least-once" => DeadLetterStrategy::AtLeastOnce,
                    _ => return Err("it is at-most-once or at-least-once".to_owned()),
                });
                Ok(())
            },
            |options| {
                options.dead_letter_strategy.map(|strategy| text_value(&strategy.as_str().replace('_', "-")))
            },
        ),
        row("x-delayed-retry-type", QUORUM, read_retry_type, |options| {
            Some(text_value(linear(options)?.on.as_str()))
        }),
        row(
            "x-delayed-retry-min",
            QUORUM,
            |options, value| {
                let wait_ms = number(value, 1, LONGEST_MS)?;
                set_linear(options, |linear| linear.min_ms = wait_ms);
                Ok(())
            },
            |options| int(Some(linear(options)?.min_ms)),
        ),
        row(
            "x-delayed-retry-max",
            QUORUM,
            |options, value| {
                let wait_ms = number(value, 1, LONGEST_MS)?;
                set_linear(options, |linear| linear.max_ms = Some(wait_ms));
                Ok(())
            },
            |options| int(linear(options)?.max_ms),
        ),
        row("x-quorum-initial-group-size", QUORUM, number_only, unseen),
        row("x-quorum-target-group-size", QUORUM, number_only, unseen),
        row("x-member-placement-tag", QUORUM, text_only, unseen),
        row("x-consumer-disconnected-timeout", QUORUM, number_only, unseen),
        row("x-max-age", STREAM, |_, _| Ok(()), unseen),
        row("x-stream-max-segment-size-bytes", STREAM, |_, _| Ok(()), unseen),
        row("x-stream-filter-size-bytes", STREAM, |_, _| Ok(()), unseen),
        row("x-initial-cluster-size", STREAM, |_, _| Ok(()), unseen),
    ]
}

/// The delayed retry of a queue, if it is RabbitMQ's.
fn linear(options: &QueueOptions) -> Option<LinearRetry> {
    match options.retry {
        Some(RetryPolicy::Linear(linear)) => Some(linear),
        _ => None,
    }
}

/// Sets a part of the delayed retry. What is still missing then is seen when all arguments were read.
fn set_linear(options: &mut QueueOptions, set: impl FnOnce(&mut LinearRetry)) {
    let nothing = LinearRetry { on: RetryOn::All, min_ms: 0, max_ms: None };
    let mut linear = linear(options).unwrap_or(nothing);
    set(&mut linear);
    options.retry = Some(RetryPolicy::Linear(linear));
}

fn read_retry_type(options: &mut QueueOptions, value: &HeaderValue) -> Result<(), String> {
    let name = text(value)?;
    if name == "disabled" {
        return Ok(());
    }
    let known = RetryOn::from_name(&name);
    let known = known.ok_or_else(|| "it is disabled, all, failed or returned".to_owned())?;
    set_linear(options, |linear| linear.on = known);
    Ok(())
}

/// Without a type there is no delayed retry, and without a first wait there can be none.
fn complete_retry(
    options: &mut QueueOptions,
    queue: &TopicName,
    arguments: &HeaderTable,
) -> Result<(), QueueError> {
    let Some(LinearRetry { min_ms, max_ms, .. }) = linear(options) else { return Ok(()) };
    match arguments.get("x-delayed-retry-type") {
        None => options.retry = None,
        Some(HeaderValue::Text(name)) if name == "disabled" => options.retry = None,
        Some(_) if min_ms == 0 => {
            return Err(refuse(queue, "x-delayed-retry-type", "it needs x-delayed-retry-min as well"));
        }
        Some(_) if max_ms.is_some_and(|max_ms| max_ms < min_ms) => {
            return Err(refuse(queue, "x-delayed-retry-max", "it is not less than x-delayed-retry-min"));
        }
        Some(_) => {}
    }
    Ok(())
}

fn set<T>(option: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    *option = Some(value?);
    Ok(())
}

fn number(value: &HeaderValue, least: u64, most: u64) -> Result<u64, String> {
    let number = match value {
        HeaderValue::Int(number) => u64::try_from(*number).ok(),
        _ => return Err("it is a whole number".to_owned()),
    };
    let fits = number.filter(|number| (least..=most).contains(number));
    fits.ok_or_else(|| match most {
        u64::MAX => format!("it is at least {least}"),
        _ => format!("it is from {least} to {most}"),
    })
}

fn text(value: &HeaderValue) -> Result<String, String> {
    match value {
        HeaderValue::Text(text) => Ok(text.clone()),
        _ => Err("it is a text".to_owned()),
    }
}

fn int(value: Option<u64>) -> Option<HeaderValue> {
    value.map(|value| HeaderValue::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn text_value(text: &str) -> HeaderValue {
    HeaderValue::Text(text.to_owned())
}

fn read_overflow(options: &mut QueueOptions, value: &HeaderValue) -> Result<(), String> {
    options.overflow = match text(value)?.as_str() {
        "drop-head" => Overflow::DropHead,
        "reject-publish" => Overflow::RejectPublish,
        "reject-publish-dlx" => Overflow::RejectPublishDlx,
        _ => return Err("it is drop-head, reject-publish or reject-publish-dlx".to_owned()),
    };
    Ok(())
}

fn show_overflow(options: &QueueOptions) -> Option<HeaderValue> {
    match options.overflow {
        Overflow::DropHead => None,
        Overflow::RejectPublish => Some(text_value("reject-publish")),
        Overflow::RejectPublishDlx => Some(text_value("reject-publish-dlx")),
    }
}

/// A negative limit is none.
fn read_delivery_limit(options: &mut QueueOptions, value: &HeaderValue) -> Result<(), String> {
    options.delivery_limit = match value {
        HeaderValue::Int(..0) => Some(QueueOptions::NO_DELIVERY_LIMIT),
        value => u32::try_from(number(value, 0, LONGEST_MS)?).ok(),
    };
    Ok(())
}

fn show_delivery_limit(options: &QueueOptions) -> Option<HeaderValue> {
    match options.delivery_limit {
        Some(QueueOptions::NO_DELIVERY_LIMIT) => Some(HeaderValue::Int(-1)),
        limit => int(limit.map(u64::from)),
    }
}

/// Where a fault is, as RabbitMQ tells it.
fn refuse(queue: &TopicName, argument: &str, why: impl Into<String>) -> QueueError {
    QueueError::InvalidArgument { queue: queue.clone(), argument: argument.to_owned(), why: why.into() }
}

fn kind_of(queue: &TopicName, arguments: &HeaderTable) -> Result<QueueType, QueueError> {
    let refuse = |why: &str| refuse(queue, "x-queue-type", why);
    match arguments.get("x-queue-type") {
        None => Ok(QueueType::Classic),
        Some(HeaderValue::Text(name)) => {
            QueueType::from_name(&name).ok_or_else(|| refuse("it is classic, quorum or stream"))
        }
        Some(_) => Err(refuse("it is a text")),
    }
}

impl QueueDeclaration {
    /// Reads the arguments of a declaration into its options, whose type they choose.
    ///
    /// Refuses what only another type of queue takes and passes by what no type knows, as RabbitMQ does.
    pub fn with_arguments(mut self, queue: &TopicName, arguments: &HeaderTable) -> Result<Self, QueueError> {
        self.options.kind = kind_of(queue, arguments)?;
        let known = known();
        for (name, value) in arguments.iter() {
            let Some(argument) = known.iter().find(|argument| argument.name == name) else { continue };
            if !argument.types.contains(&self.options.kind) {
                let why = format!("a {} queue does not take it", self.options.kind.as_str());
                return Err(refuse(queue, name, why));
            }
            (argument.read)(&mut self.options, &value).map_err(|why| refuse(queue, name, why))?;
        }
        complete_retry(&mut self.options, queue, arguments)?;
        if self.options.dead_letter_routing_key.is_some() && self.options.dead_letter_exchange.is_none() {
            let why = "it needs x-dead-letter-exchange as well";
            return Err(refuse(queue, "x-dead-letter-routing-key", why));
        }
        if self.options.kind == QueueType::Quorum {
            let taken = [
                ("exclusive", self.owner.is_some()),
                ("server-named", self.server_named),
                ("auto_delete", self.options.auto_delete),
                ("non-durable", !self.options.durable),
            ];
            if let Some((property, _)) = taken.into_iter().find(|(_, asked)| *asked) {
                return Err(refuse(queue, property, "a quorum queue cannot be that"));
            }
        }
        self.options.arguments = Some(Box::new(arguments.clone()));
        self.by_arguments = true;
        Ok(self)
    }
}

impl QueueOptions {
    /// The options as arguments of a declaration: those that it was declared with, as far as they still hold, and the
    /// others by value.
    #[must_use]
    pub fn to_arguments(&self) -> HeaderTable {
        let shown = |argument: &Argument| Some((argument.name.to_owned(), self.argument(argument)?.0));
        let declared = self.arguments.as_deref();
        let own: Vec<(String, HeaderValue)> =
            known().iter().filter(|argument| argument.types.contains(&self.kind)).filter_map(shown).collect();
        let known = known();
        let foreign = declared.into_iter().flat_map(HeaderTable::iter);
        let foreign = foreign.filter(|(name, _)| !known.iter().any(|argument| argument.name == *name));
        own.into_iter().chain(foreign.map(|(name, value)| (name.to_owned(), value))).collect()
    }

    /// An argument's value in force and the tag that it was declared with.
    fn argument(&self, argument: &Argument) -> Option<(HeaderValue, Option<u8>)> {
        let declared = self.arguments.as_deref();
        let value = declared.and_then(|table| table.get(argument.name));
        let tag = declared.and_then(|table| table.tag(argument.name));
        match (argument.show)(self) {
            Some(held) if value.as_ref() == Some(&held) => Some((held, tag)),
            Some(held) => Some((held, None)),
            // A default that was asked for, or something that the options do not keep.
            None => {
                let mut again = QueueOptions { kind: self.kind, ..QueueOptions::default() };
                (argument.read)(&mut again, value.as_ref()?).ok()?;
                (argument.show)(&again).is_none().then_some((value?, tag))
            }
        }
    }

    /// Refuses a declaration that asks for another queue than this one, in RabbitMQ's words. Only what both the client
    /// and this type of queue know counts.
    pub(crate) fn check_equivalent(
        &self,
        queue: &TopicName,
        wanted: &QueueOptions,
    ) -> Result<(), QueueError> {
        let differs = |argument: &str, received: String, current: String| {
            let (queue, argument) = (queue.clone(), argument.to_owned());
            Err(QueueError::Inequivalent { queue, argument, received, current })
        };
        for (property, have, want) in
            [("durable", self.durable, wanted.durable), ("auto_delete", self.auto_delete, wanted.auto_delete)]
        {
            if have != want {
                return differs(property, format!("'{want}'"), format!("'{have}'"));
            }
        }
        if self.kind != wanted.kind {
            let quoted = |kind: QueueType| format!("'{}'", kind.as_str());
            return differs("x-queue-type", quoted(wanted.kind), quoted(self.kind));
        }
        let own = known().into_iter().filter(|argument| argument.types.contains(&self.kind));
        for argument in own.filter(|argument| argument.name != "x-queue-type") {
            match (self.argument(&argument), wanted.argument(&argument)) {
                (None, None) => {}
                (Some((have, _)), Some((want, _))) if have == want => {}
                (Some((have, _)), Some((want, _))) => {
                    return differs(argument.name, quoted(&want), quoted(&have));
                }
                (have, want) => return differs(argument.name, typed(want), typed(have)),
            }
        }
        Ok(())
    }
}

fn plain(value: &HeaderValue) -> String {
    match value {
        HeaderValue::Bool(value) => value.to_string(),
        HeaderValue::Int(value) => value.to_string(),
        HeaderValue::Float(value) => value.to_string(),
        HeaderValue::Text(value) => value.clone(),
        other => format!("{other:?}"),
    }
}

fn quoted(value: &HeaderValue) -> String {
    format!("'{}'", plain(value))
}

/// A value with its type, or its absence.
fn typed(value: Option<(HeaderValue, Option<u8>)>) -> String {
    let Some((value, tag)) = value else { return "none".to_owned() };
    let kind = match (tag, &value) {
        (Some(b'b'), _) => "byte",
        (Some(b'B'), _) => "unsignedbyte",
        (Some(b's'), _) => "short",
        (Some(b'u'), _) => "unsignedshort",
        (Some(b'i'), _) => "unsignedint",
        (Some(b'l' | b'L'), _) => "long",
        (_, HeaderValue::Int(number)) if i32::try_from(*number).is_err() => "long",
        (_, HeaderValue::Int(_)) => "signedint",
        (_, HeaderValue::Bool(_)) => "bool",
        (Some(b'f'), _) => "float",
        (_, HeaderValue::Float(_)) => "double",
        _ => "longstr",
    };
    format!("the value {} of type '{kind}'", quoted(&value))
}
