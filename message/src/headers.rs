use bytes::{BufMut, Bytes, BytesMut};

use crate::ErrorCode;

/// Why a header table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end too early or hold an unknown tag.
    #[error("the header table is malformed at byte {0}")]
    Malformed(usize),
    /// A name does not fit.
    #[error("header name {0:?} is longer than 255 bytes or empty")]
    Name(String),
    /// Tables nest too deep.
    #[error("header values nest deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

impl HeaderError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidRequest
    }
}

const MAX_DEPTH: usize = 16;

/// The typed headers of a queue's message, as they are stored and carried: names with tagged values, in order.
///
/// The form is that of AMQP 0-9-1 field tables as RabbitMQ writes them (without the leading length), so that a
/// table which came in through one door leaves through the same door byte for byte. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderTable(Bytes);

/// One header's value. Numbers keep the width that they came with when a table is passed on untouched.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderValue {
    /// No value; as a binding argument it matches presence.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any whole number.
    Int(i64),
    /// Any floating-point number.
    Float(f64),
    /// A decimal: scale and unscaled value.
    Decimal(u8, i32),
    /// Text; bytes that are not UTF-8 are `Bytes`.
    Text(String),
    /// Raw bytes.
    Bytes(Bytes),
    /// Seconds since the Unix epoch.
    Timestamp(u64),
    /// An array.
    List(Vec<HeaderValue>),
    /// A nested table.
    Table(Vec<(String, HeaderValue)>),
}

impl HeaderTable {
    /// Checks bytes in stored form and keeps them untouched.
    pub fn from_bytes(bytes: Bytes) -> Result<HeaderTable, HeaderError> {
        let table = HeaderTable(bytes);
        let mut reader = Reader { bytes: &table.0, at: 0 };
        while reader.at < reader.bytes.len() {
            reader.name()?;
            reader.value(0)?;
        }
        Ok(table)
    }

    /// The stored form.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, HeaderValue)> {
        let mut reader = Reader { bytes: &self.0, at: 0 };
        // The bytes were checked when the table was made, so `ok()` ends the walk only at the end.
        std::iter::from_fn(move || {
            (reader.at < reader.bytes.len())
                .then(|| Some((reader.name().ok()?, reader.value(0).ok()?)))
                .flatten()
        })
    }

    /// The tag that the first header of that name was written with: `I` and `l` are both whole numbers.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<u8> {
        let mut reader = Reader { bytes: &self.0, at: 0 };
        while reader.at < reader.bytes.len() {
            let have = reader.name().ok()?;
            let tag = reader.bytes.get(reader.at).copied();
            reader.value(0).ok()?;
            if have == name {
                return tag;
            }
        }
        None
    }

    /// The first header of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<HeaderValue> {
        self.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }
}

impl FromIterator<(String, HeaderValue)> for HeaderTable {
    /// Names that do not fit are cut at 255 bytes; use the builder to have them refused.
    fn from_iter<I: IntoIterator<Item = (String, HeaderValue)>>(headers: I) -> HeaderTable {
        let mut out = BytesMut::new();
        for (name, value) in headers {
            put_name(&mut out, &name);
            put_value(&mut out, &value);
        }
        HeaderTable(out.freeze())
    }
}

/// Builds a table header by header.
#[derive(Debug, Default)]
pub struct HeaderTableBuilder(BytesMut);

impl HeaderTableBuilder {
    /// An empty table.
    #[must_use]
    pub fn new() -> HeaderTableBuilder {
        HeaderTableBuilder::default()
    }

    /// Adds a text header without an intermediate value.
    pub fn push_text(&mut self, name: &str, text: &str) -> Result<(), HeaderError> {
        check_name(name)?;
        put_name(&mut self.0, name);
        self.0.put_u8(b'S');
        put_long(&mut self.0, text.as_bytes());
        Ok(())
    }

    /// Adds a header.
    pub fn push(&mut self, name: &str, value: &HeaderValue) -> Result<(), HeaderError> {
        check_name(name)?;
        put_name(&mut self.0, name);
        put_value(&mut self.0, value);
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The table.
    #[must_use]
    pub fn build(self) -> HeaderTable {
        HeaderTable(self.0.freeze())
    }
}

fn check_name(name: &str) -> Result<(), HeaderError> {
    if name.is_empty() || name.len() > 255 {
        Err(HeaderError::Name(name.chars().take(80).collect()))
    } else {
        Ok(())
    }
}

fn put_name(out: &mut BytesMut, name: &str) {
    let mut end = name.len().min(255);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    out.put_u8(end as u8);
    out.put_slice(&name.as_bytes()[..end]);
}

fn put_long(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

fn put_value(out: &mut BytesMut, value: &HeaderValue) {
    match value {
        HeaderValue::Null => out.put_u8(b'V'),
        HeaderValue::Bool(v) => out.put_slice(&[b't', u8::from(*v)]),
        HeaderValue::Int(v) => {
            out.put_u8(b'l');
            out.put_i64(*v);
        }
        HeaderValue::Float(v) => {
            out.put_u8(b'd');
            out.put_f64(*v);
        }
        HeaderValue::Decimal(scale, v) => {
            out.put_slice(&[b'D', *scale]);
            out.put_i32(*v);
        }
        HeaderValue::Text(v) => {
            out.put_u8(b'S');
            put_long(out, v.as_bytes());
        }
        HeaderValue::Bytes(v) => {
            out.put_u8(b'x');
            put_long(out, v);
        }
        HeaderValue::Timestamp(v) => {
            out.put_u8(b'T');
            out.put_u64(*v);
        }
        HeaderValue::List(items) => {
            let mut inner = BytesMut::new();
            items.iter().for_each(|item| put_value(&mut inner, item));
            out.put_u8(b'A');
            put_long(out, &inner);
        }
        HeaderValue::Table(entries) => {
            let mut inner = BytesMut::new();
            for (name, value) in entries {
                put_name(&mut inner, name);
                put_value(&mut inner, value);
            }
            out.put_u8(b'F');
            put_long(out, &inner);
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], HeaderError> {
        let end = self.at.checked_add(len).ok_or(HeaderError::Malformed(self.at))?;
        let taken = self.bytes.get(self.at..end).ok_or(HeaderError::Malformed(self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| HeaderError::Malformed(at))
    }

    fn long(&mut self) -> Result<&'a [u8], HeaderError> {
        let len = u32::from_be_bytes(self.array()?);
        self.take(len as usize)
    }

    fn name(&mut self) -> Result<&'a str, HeaderError> {
        let at = self.at;
        let len = self.array::<1>()?[0];
        std::str::from_utf8(self.take(usize::from(len))?).map_err(|_| HeaderError::Malformed(at))
    }

    /// Tags as RabbitMQ reads them: `s` is a 16-bit integer, `l` and `L` are both signed.
    fn value(&mut self, depth: usize) -> Result<HeaderValue, HeaderError> {
        if depth > MAX_DEPTH {
            return Err(HeaderError::TooDeep);
        }
        let at = self.at;
        Ok(match self.array::<1>()?[0] {
            b'V' => HeaderValue::Null,
            b't' => HeaderValue::Bool(self.array::<1>()?[0] != 0),
            b'b' => HeaderValue::Int(i64::from(i8::from_be_bytes(self.array()?))),
            b'B' => HeaderValue::Int(i64::from(self.array::<1>()?[0])),
            b's' | b'U' => HeaderValue::Int(i64::from(i16::from_be_bytes(self.array()?))),
            b'u' => HeaderValue::Int(i64::from(u16::from_be_bytes(self.array()?))),
            b'I' => HeaderValue::Int(i64::from(i32::from_be_bytes(self.array()?))),
            b'i' => HeaderValue::Int(i64::from(u32::from_be_bytes(self.array()?))),
            b'l' | b'L' => HeaderValue::Int(i64::from_be_bytes(self.array()?)),
            b'f' => HeaderValue::Float(f64::from(f32::from_be_bytes(self.array()?))),
            b'd' => HeaderValue::Float(f64::from_be_bytes(self.array()?)),
            b'D' => HeaderValue::Decimal(self.array::<1>()?[0], i32::from_be_bytes(self.array()?)),
            b'T' => HeaderValue::Timestamp(u64::from_be_bytes(self.array()?)),
            b'x' => HeaderValue::Bytes(Bytes::copy_from_slice(self.long()?)),
            b'S' => {
                let raw = self.long()?;
                match std::str::from_utf8(raw) {
                    Ok(text) => HeaderValue::Text(text.to_owned()),
                    Err(_) => HeaderValue::Bytes(Bytes::copy_from_slice(raw)),
                }
            }
            b'A' => {
                let mut inner = Reader { bytes: self.long()?, at: 0 };
                let mut items = Vec::new();
                while inner.at < inner.bytes.len() {
                    items.push(inner.value(depth + 1)?);
                }
                HeaderValue::List(items)
            }
            b'F' => {
                let mut inner = Reader { bytes: self.long()?, at: 0 };
                let mut entries = Vec::new();
                while inner.at < inner.bytes.len() {
                    entries.push((inner.name()?.to_owned(), inner.value(depth + 1)?));
                }
                HeaderValue::Table(entries)
            }
            _ => return Err(HeaderError::Malformed(at)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = HeaderValue> {
        let leaf = prop_oneof![
            Just(HeaderValue::Null),
            any::<bool>().prop_map(HeaderValue::Bool),
            any::<i64>().prop_map(HeaderValue::Int),
            (-1e9f64..1e9).prop_map(HeaderValue::Float),
            (any::<u8>(), any::<i32>()).prop_map(|(scale, v)| HeaderValue::Decimal(scale, v)),
            ".{0,12}".prop_map(HeaderValue::Text),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(|v| HeaderValue::Bytes(v.into())),
            any::<u64>().prop_map(HeaderValue::Timestamp),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(HeaderValue::List),
                prop::collection::vec(("[a-z]{1,8}", inner), 0..4).prop_map(HeaderValue::Table),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_built_reads_back(headers in prop::collection::vec(("[a-z-]{1,20}", value()), 0..6)) {
            let table: HeaderTable = headers.iter().cloned().collect();
            let checked = HeaderTable::from_bytes(table.as_bytes().clone()).unwrap();
            let read: Vec<_> = checked.iter().map(|(name, value)| (name.to_owned(), value)).collect();
            prop_assert_eq!(read, headers);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(table) = HeaderTable::from_bytes(bytes.into()) {
                table.iter().for_each(drop);
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = (0..40).fold(HeaderValue::Null, |inner, _| HeaderValue::List(vec![inner]));
        let table: HeaderTable = [("x".to_owned(), deep)].into_iter().collect();
        assert_eq!(HeaderTable::from_bytes(table.as_bytes().clone()), Err(HeaderError::TooDeep));
    }
}
