use bytes::{BufMut, BytesMut};
use message::{HeaderTable, HeaderValue};

/// Writes a table with its leading length.
pub fn put_table(out: &mut BytesMut, table: &HeaderTable) {
    out.put_u32(table.as_bytes().len() as u32);
    out.put_slice(table.as_bytes());
}

/// A value and its type in the words of RabbitMQ's messages, for what a client declared differently.
#[must_use]
pub fn describe_value(value: &HeaderValue) -> (String, &'static str) {
    match value {
        HeaderValue::Null => ("undefined".into(), "void"),
        HeaderValue::Bool(value) => (value.to_string(), "bool"),
        HeaderValue::Int(value) => (value.to_string(), "signedint"),
        HeaderValue::Float(value) => (value.to_string(), "double"),
        HeaderValue::Decimal(scale, value) => (format!("{value}e-{scale}"), "decimal"),
        HeaderValue::Text(value) => (value.clone(), "longstr"),
        HeaderValue::Bytes(_) => ("...".into(), "binary"),
        HeaderValue::Timestamp(value) => (value.to_string(), "timestamp"),
        HeaderValue::List(_) => ("...".into(), "array"),
        HeaderValue::Table(_) => ("...".into(), "table"),
    }
}
