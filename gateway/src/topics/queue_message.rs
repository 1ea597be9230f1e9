use std::time::Duration;

use message::{ErrorCode, HeaderTableBuilder, Limits, Timestamp};
use queue_engine::{Message, NewMessage, PropertyFields};

use super::outgoing::{Outgoing, OutgoingOptions};
use super::record_properties::headers_of;
use crate::refusal::Refusal;

/// Turns what a door took in into what a queue keeps, or says why no queue can keep it.
pub(crate) fn from_outgoing(message: Outgoing, limits: &Limits) -> Result<NewMessage, Box<Refusal>> {
    let options = message.options;
    if options.partition.is_some() {
        return Err(Box::new(Refusal::invalid("partition", "partition is for logs; a queue has none")));
    }
    if options.delay_ms.is_some() && options.deliver_at.is_some() {
        let detail = "give either `delay_ms` or `deliver_at`, not both";
        return Err(Box::new(Refusal::invalid("deliver_at", detail)));
    }
    let Some(body) = message.value else {
        let detail =
            "a message without a value is a tombstone, which only logs take; send an empty value instead";
        return Err(Box::new(Refusal::invalid("value", detail)));
    };
    check_size("value", body.len(), limits.message_bytes)?;
    check_size("key", message.key.as_ref().map_or(0, |key| key.len()), limits.key_bytes)?;
    let mut headers = HeaderTableBuilder::new();
    for (name, value) in &message.headers {
        headers
            .push(name, value)
            .map_err(|error| Box::new(Refusal::new(error.code(), error.to_string()).in_field("headers")))?;
    }
    check_size("headers", headers.len(), limits.header_bytes)?;
    let fields = PropertyFields {
        content_type: message.content_type.as_deref(),
        message_id: options.message_id.as_deref(),
        correlation_id: options.correlation_id.as_deref(),
        reply_to: options.reply_to.as_deref(),
        timestamp: options.timestamp.and_then(|ms| u64::try_from(ms).ok()).map(|ms| ms / 1000),
        ..PropertyFields::default()
    };
    let properties =
        fields.build().map_err(|error| Box::new(Refusal::new(error.code(), error.to_string())))?;
    Ok(NewMessage {
        key: message.key,
        headers: headers.build(),
        properties,
        body,
        priority: options.priority,
        delay: options.delay_ms.map(Duration::from_millis),
        deliver_at: options.deliver_at.map(Timestamp),
        ttl: options.ttl_ms.map(Duration::from_millis),
    })
}

fn check_size(what: &str, have: usize, most: usize) -> Result<(), Box<Refusal>> {
    if have <= most {
        return Ok(());
    }
    let detail = format!("the {what} has {have} bytes; at most {most} are allowed");
    Err(Box::new(Refusal::new(ErrorCode::TooLarge, detail).in_field(what)))
}

impl From<&Message> for Outgoing {
    /// A message on its way into a log, its properties as headers.
    fn from(message: &Message) -> Outgoing {
        Outgoing {
            key: message.key.clone(),
            value: Some(message.body.clone()),
            headers: headers_of(&message.properties, &message.headers),
            content_type: message.properties.fields().content_type.map(str::to_owned),
            options: OutgoingOptions::default(),
        }
    }
}
