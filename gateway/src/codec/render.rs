//! Stored messages as JSON, in the shapes of the design: exactly one of `value` and `value_base64`.
//!
//! Written by hand into one buffer, since most of a message is copied as it lies.

use base64::Engine as _;
use message::HeaderValue;

use crate::codec::json_message::{is_document, is_json};
use crate::codec::json_scalar::BASE64;
use crate::topics::{FailedAttempt, HeadersView, Lease, MessageView, Place, Standing};

/// How payloads are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueMode {
    /// As the content type says: JSON, text, or base64.
    #[default]
    Auto,
    /// As JSON whatever the content type, where it is JSON; otherwise as text or base64.
    Json,
    /// As text where it is UTF-8.
    Text,
    /// Always base64.
    Base64,
}

impl ValueMode {
    /// The names of the query parameter `values`.
    pub const NAMES: [&'static str; 4] = ["auto", "json", "text", "base64"];

    /// The mode of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ValueMode> {
        match name {
            "auto" => Some(ValueMode::Auto),
            "json" => Some(ValueMode::Json),
            "text" => Some(ValueMode::Text),
            "base64" => Some(ValueMode::Base64),
            _ => None,
        }
    }
}

/// Appends a whole number.
pub fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a JSON string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if bytes.len() <= 256 && !bytes.iter().any(|&b| b < 0x20 || b == b'"' || b == b'\\') {
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    } else {
        // Writing into a Vec cannot fail, and a string has no form that JSON lacks.
        let _ = serde_json::to_writer(out, text);
    }
}

/// Appends base64 between quotes.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    let room = base64::encoded_len(bytes.len(), true).unwrap_or(0);
    out.resize(start + room, 0);
    let written = out.get_mut(start..).map_or(0, |tail| BASE64.encode_slice(bytes, tail).unwrap_or(0));
    out.truncate(start + written);
    out.push(b'"');
}

/// Appends a message or record as one JSON object on one line.
pub fn write_message(out: &mut Vec<u8>, view: &MessageView<'_>, mode: ValueMode) {
    match &view.place {
        Place::Log { partition, offset } => {
            out.extend_from_slice(b"{\"partition\":");
            integer(out, *partition);
            out.extend_from_slice(b",\"offset\":");
            integer(out, *offset);
        }
        Place::Queue { id, .. } => {
            out.extend_from_slice(b"{\"id\":");
            integer(out, *id);
        }
    }
    out.extend_from_slice(b",\"timestamp\":");
    integer(out, view.timestamp);
    write_key(out, view.key);
    write_headers(out, &view.headers);
    if let Some(content_type) = view.content_type {
        out.extend_from_slice(b",\"content_type\":");
        string(out, content_type);
    }
    if let Place::Queue { priority, attempt, redelivered, properties, failures, standing, .. } = &view.place {
        out.extend_from_slice(b",\"priority\":");
        integer(out, *priority);
        out.extend_from_slice(b",\"attempt\":");
        integer(out, *attempt);
        out.extend_from_slice(if *redelivered {
            b",\"redelivered\":true"
        } else {
            b",\"redelivered\":false"
        });
        for (name, value) in properties {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            string(out, value);
        }
        write_failures(out, failures);
        write_standing(out, standing);
    }
    write_value(out, view.value, view.content_type, mode);
    out.push(b'}');
}

fn write_key(out: &mut Vec<u8>, key: Option<&[u8]>) {
    match key.map(|key| std::str::from_utf8(key).map_err(|_| key)) {
        None => out.extend_from_slice(b",\"key\":null"),
        Some(Ok(text)) => {
            out.extend_from_slice(b",\"key\":");
            string(out, text);
        }
        Some(Err(raw)) => {
            out.extend_from_slice(b",\"key_base64\":");
            base64(out, raw);
        }
    }
}

/// Appends `,"failures":[…]` if there were any.
fn write_failures(out: &mut Vec<u8>, failures: &[FailedAttempt]) {
    for (index, failed) in failures.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b",\"failures\":[" } else { b"," });
        out.extend_from_slice(b"{\"attempt\":");
        integer(out, failed.attempt);
        out.extend_from_slice(b",\"outcome\":\"");
        out.extend_from_slice(failed.outcome.as_str().as_bytes());
        out.extend_from_slice(b"\",\"at\":");
        integer(out, failed.at.0);
        if let Some(retry_at) = failed.retry_at {
            out.extend_from_slice(b",\"retry_at\":");
            integer(out, retry_at.0);
        }
        out.push(b'}');
    }
    if !failures.is_empty() {
        out.push(b']');
    }
}

/// The end of a lease, if it has one.
fn write_end(out: &mut Vec<u8>, expires_at: i64) {
    if expires_at != Standing::NEVER {
        out.extend_from_slice(b",\"lease_expires_at\":");
        integer(out, expires_at);
    }
}

fn write_standing(out: &mut Vec<u8>, standing: &Standing) {
    match standing {
        Standing::Taken => {}
        Standing::Leased { lease, expires_at } => {
            out.extend_from_slice(b",\"lease\":\"");
            write_lease(out, lease);
            out.push(b'"');
            write_end(out, *expires_at);
        }
        Standing::Ready => out.extend_from_slice(b",\"state\":\"ready\""),
        Standing::LeasedByOther { expires_at, holder } => {
            out.extend_from_slice(b",\"state\":\"leased\"");
            write_end(out, *expires_at);
            out.extend_from_slice(b",\"held_by\":");
            string(out, holder);
        }
        Standing::Dying => out.extend_from_slice(b",\"state\":\"dying\""),
        Standing::Delayed { ready_at } => {
            out.extend_from_slice(b",\"state\":\"delayed\",\"ready_at\":");
            integer(out, *ready_at);
        }
    }
}

/// The text of a lease, as `Display` has it.
pub fn write_lease(out: &mut Vec<u8>, lease: &Lease) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for byte in lease.0 {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn write_headers(out: &mut Vec<u8>, headers: &HeadersView<'_>) {
    out.extend_from_slice(b",\"headers\":[");
    let start = out.len();
    let separate = |out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"name\":");
    };
    match headers {
        HeadersView::Record(headers) => {
            for (name, value) in headers {
                separate(out);
                string(out, &String::from_utf8_lossy(name));
                match value.map(|value| std::str::from_utf8(value).map_err(|_| value)) {
                    None => out.extend_from_slice(b",\"value\":null}"),
                    Some(Ok(text)) => {
                        out.extend_from_slice(b",\"value\":");
                        string(out, text);
                        out.push(b'}');
                    }
                    Some(Err(raw)) => {
                        out.extend_from_slice(b",\"value_base64\":");
                        base64(out, raw);
                        out.push(b'}');
                    }
                }
            }
        }
        HeadersView::Table(table) => {
            for (name, value) in table.iter() {
                separate(out);
                string(out, name);
                if let HeaderValue::Bytes(raw) = &value {
                    out.extend_from_slice(b",\"value_base64\":");
                    base64(out, raw);
                } else {
                    out.extend_from_slice(b",\"value\":");
                    write_header_value(out, &value);
                }
                out.push(b'}');
            }
        }
    }
    out.push(b']');
}

/// A typed header as JSON; bytes inside lists and tables become base64 text, decimals become numbers.
pub fn write_header_value(out: &mut Vec<u8>, value: &HeaderValue) {
    match value {
        HeaderValue::Null => out.extend_from_slice(b"null"),
        HeaderValue::Bool(true) => out.extend_from_slice(b"true"),
        HeaderValue::Bool(false) => out.extend_from_slice(b"false"),
        HeaderValue::Int(number) => integer(out, *number),
        HeaderValue::Timestamp(seconds) => integer(out, *seconds),
        HeaderValue::Float(number) => write_float(out, *number),
        HeaderValue::Decimal(scale, unscaled) => {
            write_float(out, f64::from(*unscaled) / 10f64.powi(i32::from(*scale)));
        }
        HeaderValue::Text(text) => string(out, text),
        HeaderValue::Bytes(raw) => base64(out, raw),
        HeaderValue::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_header_value(out, item);
            }
            out.push(b']');
        }
        HeaderValue::Table(entries) => {
            out.push(b'{');
            for (index, (name, item)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                string(out, name);
                out.push(b':');
                write_header_value(out, item);
            }
            out.push(b'}');
        }
    }
}

fn write_float(out: &mut Vec<u8>, number: f64) {
    // JSON has no infinities: `to_writer` makes them null.
    let _ = serde_json::to_writer(out, &number);
}

/// Appends `,"value":…` or `,"value_base64":…`.
fn write_value(out: &mut Vec<u8>, value: Option<&[u8]>, content_type: Option<&str>, mode: ValueMode) {
    let Some(value) = value else {
        out.extend_from_slice(b",\"value\":null");
        return;
    };
    let as_json = match mode {
        ValueMode::Auto => content_type.is_some_and(is_json),
        ValueMode::Json => true,
        ValueMode::Text | ValueMode::Base64 => false,
    };
    if as_json && is_document(value) {
        out.extend_from_slice(b",\"value\":");
        write_document(out, value);
        return;
    }
    let as_text = match mode {
        // A document that calls itself JSON and is not is shown as the text it is.
        ValueMode::Auto => {
            content_type.is_none_or(|content_type| is_json(content_type) || is_text(content_type))
        }
        ValueMode::Json | ValueMode::Text => true,
        ValueMode::Base64 => false,
    };
    match std::str::from_utf8(value) {
        Ok(text) if as_text => {
            out.extend_from_slice(b",\"value\":");
            string(out, text);
        }
        _ => {
            out.extend_from_slice(b",\"value_base64\":");
            base64(out, value);
        }
    }
}

/// Copies a valid document, on one line: raw line breaks can only be white space in JSON.
fn write_document(out: &mut Vec<u8>, document: &[u8]) {
    let start = out.len();
    out.extend_from_slice(document.trim_ascii());
    if memchr::memchr2(b'\n', b'\r', document).is_some() {
        for byte in out.iter_mut().skip(start) {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}

/// Whether a content type means text: `text/…`, XML, forms, scripts.
#[must_use]
pub fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || matches!(
            essence.as_str(),
            "application/xml"
                | "application/yaml"
                | "application/toml"
                | "application/javascript"
                | "application/graphql"
                | "application/x-ndjson"
                | "application/x-www-form-urlencoded"
        )
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
