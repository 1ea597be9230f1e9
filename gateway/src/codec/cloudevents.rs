//! CloudEvents 1.0 over HTTP, in binary, structured and batch mode (`cloudevents/spec`, HTTP and Kafka bindings).
//!
//! Whatever the mode, an event is stored as the Kafka binding's binary mode has it: attributes become headers
//! named `ce_…`, `datacontenttype` the content type, `data` the payload, and the extension `partitionkey` the key
//! as well. So an event that came in over HTTP reads as one for every Kafka client.

mod attributes;
mod structured;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

pub use structured::{parse_batch, parse_event};

use crate::refusal::Refusal;
use crate::topics::Outgoing;

/// The media type of one event in structured mode.
pub const EVENT_TYPE: &str = "application/cloudevents+json";
/// The media type of a list of events.
pub const EVENT_BATCH_TYPE: &str = "application/cloudevents-batch+json";
/// What the names of stored attributes start with.
pub const HEADER_PREFIX: &str = "ce_";

/// Reads an event in binary mode: the HTTP headers whose names start with `ce-`, as raw bytes, and the body.
pub fn from_headers<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    content_type: Option<&str>,
    body: Bytes,
) -> Result<Outgoing, Refusal> {
    let mut event = attributes::Attributes::default();
    for (header, value) in headers {
        let Some(name) = header.strip_prefix("ce-") else { continue };
        let refuse = |why: &str| Refusal::invalid(header, why);
        let value = std::str::from_utf8(value).map_err(|_| refuse("the value is not ASCII or UTF-8"))?;
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| refuse("the percent-encoded value does not decode to UTF-8"))?;
        if name == "datacontenttype" {
            return Err(refuse("in binary mode the header Content-Type says the type of the data"));
        }
        event.push(name, value.into_owned()).map_err(|why| refuse(&why))?;
    }
    event.check().map_err(|(name, why)| Refusal::invalid(format!("ce-{name}"), why))?;
    let mut message = event.into_message();
    message.content_type = content_type.map(str::to_owned);
    message.value = Some(body);
    Ok(message)
}

#[cfg(test)]
#[path = "cloudevents_tests.rs"]
mod tests;
