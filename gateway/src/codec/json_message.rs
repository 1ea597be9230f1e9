//! The message object of JSON publishing: `{"messages":[{key, value | value_base64, headers, …}]}`.
//!
//! One pass over one buffer. Keys, payloads and JSON documents stay slices of the request body unless they
//! hold escapes. Whatever does not follow the form is refused with a JSON pointer to it.

use std::fmt;

use bytes::Bytes;
use message::HeaderValue;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::codec::json_depth::{MOST_LEVELS, is_shallow};
use crate::codec::json_headers::Headers;
use crate::codec::json_moment::Moment;
use crate::codec::json_scalar::{Base64Bytes, OwnedText, TextBytes, Whole, share};
use crate::codec::json_trail::Trail;
use crate::refusal::Refusal;
use crate::topics::{Outgoing, OutgoingOptions};

/// The content type of a payload that was given as a JSON document.
pub const JSON: &str = "application/json";

/// Longest delay, life and timestamp in milliseconds: what a signed 64-bit time can still add up.
pub const MAX_MS: i64 = 1 << 50;

/// Longest content type, id and address, in characters.
const LONGEST_TEXT: usize = 255;

const MEMBERS: [&str; 15] = [
    "key",
    "key_base64",
    "value",
    "value_base64",
    "headers",
    "content_type",
    "priority",
    "delay_ms",
    "ttl_ms",
    "partition",
    "timestamp",
    "message_id",
    "correlation_id",
    "reply_to",
    "deliver_at",
];

/// Reads a whole publish body: an object whose only member is `messages`.
pub fn parse_body(body: &Bytes) -> Result<Vec<Outgoing>, Refusal> {
    parse(body, "", |from, trail| Envelope { body, trail }.deserialize(from))
}

/// Reads a bare array of message objects. Faults are named below `root` (as in `/messages`).
pub fn parse_list(body: &Bytes, root: &str) -> Result<Vec<Outgoing>, Refusal> {
    parse(body, root, |from, trail| List { body, trail }.deserialize(from))
}

/// Reads one message object, as on a line of NDJSON. Faults are named below `root`.
pub fn parse_one(body: &Bytes, root: &str) -> Result<Outgoing, Refusal> {
    parse(body, root, |from, trail| One { body, trail }.deserialize(from))
}

type StrReader<'a, 'b> = &'a mut serde_json::Deserializer<serde_json::de::StrRead<'b>>;

fn parse<'b, T>(
    body: &'b Bytes,
    root: &str,
    read: impl FnOnce(StrReader<'_, 'b>, &Trail) -> serde_json::Result<T>,
) -> Result<T, Refusal> {
    // Checked once for the whole body, so that no string in it needs a check of its own.
    let text = std::str::from_utf8(body).map_err(|error| {
        Refusal::invalid(root, format!("the body is not UTF-8: bad byte at {}", error.valid_up_to()))
    })?;
    let mut from = serde_json::Deserializer::from_str(text);
    let trail = Trail::new();
    let parsed = read(&mut from, &trail).map_err(|error| trail.refuse(root, &error))?;
    from.end().map_err(|error| trail.refuse(root, &error))?;
    Ok(parsed)
}

struct Envelope<'b, 't> {
    body: &'b Bytes,
    trail: &'t Trail,
}

struct List<'b, 't> {
    body: &'b Bytes,
    trail: &'t Trail,
}

struct One<'b, 't> {
    body: &'b Bytes,
    trail: &'t Trail,
}

impl<'de> DeserializeSeed<'de> for Envelope<'_, '_> {
    type Value = Vec<Outgoing>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Envelope<'_, '_> {
    type Value = Vec<Outgoing>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `messages`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Envelope { body, trail } = self;
        let mut messages = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != "messages" {
                return Err(trail.unknown(&name, &["messages"]));
            }
            if messages.is_some() {
                return Err(trail.blame("messages", "this field appears twice"));
            }
            messages = Some(map.next_value_seed(List { body, trail }).map_err(trail.member("messages"))?);
        }
        messages.ok_or_else(|| trail.blame("messages", "this field is required"))
    }
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = Vec<Outgoing>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = Vec<Outgoing>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let List { body, trail } = self;
        let mut messages = Vec::new();
        loop {
            match list.next_element_seed(One { body, trail }) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return Ok(messages),
                Err(error) => return Err(trail.element(messages.len())(error)),
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for One<'_, '_> {
    type Value = Outgoing;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

/// Which member a name stands for: its place in `MEMBERS`, found without allocating.
struct MemberName<'t>(&'t Trail);

impl<'de> DeserializeSeed<'de> for MemberName<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<usize, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberName<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        MEMBERS.iter().position(|member| *member == name).ok_or_else(|| self.0.unknown(name, &MEMBERS))
    }
}

impl<'de> Visitor<'de> for One<'_, '_> {
    type Value = Outgoing;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outgoing, A::Error> {
        let One { body, trail } = self;
        let mut seen = 0u32;
        let mut value: Option<&'de RawValue> = None;
        let mut raw: Option<Bytes> = None;
        let mut key_raw: Option<Bytes> = None;
        let mut message = Outgoing::default();
        let options = &mut message.options;
        while let Some(member) = map.next_key_seed(MemberName(trail))? {
            let name = MEMBERS[member];
            if seen & (1 << member) != 0 {
                return Err(trail.blame(name, "this field appears twice"));
            }
            seen |= 1 << member;
            let fault = trail.member(name);
            match member {
                0 => message.key = map.next_value_seed(TextBytes { body }).map_err(fault)?,
                1 => key_raw = Some(base64(&mut map).map_err(fault)?),
                2 => value = Some(map.next_value().map_err(fault)?),
                3 => raw = Some(base64(&mut map).map_err(fault)?),
                4 => message.headers = map.next_value_seed(Headers { trail }).map_err(fault)?,
                5 => message.content_type = map.next_value_seed(OwnedText).map_err(fault)?,
                6 => options.priority = whole(&mut map, 255).map_err(fault)?.map(|n| n as u8),
                7 => options.delay_ms = whole(&mut map, MAX_MS).map_err(fault)?.map(|n| n as u64),
                8 => options.ttl_ms = whole(&mut map, MAX_MS).map_err(fault)?.map(|n| n as u64),
                9 => {
                    options.partition = whole(&mut map, i64::from(i32::MAX)).map_err(fault)?.map(|n| n as u32)
                }
                10 => options.timestamp = whole(&mut map, MAX_MS).map_err(fault)?,
                11 => options.message_id = map.next_value_seed(OwnedText).map_err(fault)?,
                12 => options.correlation_id = map.next_value_seed(OwnedText).map_err(fault)?,
                14 => options.deliver_at = map.next_value_seed(Moment { max: MAX_MS }).map_err(fault)?,
                _ => options.reply_to = map.next_value_seed(OwnedText).map_err(fault)?,
            }
        }
        if let Some(key_raw) = key_raw {
            if seen & 1 != 0 {
                return Err(trail.blame("key_base64", "give either `key` or `key_base64`, not both"));
            }
            message.key = Some(key_raw);
        }
        if message.options.delay_ms.is_some() && message.options.deliver_at.is_some() {
            return Err(trail.blame("deliver_at", "give either `delay_ms` or `deliver_at`, not both"));
        }
        if message.content_type.as_deref() == Some("") {
            return Err(trail.blame("content_type", "a content type cannot be empty"));
        }
        let texts = [
            ("content_type", &message.content_type),
            ("message_id", &message.options.message_id),
            ("correlation_id", &message.options.correlation_id),
            ("reply_to", &message.options.reply_to),
        ];
        for (name, text) in texts {
            if text
                .as_ref()
                .is_some_and(|text| text.len() > LONGEST_TEXT && text.chars().count() > LONGEST_TEXT)
            {
                return Err(trail.blame(name, "this has at most 255 characters"));
            }
        }
        match (value, raw) {
            (Some(_), Some(_)) => {
                return Err(trail.blame("value_base64", "give either `value` or `value_base64`, not both"));
            }
            (None, Some(raw)) => message.value = Some(raw),
            (Some(value), None) => payload(body, value, &mut message).map_err(trail.member("value"))?,
            (None, None) => {
                let why = "a message needs `value` or `value_base64`; `\"value\": null` is a tombstone";
                return Err(trail.blame("value", why));
            }
        }
        Ok(message)
    }
}

fn whole<'de, A: MapAccess<'de>>(map: &mut A, max: i64) -> Result<Option<i64>, A::Error> {
    map.next_value_seed(Whole { min: 0, max })
}

fn base64<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Bytes, A::Error> {
    let bytes = map.next_value_seed(Base64Bytes)?;
    bytes.ok_or_else(|| A::Error::custom("this is base64 text, not null; leave it out"))
}

/// A string is stored as its text, unless the message calls it JSON; any other JSON as the text sent.
fn payload<E: Error>(body: &Bytes, value: &RawValue, message: &mut Outgoing) -> Result<(), E> {
    let text = value.get();
    let says_json = message.content_type.as_deref().is_some_and(is_json);
    match text.as_bytes().first() {
        Some(b'n') => message.value = None,
        Some(b'"') if !says_json => {
            let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
            message.value = Some(if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
                share(body, inner.as_bytes())
            } else {
                Bytes::from(serde_json::from_str::<String>(text).map_err(E::custom)?)
            });
        }
        _ if !is_shallow(text.as_bytes()) => {
            return Err(E::custom(format_args!("this nests deeper than {MOST_LEVELS} levels")));
        }
        _ => {
            message.value = Some(share(body, text.as_bytes()));
            if message.content_type.is_none() {
                message.content_type = Some(JSON.to_owned());
            }
        }
    }
    Ok(())
}

/// Whether a content type means JSON: `application/json`, `text/json` or anything `+json`.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim_ascii();
    let suffix = |tail: &str| {
        essence.len() >= tail.len()
            && essence.as_bytes()[essence.len() - tail.len()..].eq_ignore_ascii_case(tail.as_bytes())
    };
    essence.eq_ignore_ascii_case(JSON) || essence.eq_ignore_ascii_case("text/json") || suffix("+json")
}

/// Whether bytes are exactly one JSON document, and not nested too deep for its readers.
#[must_use]
pub fn is_document(bytes: &[u8]) -> bool {
    is_shallow(bytes)
        && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
        && std::str::from_utf8(bytes).is_ok()
}

/// What a message that carries only a payload becomes.
#[must_use]
pub fn raw(value: Bytes, content_type: Option<String>) -> Outgoing {
    Outgoing {
        key: None,
        value: Some(value),
        headers: Vec::<(String, HeaderValue)>::new(),
        content_type,
        options: OutgoingOptions::default(),
    }
}

#[cfg(test)]
#[path = "json_message_tests.rs"]
mod tests;
