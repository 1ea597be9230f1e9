//! Scalars of a message object, read without copying where the text stands as is.

use std::fmt;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, Unexpected, Visitor};

/// RFC 4648 section 4, padding required; bits beyond the last byte are ignored.
pub const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Text as bytes, shared with the document when it holds no escapes. `null` is `None`.
pub struct TextBytes<'b> {
    /// The document that is being parsed.
    pub body: &'b Bytes,
}

/// A short text of its own. `null` is `None`.
pub struct OwnedText;

/// Base64 text, decoded. `null` is `None`.
pub struct Base64Bytes;

/// A whole number within bounds. `null` is `None`.
pub struct Whole {
    /// The smallest allowed.
    pub min: i64,
    /// The largest allowed.
    pub max: i64,
}

/// Shares the part of `body` that `text` borrows from it; copies when `text` lies elsewhere.
#[must_use]
pub fn share(body: &Bytes, text: &[u8]) -> Bytes {
    let start = body.as_ptr() as usize;
    let at = text.as_ptr() as usize;
    if at >= start && at + text.len() <= start + body.len() {
        body.slice(at - start..at - start + text.len())
    } else {
        Bytes::copy_from_slice(text)
    }
}

/// Decodes base64, or says why not.
pub fn decode_base64(text: &str) -> Result<Bytes, String> {
    BASE64.decode(text).map(Bytes::from).map_err(|error| format!("not base64 with padding: {error}"))
}

macro_rules! seed {
    ($type:ident $(<$life:lifetime>)?, $value:ty) => {
        impl<'de $(, $life)?> DeserializeSeed<'de> for $type $(<$life>)? {
            type Value = Option<$value>;

            fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
                from.deserialize_any(self)
            }
        }
    };
}

seed!(TextBytes<'b>, Bytes);
seed!(OwnedText, String);
seed!(Base64Bytes, Bytes);
seed!(Whole, i64);

impl<'de> Visitor<'de> for TextBytes<'_> {
    type Value = Option<Bytes>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(share(self.body, text.as_bytes())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

impl<'de> Visitor<'de> for OwnedText {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

impl<'de> Visitor<'de> for Base64Bytes {
    type Value = Option<Bytes>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a base64 string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        decode_base64(text).map(Some).map_err(E::custom)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

impl Whole {
    fn check<E: Error>(self, number: i64) -> Result<Option<i64>, E> {
        if (self.min..=self.max).contains(&number) {
            Ok(Some(number))
        } else {
            Err(E::invalid_value(Unexpected::Signed(number), &self))
        }
    }
}

impl<'de> Visitor<'de> for Whole {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.min, self.max)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.check(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.check(number),
            Err(_) => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }

    /// JSON Schema counts `3.0` as a whole number.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && number.abs() <= EXACT {
            self.check(number as i64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
