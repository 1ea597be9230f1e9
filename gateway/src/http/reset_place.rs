//! Where a group's offsets can be set to.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use utoipa::ToSchema;

use super::start_at;
use crate::topics::ResetTo;

/// Where to.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "described, never built")]
pub enum ResetPlace {
    #[schema(title = "An end")]
    End(#[schema(inline)] ResetEnd),
    Offset(ResetOffset),
    Shift(ResetShift),
    Time(ResetTime),
}

/// One of the ends.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "described, never built")]
pub enum ResetEnd {
    Earliest,
    Latest,
}

/// An offset.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct ResetOffset {
    #[schema(minimum = 0, maximum = 9007199254740991i64)]
    offset: i64,
}

/// So many records forward, or back when negative.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct ResetShift {
    #[schema(minimum = -9007199254740991i64, maximum = 9007199254740991i64)]
    shift: i64,
}

/// The first record at or after a time: milliseconds since the epoch, or as in RFC 3339.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct ResetTime {
    #[schema(minimum = 0, maximum = 9007199254740991i64)]
    time: i64,
}

/// Where to, as read.
#[derive(Debug)]
pub struct Place(pub ResetTo);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Place, D::Error> {
        from.deserialize_any(PlaceVisitor)
    }
}

/// Every JSON reader takes whole numbers up to this.
const LARGEST_EXACT: i64 = (1 << 53) - 1;

struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`earliest`, `latest`, {\"offset\": n}, {\"shift\": n} or {\"time\": …}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Place, E> {
        match text {
            "earliest" => Ok(Place(ResetTo::Earliest)),
            "latest" => Ok(Place(ResetTo::Latest)),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Place, A::Error> {
        let Some(name) = map.next_key::<String>()? else { return Err(A::Error::custom("say where to")) };
        let place = match name.as_str() {
            "offset" => match map.next_value::<i64>()? {
                offset if (0..=LARGEST_EXACT).contains(&offset) => ResetTo::Offset(offset),
                _ => return Err(A::Error::custom("an offset is a whole number from 0 to 9007199254740991")),
            },
            "shift" => match map.next_value::<i64>()? {
                shift if shift.abs() <= LARGEST_EXACT => ResetTo::Shift(shift),
                _ => return Err(A::Error::custom("a shift has at most 9007199254740991 records")),
            },
            "time" => {
                let time = match map.next_value::<Value>()? {
                    Value::Number(ms) => ms.as_i64().filter(|ms| (0..=LARGEST_EXACT).contains(ms)),
                    Value::String(text) => start_at::time(&text),
                    _ => None,
                };
                let why = "a time is as in RFC 3339, or in milliseconds since the epoch";
                ResetTo::Time(time.ok_or_else(|| A::Error::custom(why))?)
            }
            other => return Err(A::Error::unknown_field(other, &["offset", "shift", "time"])),
        };
        match map.next_key::<String>()? {
            None => Ok(Place(place)),
            Some(_) => Err(A::Error::custom("give one of offset, shift and time")),
        }
    }
}
