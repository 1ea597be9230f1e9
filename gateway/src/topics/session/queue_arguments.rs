//! The arguments of `queue.declare` that make a log: a stream, as RabbitMQ calls it.

use log_engine::TopicConfig;
use message::{HeaderTable, HeaderValue};

use super::operation::QueueDeclaration;
use super::outcome::{Fault, SessionError};

/// Arguments that queues know and streams do not.
const NOT_STREAM: [&str; 10] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-priority",
    "x-overflow",
    "x-single-active-consumer",
    "x-delivery-limit",
    "x-consumer-timeout",
];

fn invalid(argument: &str, why: &str) -> SessionError {
    SessionError::fault(Fault::Argument { argument: argument.to_owned(), why: why.to_owned() })
}

/// Whether a declaration is one of a log.
pub(super) fn is_stream(arguments: &HeaderTable) -> bool {
    arguments.get("x-queue-type") == Some(HeaderValue::Text("stream".to_owned()))
}

fn number(argument: &str, value: &HeaderValue) -> Result<u64, SessionError> {
    match value {
        HeaderValue::Int(number) => {
            u64::try_from(*number).map_err(|_| invalid(argument, "it must not be negative"))
        }
        _ => Err(invalid(argument, "it is a whole number")),
    }
}

/// How the log is to be kept.
pub(super) fn log_config(wanted: &QueueDeclaration) -> Result<TopicConfig, SessionError> {
    for (has, property) in [
        (!wanted.durable, "non-durable"),
        (wanted.exclusive, "exclusive"),
        (wanted.auto_delete, "auto_delete"),
        (wanted.server_named, "server-named"),
    ] {
        if has {
            return Err(invalid(property, "a stream cannot be that"));
        }
    }
    let mut config: Vec<(&str, String)> = Vec::new();
    for (argument, value) in wanted.arguments.iter() {
        match argument {
            "x-max-length-bytes" => {
                config.push(("retention.bytes", number(argument, &value)?.to_string()));
            }
            "x-stream-max-segment-size-bytes" => {
                config.push(("segment.bytes", number(argument, &value)?.to_string()));
            }
            "x-max-age" => {
                let age = match &value {
                    HeaderValue::Text(text) => interval_ms(text),
                    _ => None,
                };
                let age = age.ok_or_else(|| {
                    invalid(argument, "it is a number with one of the units Y, M, D, h, m, s, like 7D")
                })?;
                config.push(("retention.ms", age.to_string()));
            }
            _ if NOT_STREAM.contains(&argument) => {
                return Err(invalid(argument, "a stream does not take it"));
            }
            // What concerns the members of a cluster, and what is the client's own.
            _ => {}
        }
    }
    let refusal = |error| SessionError::from(crate::refusal::Refusal::from(error));
    TopicConfig::parse(config.iter().map(|(key, value)| (*key, value.as_str()))).map_err(refusal)
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
