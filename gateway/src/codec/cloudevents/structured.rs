//! The JSON event format: one event, or a list of events.

use std::fmt;

use bytes::Bytes;
use message::HeaderValue;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::attributes::Attributes;
use crate::codec::json_depth::{MOST_LEVELS, is_shallow};
use crate::codec::json_headers::AnyValue;
use crate::codec::json_message::{JSON, is_json};
use crate::codec::json_scalar::{Base64Bytes, OwnedText, share};
use crate::codec::json_trail::Trail;
use crate::refusal::Refusal;
use crate::topics::Outgoing;

/// Attributes that are strings and nothing else.
const CORE: [&str; 8] =
    ["specversion", "id", "source", "type", "subject", "time", "dataschema", "partitionkey"];

/// Reads one event. Faults are named below `root`.
pub fn parse_event(body: &Bytes, root: &str) -> Result<Outgoing, Refusal> {
    parse(body, root, |from, trail| Event { body, trail }.deserialize(from))
}

/// Reads a list of events.
pub fn parse_batch(body: &Bytes) -> Result<Vec<Outgoing>, Refusal> {
    parse(body, "", |from, trail| Events { body, trail }.deserialize(from))
}

fn parse<'b, T>(
    body: &'b Bytes,
    root: &str,
    read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'b>>, &Trail) -> serde_json::Result<T>,
) -> Result<T, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Refusal::invalid(root, format!("the body is not UTF-8: bad byte at {}", error.valid_up_to()))
    })?;
    let mut from = serde_json::Deserializer::from_str(text);
    let trail = Trail::new();
    let parsed = read(&mut from, &trail).map_err(|error| trail.refuse(root, &error))?;
    from.end().map_err(|error| trail.refuse(root, &error))?;
    Ok(parsed)
}

struct Events<'b, 't> {
    body: &'b Bytes,
    trail: &'t Trail,
}

impl<'de> DeserializeSeed<'de> for Events<'_, '_> {
    type Value = Vec<Outgoing>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_, '_> {
    type Value = Vec<Outgoing>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of CloudEvents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Events { body, trail } = self;
        let mut events = Vec::new();
        loop {
            match list.next_element_seed(Event { body, trail }) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return Ok(events),
                Err(error) => return Err(trail.element(events.len())(error)),
            }
        }
    }
}

struct Event<'b, 't> {
    body: &'b Bytes,
    trail: &'t Trail,
}

impl<'de> DeserializeSeed<'de> for Event<'_, '_> {
    type Value = Outgoing;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Outgoing, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Event<'_, '_> {
    type Value = Outgoing;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outgoing, A::Error> {
        let Event { body, trail } = self;
        let mut attributes = Attributes::default();
        let (mut data, mut raw, mut content_type) = (None::<&RawValue>, None::<Bytes>, None::<String>);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "data" if data.is_none() => data = Some(map.next_value().map_err(trail.member("data"))?),
                "data_base64" if raw.is_none() => {
                    raw = map.next_value_seed(Base64Bytes).map_err(trail.member("data_base64"))?;
                }
                "datacontenttype" if content_type.is_none() => {
                    content_type = map.next_value_seed(OwnedText).map_err(trail.member("datacontenttype"))?;
                }
                twice @ ("data" | "data_base64" | "datacontenttype") => {
                    return Err(trail.named(twice)(A::Error::custom("this member appears twice")));
                }
                name => {
                    let value = map.next_value_seed(AnyValue { depth: 0 }).map_err(trail.named(name))?;
                    push(&mut attributes, name, value)
                        .map_err(A::Error::custom)
                        .map_err(trail.named(name))?;
                }
            }
        }
        attributes.check().map_err(|(name, why)| trail.blame(name, why))?;
        if content_type.as_deref() == Some("") {
            return Err(trail.blame("datacontenttype", "this attribute cannot be empty; leave it out"));
        }
        let mut message = attributes.into_message();
        message.content_type = content_type;
        match (data, raw) {
            (Some(_), Some(_)) => {
                return Err(trail.blame("data_base64", "give either `data` or `data_base64`, not both"));
            }
            (None, raw) => message.value = Some(raw.unwrap_or_default()),
            (Some(data), None) => payload(body, data, &mut message).map_err(trail.member("data"))?,
        }
        Ok(message)
    }
}

/// Extensions are strings, booleans and whole numbers; `null` stands for an attribute that is not there.
fn push(attributes: &mut Attributes, name: &str, value: HeaderValue) -> Result<(), String> {
    let extension = !CORE.contains(&name);
    match value {
        HeaderValue::Null => Ok(()),
        HeaderValue::Text(text) => attributes.push(name, text),
        // Stored in the canonical text form, so that logs take them as well.
        HeaderValue::Bool(flag) if extension => attributes.push(name, flag.to_string()),
        HeaderValue::Int(number) if extension && i32::try_from(number).is_ok() => {
            attributes.push(name, number.to_string())
        }
        // JSON Schema counts `3.0` as a whole number.
        HeaderValue::Float(number)
            if extension
                && number.fract() == 0.0
                && (i32::MIN.into()..=i32::MAX.into()).contains(&number) =>
        {
            attributes.push(name, (number as i64).to_string())
        }
        _ if extension => Err("an attribute is a string, a boolean or a whole number of 32 bits".into()),
        _ => Err("this attribute is a string".into()),
    }
}

/// Without `datacontenttype` the data of a JSON event is JSON; with another type a string is the data itself.
fn payload<E: Error>(body: &Bytes, data: &RawValue, message: &mut Outgoing) -> Result<(), E> {
    let text = data.get();
    let as_text = message.content_type.as_deref().is_some_and(|content_type| !is_json(content_type));
    if as_text && text.starts_with('"') {
        message.value = Some(Bytes::from(serde_json::from_str::<String>(text).map_err(E::custom)?));
    } else if !is_shallow(text.as_bytes()) {
        return Err(E::custom(format_args!("this nests deeper than {MOST_LEVELS} levels")));
    } else {
        message.value = Some(share(body, text.as_bytes()));
        message.content_type.get_or_insert_with(|| JSON.to_owned());
    }
    Ok(())
}
