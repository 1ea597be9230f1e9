//! The optional arguments of `queue.declare`, as RabbitMQ names them.

use log_engine::TopicConfig;
use message::{HeaderTable, HeaderValue};
use queue_engine::{Overflow, QueueOptions, QueueType};

use super::operation::QueueDeclaration;
use super::outcome::{Fault, SessionError};

/// What `x-queue-type` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A queue of a type.
    Queue(QueueType),
    /// A log.
    Stream,
}

/// Arguments that only some types of queues know (RabbitMQ's capabilities of each type).
const ONLY_CLASSIC: [&str; 3] = ["x-max-priority", "x-queue-mode", "x-queue-version"];
const ONLY_QUORUM: [&str; 8] = [
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-consumer-timeout",
    "x-consumer-disconnected-timeout",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
    "x-quorum-initial-group-size",
];
const ONLY_STREAM: [&str; 6] = [
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-stream-filter-size-bytes",
    "x-initial-cluster-size",
    "x-stream-offset",
    "x-stream-filter",
];
/// Arguments that queues know and streams do not.
const NOT_STREAM: [&str; 8] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-overflow",
    "x-single-active-consumer",
    "x-max-in-memory-length",
];

fn invalid(argument: &str, why: impl Into<String>) -> SessionError {
    SessionError::fault(Fault::Argument { argument: argument.to_owned(), why: why.into() })
}

/// The type's name in RabbitMQ's messages.
fn type_name(value: &HeaderValue) -> &'static str {
    match value {
        HeaderValue::Null => "void",
        HeaderValue::Bool(_) => "bool",
        HeaderValue::Int(number) if i32::try_from(*number).is_ok() => "signedint",
        HeaderValue::Int(_) => "long",
        HeaderValue::Float(_) => "double",
        HeaderValue::Decimal(..) => "decimal",
        HeaderValue::Text(_) => "longstr",
        HeaderValue::Bytes(_) => "binary",
        HeaderValue::Timestamp(_) => "timestamp",
        HeaderValue::List(_) => "array",
        HeaderValue::Table(_) => "table",
    }
}

/// The kind that is asked for.
pub(super) fn kind(arguments: &HeaderTable) -> Result<Kind, SessionError> {
    match arguments.get("x-queue-type") {
        None => Ok(Kind::Queue(QueueType::Classic)),
        Some(HeaderValue::Text(kind)) if kind == "stream" => Ok(Kind::Stream),
        Some(HeaderValue::Text(kind)) => match QueueType::from_name(&kind) {
            Some(kind) => Ok(Kind::Queue(kind)),
            None => Err(invalid("x-queue-type", format!("\"unsupported queue type '{kind}'\""))),
        },
        Some(other) => Err(invalid("x-queue-type", format!("{{unacceptable_type,{}}}", type_name(&other)))),
    }
}

/// What AMQP calls a queue's option.
pub(super) fn amqp_name(option: &'static str) -> &'static str {
    match option {
        "type" | "kind" => "x-queue-type",
        "max_priority" => "x-max-priority",
        "message_ttl_ms" => "x-message-ttl",
        "expires_ms" => "x-expires",
        "max_length" => "x-max-length",
        "max_length_bytes" => "x-max-length-bytes",
        "overflow" => "x-overflow",
        "dead_letter_exchange" => "x-dead-letter-exchange",
        "dead_letter_routing_key" => "x-dead-letter-routing-key",
        "delivery_limit" => "x-delivery-limit",
        "single_active_consumer" => "x-single-active-consumer",
        "consumer_timeout_ms" => "x-consumer-timeout",
        "alternate_exchange" => "alternate-exchange",
        other => other,
    }
}

fn whole(argument: &str, value: &HeaderValue) -> Result<i64, SessionError> {
    match value {
        HeaderValue::Int(number) => Ok(*number),
        other => Err(invalid(argument, format!("\"expected integer, got {}\"", type_name(other)))),
    }
}

fn number(argument: &str, value: &HeaderValue) -> Result<u64, SessionError> {
    let number = whole(argument, value)?;
    u64::try_from(number).map_err(|_| invalid(argument, format!("{{value_negative,{number}}}")))
}

fn text(argument: &str, value: HeaderValue) -> Result<String, SessionError> {
    match value {
        HeaderValue::Text(text) => Ok(text),
        other => {
            let fault = Fault::ArgumentType { argument: argument.to_owned(), have: type_name(&other) };
            Err(SessionError::fault(fault))
        }
    }
}

fn truth(argument: &str, value: &HeaderValue) -> Result<bool, SessionError> {
    match value {
        HeaderValue::Bool(truth) => Ok(*truth),
        other => Err(invalid(argument, format!("{{unacceptable_type,{}}}", type_name(other)))),
    }
}

/// Refuses an argument that the type of queue does not know although others do.
fn check_known(argument: &str, kind: Kind) -> Result<(), SessionError> {
    let (foreign, queue_type) = match kind {
        Kind::Queue(QueueType::Classic) => {
            (ONLY_QUORUM.contains(&argument) || ONLY_STREAM.contains(&argument), "rabbit_classic_queue")
        }
        Kind::Queue(QueueType::Quorum) => {
            (ONLY_CLASSIC.contains(&argument) || ONLY_STREAM.contains(&argument), "rabbit_quorum_queue")
        }
        Kind::Stream => (
            ONLY_CLASSIC.contains(&argument)
                || NOT_STREAM.contains(&argument)
                || ONLY_QUORUM.contains(&argument),
            "rabbit_stream_queue",
        ),
    };
    if foreign {
        let fault = Fault::ForeignArgument { argument: argument.to_owned(), queue_type };
        return Err(SessionError::fault(fault));
    }
    Ok(())
}

/// How the queue is to behave.
pub(super) fn options(wanted: &QueueDeclaration, kind: QueueType) -> Result<QueueOptions, SessionError> {
    if kind == QueueType::Quorum {
        for (has, property) in [
            (!wanted.durable, "non-durable"),
            (wanted.exclusive, "exclusive-owner"),
            (wanted.auto_delete, "auto-delete"),
        ] {
            if has {
                return Err(SessionError::fault(Fault::Property(property)));
            }
        }
    }
    let mut options = QueueOptions {
        kind,
        durable: wanted.durable,
        auto_delete: wanted.auto_delete,
        ..QueueOptions::default()
    };
    for (argument, value) in wanted.arguments.iter() {
        check_known(argument, Kind::Queue(kind))?;
        match argument {
            "x-message-ttl" => options.message_ttl_ms = Some(number(argument, &value)?),
            "x-expires" => match number(argument, &value)? {
                0 => return Err(invalid(argument, "{value_zero,0}")),
                expires => options.expires_ms = Some(expires),
            },
            "x-max-length" => options.max_length = Some(number(argument, &value)?),
            "x-max-length-bytes" => options.max_length_bytes = Some(number(argument, &value)?),
            "x-overflow" => options.overflow = overflow(argument, value, kind)?,
            "x-dead-letter-exchange" => options.dead_letter_exchange = Some(text(argument, value)?),
            "x-dead-letter-routing-key" => options.dead_letter_routing_key = Some(text(argument, value)?),
            "x-max-priority" => {
                let most = number(argument, &value)?;
                let most = u8::try_from(most);
                let exceeded = |_| {
                    invalid(
                        argument,
                        format!("{{max_value_exceeded,{}}}", whole(argument, &value).unwrap_or(0)),
                    )
                };
                options.max_priority = Some(most.map_err(exceeded)?);
            }
            "x-single-active-consumer" => options.single_active_consumer = truth(argument, &value)?,
            "x-delivery-limit" => {
                options.delivery_limit = Some(match whole(argument, &value)? {
                    -1 => QueueOptions::NO_DELIVERY_LIMIT,
                    limit => u32::try_from(limit)
                        .map_err(|_| invalid(argument, format!("{{value_negative,{limit}}}")))?,
                });
            }
            "x-consumer-timeout" => match number(argument, &value)? {
                0 => return Err(invalid(argument, "{value_zero,0}")),
                timeout => options.consumer_timeout_ms = Some(timeout),
            },
            // Every message of every queue is on disk once it is confirmed: there is nothing to choose.
            "x-queue-mode" => match text(argument, value)?.as_str() {
                "default" | "lazy" => {}
                other => return Err(invalid(argument, format!("\"unsupported queue mode '{other}'\""))),
            },
            "x-queue-version" => match number(argument, &value)? {
                1 | 2 => {}
                other => return Err(invalid(argument, format!("\"unsupported queue version '{other}'\""))),
            },
            "x-dead-letter-strategy" => match text(argument, value)?.as_str() {
                // Dead letters move within one record of the journal, whatever is asked.
                "at-most-once" | "at-least-once" => {}
                _ => return Err(invalid(argument, "invalid_dlx_strategy")),
            },
            "x-consumer-disconnected-timeout"
            | "x-delayed-retry-type"
            | "x-delayed-retry-min"
            | "x-delayed-retry-max" => {
                return Err(invalid(argument, "not supported"));
            }
            // An argument that no kind of queue knows is the client's own, as it is to RabbitMQ.
            _ => {}
        }
    }
    if options.dead_letter_routing_key.is_some() && options.dead_letter_exchange.is_none() {
        return Err(invalid("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined"));
    }
    Ok(options)
}

fn overflow(argument: &str, value: HeaderValue, kind: QueueType) -> Result<Overflow, SessionError> {
    match (text(argument, value)?.as_str(), kind) {
        ("drop-head", _) => Ok(Overflow::DropHead),
        ("reject-publish", _) => Ok(Overflow::RejectPublish),
        ("reject-publish-dlx", QueueType::Classic) => Ok(Overflow::RejectPublishDlx),
        _ => Err(invalid(argument, "invalid_overflow")),
    }
}

/// How the log is to be kept.
pub(super) fn log_config(wanted: &QueueDeclaration) -> Result<TopicConfig, SessionError> {
    for (has, property) in [
        (!wanted.durable, "non-durable"),
        (wanted.exclusive, "exclusive-owner"),
        (wanted.auto_delete, "auto-delete"),
    ] {
        if has {
            return Err(SessionError::fault(Fault::Property(property)));
        }
    }
    let mut config: Vec<(String, String)> = Vec::new();
    for (argument, value) in wanted.arguments.iter() {
        check_known(argument, Kind::Stream)?;
        match argument {
            "x-max-length-bytes" => {
                config.push(("retention.bytes".into(), number(argument, &value)?.to_string()));
            }
            "x-stream-max-segment-size-bytes" => {
                config.push(("segment.bytes".into(), number(argument, &value)?.to_string()));
            }
            "x-max-age" => {
                let age = interval_ms(&text(argument, value)?);
                let age = age.ok_or_else(|| invalid(argument, "invalid_max_age"))?;
                config.push(("retention.ms".into(), age.to_string()));
            }
            _ => {}
        }
    }
    let refusal = |error| SessionError::from(crate::refusal::Refusal::from(error));
    TopicConfig::parse(config.iter().map(|(key, value)| (key.as_str(), value.as_str()))).map_err(refusal)
}

/// `7D` and the like, in milliseconds.
#[must_use]
pub fn interval_ms(text: &str) -> Option<u64> {
    let unit_at = text.len().checked_sub(1)?;
    let (number, unit) = (text.get(..unit_at)?, text.get(unit_at..)?);
    let seconds: u64 = match unit {
        "Y" => 365 * 86_400,
        "M" => 30 * 86_400,
        "D" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_as_rabbitmq_writes_them() {
        assert_eq!(interval_ms("7D"), Some(7 * 86_400_000));
        assert_eq!(interval_ms("90s"), Some(90_000));
        for bad in ["", "D", "7", "7d", "é", "-1D", "99999999999999999999D"] {
            assert_eq!(interval_ms(bad), None, "{bad:?}");
        }
    }
}
