//! Headers of a message object: a list of `{name, value | value_base64}` or a plain object.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use message::HeaderValue;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::codec::json_scalar::{Base64Bytes, OwnedText};
use crate::codec::json_trail::Trail;

/// Values may nest so deep; the same bound holds for stored tables.
const MAX_DEPTH: usize = 15;

const KNOWN: [&str; 3] = ["name", "value", "value_base64"];

/// Reads either form. `null` is no headers.
pub struct Headers<'t> {
    /// Where faults are noted.
    pub trail: &'t Trail,
}

impl<'de> DeserializeSeed<'de> for Headers<'_> {
    type Value = Vec<(String, HeaderValue)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Headers<'_> {
    type Value = Vec<(String, HeaderValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of {name, value} or an object of headers")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut headers = Vec::new();
        loop {
            let at = headers.len();
            match list.next_element_seed(OneHeader { trail: self.trail }) {
                Ok(Some(header)) => headers.push(header),
                Ok(None) => return Ok(headers),
                Err(error) => return Err(self.trail.element(at)(error)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut headers: Vec<(String, HeaderValue)> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(AnyValue { depth: 0 }).map_err(self.trail.named(&name))?;
            check_name(&name).map_err(A::Error::custom).map_err(self.trail.named(&name))?;
            // Few headers are compared one by one; a set is only worth its allocation for many.
            let twice = if headers.len() < 16 {
                headers.iter().any(|(have, _)| *have == name)
            } else {
                if seen.is_empty() {
                    seen.extend(headers.iter().map(|(have, _)| have.clone()));
                }
                !seen.insert(name.clone())
            };
            if twice {
                let why = "this name appears twice; use the list form for repeated names";
                return Err(self.trail.named(&name)(A::Error::custom(why)));
            }
            headers.push((name, value));
        }
        Ok(headers)
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 255 {
        return Err("a header name has 1 to 255 bytes");
    }
    if name.eq_ignore_ascii_case("content-type") {
        return Err("give the content type in the field `content_type` of the message");
    }
    Ok(())
}

struct OneHeader<'t> {
    trail: &'t Trail,
}

impl<'de> DeserializeSeed<'de> for OneHeader<'_> {
    type Value = (String, HeaderValue);

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneHeader<'_> {
    type Value = (String, HeaderValue);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `name` and `value` or `value_base64`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let trail = self.trail;
        let (mut name, mut value, mut raw) = (None, None, None::<Bytes>);
        while let Some(member) = map.next_key::<String>()? {
            match member.as_str() {
                "name" if name.is_none() => {
                    name = map.next_value_seed(OwnedText).map_err(trail.member("name"))?;
                }
                "value" if value.is_none() => {
                    value = Some(map.next_value_seed(AnyValue { depth: 0 }).map_err(trail.member("value"))?);
                }
                "value_base64" if raw.is_none() => {
                    raw = map.next_value_seed(Base64Bytes).map_err(trail.member("value_base64"))?;
                }
                known if KNOWN.contains(&known) => {
                    return Err(trail.named(known)(A::Error::custom("this field appears twice")));
                }
                other => return Err(trail.unknown(other, &KNOWN)),
            }
        }
        let name = name.ok_or_else(|| trail.blame("name", "a header needs a name"))?;
        check_name(&name).map_err(|why| trail.blame("name", why))?;
        match (value, raw) {
            (Some(value), None) => Ok((name, value)),
            (None, Some(raw)) => Ok((name, HeaderValue::Bytes(raw))),
            (Some(_), Some(_)) => {
                Err(trail.blame("value_base64", "give either `value` or `value_base64`, not both"))
            }
            (None, None) => Err(trail.blame("value", "a header needs `value` or `value_base64`")),
        }
    }
}

/// Any JSON as a header value.
pub struct AnyValue {
    /// How deep this one lies.
    pub depth: usize,
}

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = HeaderValue;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = HeaderValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header value (whole numbers up to 64 bits, signed)")
    }

    fn visit_unit<E: Error>(self) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<HeaderValue, E> {
        // Too large for a stored integer: kept as the nearest float, as JSON numbers are in most languages.
        Ok(i64::try_from(value).map_or(HeaderValue::Float(value as f64), HeaderValue::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<HeaderValue, A::Error> {
        let depth = deeper(self.depth)?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(AnyValue { depth })? {
            items.push(item);
        }
        Ok(HeaderValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderValue, A::Error> {
        let depth = deeper(self.depth)?;
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.len() > 255 {
                return Err(A::Error::custom("a name within a header value has at most 255 bytes"));
            }
            entries.push((name, map.next_value_seed(AnyValue { depth })?));
        }
        Ok(HeaderValue::Table(entries))
    }
}

fn deeper<E: Error>(depth: usize) -> Result<usize, E> {
    if depth >= MAX_DEPTH { Err(E::custom("header values nest too deep")) } else { Ok(depth + 1) }
}
