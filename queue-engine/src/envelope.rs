//! The stored form of a message, the same for every queue that has it.
//!
//! ```text
//! flags u8 │ [priority u8] [ttl_ms] [delay_ms] [key] [headers] [properties] [exchange, routing key] │ body to the end
//! ```
//! Numbers are varints, texts and bytes are prefixed with their length; each bracket is announced by a flag.
use std::sync::Arc;

use ::message::{ExchangeName, HeaderTable};
use bytes::Bytes;

use crate::fields::{Fields, Malformed, put_bytes, put_varint};
use crate::key_order::KeyMark;
use crate::message::{Message, Origin};
use crate::properties::Properties;

const KEY: u8 = 1;
const HEADERS: u8 = 1 << 1;
const PROPERTIES: u8 = 1 << 2;
/// Without it, the message came through the default exchange and its routing key is its queue's name.
const ORIGIN: u8 = 1 << 3;
const PRIORITY: u8 = 1 << 4;
const TTL: u8 = 1 << 5;
const DELAY: u8 = 1 << 6;

/// Writes everything but the body, which follows it. `implied` is the origin that the queue implies.
pub(crate) fn put_head(out: &mut Vec<u8>, message: &Message, delay_ms: u64, implied: Option<&Arc<Origin>>) {
    let origin = &message.origin;
    // Mostly it is the queue's own, and then nobody looks what it says.
    let explicit = !implied.is_some_and(|implied| Arc::ptr_eq(implied, origin) || implied == origin);
    let flag = |bit, set: bool| if set { bit } else { 0 };
    let flags = flag(KEY, message.key.is_some())
        | flag(HEADERS, !message.headers.is_empty())
        | flag(PROPERTIES, !message.properties.as_bytes().is_empty())
        | flag(ORIGIN, explicit)
        | flag(PRIORITY, message.priority.is_some())
        | flag(TTL, message.ttl_ms.is_some())
        | flag(DELAY, delay_ms != 0);
    out.push(flags);
    if flags == 0 {
        return;
    }
    if let Some(priority) = message.priority {
        out.push(priority);
    }
    if let Some(ttl_ms) = message.ttl_ms {
        put_varint(out, ttl_ms);
    }
    if delay_ms != 0 {
        put_varint(out, delay_ms);
    }
    if let Some(key) = &message.key {
        put_bytes(out, key);
    }
    if flags & HEADERS != 0 {
        put_bytes(out, message.headers.as_bytes());
    }
    if flags & PROPERTIES != 0 {
        put_bytes(out, message.properties.as_bytes());
    }
    if explicit {
        put_bytes(out, origin.exchange_name().as_bytes());
        put_bytes(out, origin.routing_key.as_bytes());
    }
}

/// Most bytes that `put_head` and the length before it take.
pub(crate) fn head_bound(message: &Message) -> usize {
    let key = message.key.as_ref().map_or(0, Bytes::len);
    let texts = message.headers.as_bytes().len() + message.properties.as_bytes().len();
    let origin = &message.origin;
    let explicit = origin.exchange_name().len() + origin.routing_key.len();
    key + texts + explicit + HEAD_BOUND
}

/// The same without the message's own bytes: lengths, numbers and flags.
pub(crate) const HEAD_BOUND: usize = 44;

/// What a queue must know of a message without keeping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnvelopeHead {
    pub(crate) priority: Option<u8>,
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) delay_ms: u64,
    pub(crate) body_len: u32,
    pub(crate) key: KeyMark,
}

struct Parts<'a> {
    head: EnvelopeHead,
    key: Option<&'a [u8]>,
    headers: &'a [u8],
    properties: &'a [u8],
    origin: Option<(&'a str, &'a str)>,
}

fn split(envelope: &[u8]) -> Result<Parts<'_>, Malformed> {
    let mut fields = Fields::new(envelope);
    let flags = fields.byte()?;
    let has = |bit| flags & bit != 0;
    let priority = if has(PRIORITY) { Some(fields.byte()?) } else { None };
    let ttl_ms = if has(TTL) { Some(fields.varint()?) } else { None };
    let delay_ms = if has(DELAY) { fields.varint()? } else { 0 };
    let key = if has(KEY) { Some(fields.bytes()?) } else { None };
    let headers = if has(HEADERS) { fields.bytes()? } else { &[] };
    let properties = if has(PROPERTIES) { fields.bytes()? } else { &[] };
    let origin = if has(ORIGIN) { Some((fields.text()?, fields.text()?)) } else { None };
    let body_len = u32::try_from(fields.left()).map_err(|_| Malformed)?;
    let head = EnvelopeHead { priority, ttl_ms, delay_ms, body_len, key: KeyMark::of(key) };
    Ok(Parts { head, key, headers, properties, origin })
}

pub(crate) fn read_head(envelope: &[u8]) -> Result<EnvelopeHead, Malformed> {
    split(envelope).map(|parts| parts.head)
}

/// The publisher's id for the message.
pub(crate) fn read_message_id(envelope: &[u8]) -> Result<Option<String>, Malformed> {
    let properties = Bytes::copy_from_slice(split(envelope)?.properties);
    let properties = Properties::from_bytes(properties).map_err(|_| Malformed)?;
    Ok(properties.fields().message_id.map(str::to_owned))
}

/// Rebuilds the message; its bytes stay shared with `envelope`. `implied` is the origin that the queue implies.
pub(crate) fn read_message(envelope: &Bytes, implied: &Arc<Origin>) -> Result<Message, Malformed> {
    let parts = split(envelope)?;
    let origin = match parts.origin {
        None => implied.clone(),
        Some((exchange, routing_key)) => Arc::new(Origin {
            exchange: match exchange {
                "" => None,
                name => Some(ExchangeName::new(name).map_err(|_| Malformed)?),
            },
            routing_key: routing_key.into(),
        }),
    };
    let keep = |part: &[u8]| if part.is_empty() { Bytes::new() } else { envelope.slice_ref(part) };
    Ok(Message {
        key: parts.key.map(keep),
        headers: HeaderTable::from_bytes(keep(parts.headers)).map_err(|_| Malformed)?,
        properties: Properties::from_bytes(keep(parts.properties)).map_err(|_| Malformed)?,
        body: envelope.slice(envelope.len() - parts.head.body_len as usize..),
        origin,
        priority: parts.head.priority,
        ttl_ms: parts.head.ttl_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::PropertyFields;
    use message::HeaderValue;
    use proptest::prelude::*;

    fn message() -> impl Strategy<Value = Message> {
        (
            prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
            prop::collection::vec(("[a-z]{1,5}", any::<i64>()), 0..3),
            prop::option::of("[a-z/]{1,9}"),
            prop::collection::vec(any::<u8>(), 0..50),
            prop::option::of("[a-z]{1,9}"),
            "[a-z.]{0,9}",
            any::<Option<u8>>(),
            any::<Option<u64>>(),
        )
            .prop_map(
                |(key, headers, content_type, body, exchange, routing_key, priority, ttl_ms)| {
                    let fields =
                        PropertyFields { content_type: content_type.as_deref(), ..PropertyFields::default() };
                    let exchange = exchange.map(|name| ExchangeName::new(&name).unwrap());
                    Message {
                        key: key.map(Bytes::from),
                        headers: headers.into_iter().map(|(name, v)| (name, HeaderValue::Int(v))).collect(),
                        properties: fields.build().unwrap(),
                        body: body.into(),
                        origin: Arc::new(Origin { exchange, routing_key: routing_key.into() }),
                        priority,
                        ttl_ms,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_stored_reads_back(message in message(), delay_ms: u64, is_implied: bool) {
            let queue = if is_implied { message.origin.routing_key.to_string() } else { "other".to_owned() };
            let implied = Arc::new(Origin { exchange: None, routing_key: queue.as_str().into() });
            let mut stored = Vec::new();
            put_head(&mut stored, &message, delay_ms, Some(&implied));
            prop_assert!(stored.len() + 4 <= head_bound(&message));
            stored.extend_from_slice(&message.body);
            let stored = Bytes::from(stored);
            let head = read_head(&stored).unwrap();
            prop_assert_eq!(head.delay_ms, delay_ms);
            prop_assert_eq!(head.body_len as usize, message.body.len());
            prop_assert_eq!(read_message(&stored, &implied).unwrap(), message);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let implied = Arc::new(Origin { exchange: None, routing_key: "q".into() });
            let _ = read_message(&bytes.into(), &implied);
        }
    }
}
