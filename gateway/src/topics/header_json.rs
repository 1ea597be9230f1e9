//! Typed header values as JSON and back, for binding arguments and for what a record's headers cannot hold as bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message::HeaderValue;
use serde_json::{Map, Value, json};

/// Numbers stay numbers; bytes become base64 text.
pub(crate) fn to_json(value: &HeaderValue) -> Value {
    match value {
        HeaderValue::Null => Value::Null,
        HeaderValue::Bool(v) => json!(v),
        HeaderValue::Int(v) => json!(v),
        HeaderValue::Float(v) => json!(v),
        HeaderValue::Decimal(scale, v) => json!(f64::from(*v) / 10f64.powi(i32::from(*scale))),
        HeaderValue::Text(v) => json!(v),
        HeaderValue::Bytes(v) => json!(STANDARD.encode(v)),
        HeaderValue::Timestamp(v) => json!(v),
        HeaderValue::List(items) => items.iter().map(to_json).collect(),
        HeaderValue::Table(entries) => Value::Object(
            entries.iter().map(|(name, value)| (name.clone(), to_json(value))).collect::<Map<_, _>>(),
        ),
    }
}

/// Every JSON value has a typed form; whole numbers beyond 63 bits become floating-point.
pub(crate) fn from_json(value: &Value) -> HeaderValue {
    match value {
        Value::Null => HeaderValue::Null,
        Value::Bool(v) => HeaderValue::Bool(*v),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => HeaderValue::Int(whole),
            None => HeaderValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => HeaderValue::Text(text.clone()),
        Value::Array(items) => HeaderValue::List(items.iter().map(from_json).collect()),
        Value::Object(entries) => {
            HeaderValue::Table(entries.iter().map(|(name, value)| (name.clone(), from_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_survives_the_way_through_headers() {
        let value = json!({"a": [1, -2.5, "x", null, true], "b": {"c": "d"}});
        assert_eq!(to_json(&from_json(&value)), value);
    }
}
