//! The arguments of `exchange.declare`.

use message::{HeaderTable, HeaderValue};
use queue_engine::{ExchangeKind, ExchangeOptions, HashProperty};

use super::outcome::{Fault, SessionError};

fn invalid(argument: &str, why: &str) -> SessionError {
    SessionError::fault(Fault::Argument { argument: argument.to_owned(), why: why.to_owned() })
}

/// What AMQP calls an exchange's option.
pub(super) fn amqp_name(option: &'static str) -> &'static str {
    match option {
        "alternate_exchange" => "alternate-exchange",
        "hash_header" => "hash-header",
        "hash_property" => "hash-property",
        "history_length" => "x-recent-history-length",
        "delayed_type" => "x-delayed-type",
        other => other,
    }
}

/// Puts arguments into the options. What no kind of exchange knows is the client's own.
pub(super) fn read(options: &mut ExchangeOptions, arguments: &HeaderTable) -> Result<(), SessionError> {
    for (argument, value) in arguments.iter() {
        let text = || match &value {
            HeaderValue::Text(text) => Ok(text.clone()),
            _ => Err(invalid(argument, "it is a text")),
        };
        match argument {
            "alternate-exchange" => options.alternate_exchange = Some(text()?),
            "hash-header" => options.hash_header = Some(text()?),
            "hash-property" => {
                let property = HashProperty::from_name(&text()?);
                let why = "it is message_id, correlation_id or timestamp";
                options.hash_property = Some(property.ok_or_else(|| invalid(argument, why))?);
            }
            "x-recent-history-length" => {
                let HeaderValue::Int(length) = value else {
                    return Err(invalid(argument, "it is a whole number"));
                };
                let length = u32::try_from(length).map_err(|_| invalid(argument, "it is at least 1"))?;
                options.history_length = Some(length);
            }
            "x-delayed-type" => {
                let kind = ExchangeKind::from_name(&text()?);
                options.delayed_kind =
                    Some(kind.ok_or_else(|| invalid(argument, "it is the name of an exchange type"))?);
            }
            _ => {}
        }
    }
    Ok(())
}
