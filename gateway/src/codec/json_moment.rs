//! A moment in a JSON document: milliseconds since the epoch, or text as in RFC 3339.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Unexpected, Visitor};

use crate::codec::json_scalar::Whole;

/// Reads a moment from the epoch up to `max` milliseconds after it; an earlier one counts as the epoch. `null` is `None`.
pub struct Moment {
    /// The latest allowed.
    pub max: i64,
}

impl Moment {
    fn whole(&self) -> Whole {
        Whole { min: 0, max: self.max }
    }
}

impl<'de> DeserializeSeed<'de> for Moment {
    type Value = Option<i64>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Moment {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a time as in RFC 3339, or milliseconds since the epoch up to {}", self.max)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Some(time.as_millisecond().clamp(0, self.max))),
            Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.whole().visit_i64(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        self.whole().visit_u64(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        self.whole().visit_f64(number)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// For `deserialize_with`: a moment that may be left out but not be `null`.
pub fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let moment = || Moment { max: crate::codec::json_message::MAX_MS };
    match moment().deserialize(from)? {
        Some(at) => Ok(Some(at)),
        None => Err(D::Error::invalid_type(Unexpected::Unit, &moment())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_others_refused() {
        let read =
            |text: &str| Moment { max: 1 << 50 }.deserialize(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(read("1700000005000").unwrap(), Some(1_700_000_005_000));
        assert_eq!(read("1700000005000.0").unwrap(), Some(1_700_000_005_000));
        assert_eq!(read("\"2023-11-14T23:13:25+01:00\"").unwrap(), Some(1_700_000_005_000));
        assert_eq!(read("\"1969-12-31T00:00:00Z\"").unwrap(), Some(0));
        assert_eq!(read("null").unwrap(), None);
        for bad in ["-1", "1.5", "true", "\"soon\"", "\"\"", "[]", "1125899906842625"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
