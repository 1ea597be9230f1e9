//! Headers inside a batch: a 16-bit count, then a 16-bit name length, the name and a tagged value each.
//!
//! Tags and values are those of AMQP 0-9-1 field tables, which is how queues store them.

use bytes::Bytes;
use message::{HeaderTable, HeaderValue};

use super::frame::{BatchError, Take, put_bytes};

/// Appends a name.
fn put_name(out: &mut Vec<u8>, name: &[u8]) {
    let name = name.get(..name.len().min(usize::from(u16::MAX))).unwrap_or_default();
    out.extend_from_slice(&(name.len() as u16).to_be_bytes());
    out.extend_from_slice(name);
}

/// Appends a header with a raw value: text where it is UTF-8, bytes otherwise, null when there is none.
pub(super) fn put_raw(out: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    put_name(out, name);
    match value {
        None => out.push(b'V'),
        Some(value) => {
            out.push(if std::str::from_utf8(value).is_ok() { b'S' } else { b'x' });
            put_bytes(out, value);
        }
    }
}

/// Appends a header with a typed value.
pub(super) fn put_typed(out: &mut Vec<u8>, name: &str, value: &HeaderValue) {
    match value {
        HeaderValue::Text(text) => put_raw(out, name.as_bytes(), Some(text.as_bytes())),
        HeaderValue::Bytes(bytes) => {
            put_name(out, name.as_bytes());
            out.push(b'x');
            put_bytes(out, bytes);
        }
        other => {
            put_name(out, name.as_bytes());
            // A table with one nameless entry is a zero byte and then the tagged value.
            let table: HeaderTable = [(String::new(), other.clone())].into_iter().collect();
            out.extend_from_slice(table.as_bytes().get(1..).unwrap_or_default());
        }
    }
}

/// Reads all headers of message `at`. A publisher's names are checked, stored ones are passed on.
pub(super) fn read(
    from: &mut Take<'_>,
    at: u32,
    check_names: bool,
) -> Result<Vec<(String, HeaderValue)>, BatchError> {
    let broken = || BatchError::Part(at, "header");
    let count = usize::from(from.u16()?);
    // Every header takes at least three bytes, so a lying count cannot reserve more than what arrived.
    let mut headers = Vec::with_capacity(count.min(from.left() / 3));
    for _ in 0..count {
        let name = from.text()?.ok_or_else(broken)?;
        let bad = name.is_empty() || name.len() > 255 || name.eq_ignore_ascii_case("content-type");
        if check_names && bad {
            return Err(BatchError::Part(at, "header name"));
        }
        let name = name.to_owned();
        headers.push((name, value(from, at)?));
    }
    Ok(headers)
}

fn value(from: &mut Take<'_>, at: u32) -> Result<HeaderValue, BatchError> {
    let broken = || BatchError::Part(at, "header value");
    let mut ahead = from.clone();
    let tag = ahead.u8()?;
    let len = match tag {
        b'S' | b'x' => {
            *from = ahead;
            let len = from.u32()? as usize;
            let raw = from.shared(len)?;
            return match (tag, std::str::from_utf8(&raw)) {
                (b'S', Ok(text)) => Ok(HeaderValue::Text(text.to_owned())),
                (b'S', Err(_)) => Err(broken()),
                _ => Ok(HeaderValue::Bytes(raw)),
            };
        }
        b'V' => 0,
        b't' => 1,
        b'l' | b'd' | b'T' => 8,
        b'D' => 5,
        b'A' | b'F' => 4 + ahead.u32()? as usize,
        _ => return Err(broken()),
    };
    let tagged = from.slice(1 + len)?;
    let nameless = Bytes::from([&[0], tagged].concat());
    let table = HeaderTable::from_bytes(nameless).map_err(|_| broken())?;
    let first = table.iter().next().map(|(_, value)| value);
    first.ok_or_else(broken)
}
