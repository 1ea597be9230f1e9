use ::message::ErrorCode;
use bytes::{BufMut, Bytes, BytesMut};

/// A message's properties besides its headers, in the form that AMQP 0-9-1 gives them on the wire: a flags word and
/// the fields that it announces (AMQP 0-9-1, section 4.2.6.1, class `basic`).
///
/// The header table is kept apart; its flag (bit 13) may stay set to tell an empty table from none. Kept raw, so
/// that what came in through AMQP leaves byte for byte. Empty when no property is set. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Bytes);

/// The bytes are not a property list, or a text is longer than 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("property {0} is malformed or longer than 255 bytes")]
pub struct PropertyError(pub &'static str);

impl PropertyError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidRequest
    }
}

/// Properties one by one, to read or to build from. Texts are at most 255 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyFields<'a> {
    /// MIME type of the body.
    pub content_type: Option<&'a str>,
    /// MIME encoding of the body.
    pub content_encoding: Option<&'a str>,
    /// Whether a header table is there although it may be empty.
    pub has_headers: bool,
    /// 1 transient, 2 persistent.
    pub delivery_mode: Option<u8>,
    /// Priority as the publisher wrote it.
    pub priority: Option<u8>,
    /// Ties a reply to its request.
    pub correlation_id: Option<&'a str>,
    /// Where to send replies.
    pub reply_to: Option<&'a str>,
    /// Time to live in milliseconds, as text.
    pub expiration: Option<&'a str>,
    /// The publisher's id for the message.
    pub message_id: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub timestamp: Option<u64>,
    /// The application's name for the kind of message.
    pub kind: Option<&'a str>,
    /// The publisher's user.
    pub user_id: Option<&'a str>,
    /// The publisher's application.
    pub app_id: Option<&'a str>,
    /// Reserved by the standard, passed on.
    pub cluster_id: Option<&'a str>,
}

const HEADERS: u16 = 1 << 13;
const EXPIRATION: u16 = 1 << 8;
const PRIORITY: u16 = 1 << 11;
/// The lowest two bits: one says that another flags word follows (none is defined), one is unused.
const IGNORED: u16 = 0b11;

impl Properties {
    /// Checks and keeps the wire form. `bytes` starts with the flags word and has no header table in it.
    pub fn from_bytes(bytes: Bytes) -> Result<Properties, PropertyError> {
        let properties = Properties(bytes);
        properties.read()?;
        Ok(properties)
    }

    /// The wire form: flags word and fields, without the header table. Empty when nothing is set.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether no property is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flags() == 0
    }

    /// All properties.
    #[must_use]
    pub fn fields(&self) -> PropertyFields<'_> {
        // The form was checked when it was made.
        self.read().unwrap_or_default()
    }

    /// The priority alone, without walking when there is none.
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        (self.flags() & PRIORITY != 0).then(|| self.fields().priority).flatten()
    }

    /// The time to live alone, without walking when there is none.
    #[must_use]
    pub fn expiration(&self) -> Option<&str> {
        (self.flags() & EXPIRATION != 0).then(|| self.fields().expiration).flatten()
    }

    fn flags(&self) -> u16 {
        match self.0.as_ref() {
            [high, low, ..] => u16::from_be_bytes([*high, *low]) & !IGNORED,
            _ => 0,
        }
    }

    fn read(&self) -> Result<PropertyFields<'_>, PropertyError> {
        let mut walk = Walk { flags: self.flags(), rest: self.0.get(2..).unwrap_or_default() };
        if self.0.len() == 1 {
            return Err(PropertyError("flags"));
        }
        let fields = PropertyFields {
            content_type: walk.text(15, "content_type")?,
            content_encoding: walk.text(14, "content_encoding")?,
            has_headers: walk.flags & HEADERS != 0,
            delivery_mode: walk.byte(12, "delivery_mode")?,
            priority: walk.byte(11, "priority")?,
            correlation_id: walk.text(10, "correlation_id")?,
            reply_to: walk.text(9, "reply_to")?,
            expiration: walk.text(8, "expiration")?,
            message_id: walk.text(7, "message_id")?,
            timestamp: walk.long(6, "timestamp")?,
            kind: walk.text(5, "type")?,
            user_id: walk.text(4, "user_id")?,
            app_id: walk.text(3, "app_id")?,
            cluster_id: walk.text(2, "cluster_id")?,
        };
        if walk.rest.is_empty() { Ok(fields) } else { Err(PropertyError("list")) }
    }
}

impl PropertyFields<'_> {
    /// The wire form.
    pub fn build(&self) -> Result<Properties, PropertyError> {
        let mut out = BytesMut::new();
        out.put_u16(0);
        let mut flags = if self.has_headers { HEADERS } else { 0 };
        let mut text = |out: &mut BytesMut, bit: u16, name, value: Option<&str>| {
            let Some(value) = value else { return Ok(()) };
            flags |= 1 << bit;
            out.put_u8(u8::try_from(value.len()).map_err(|_| PropertyError(name))?);
            out.put_slice(value.as_bytes());
            Ok(())
        };
        text(&mut out, 15, "content_type", self.content_type)?;
        text(&mut out, 14, "content_encoding", self.content_encoding)?;
        out.extend(self.delivery_mode);
        out.extend(self.priority);
        text(&mut out, 10, "correlation_id", self.correlation_id)?;
        text(&mut out, 9, "reply_to", self.reply_to)?;
        text(&mut out, 8, "expiration", self.expiration)?;
        text(&mut out, 7, "message_id", self.message_id)?;
        out.extend(self.timestamp.map(u64::to_be_bytes).into_iter().flatten());
        text(&mut out, 5, "type", self.kind)?;
        text(&mut out, 4, "user_id", self.user_id)?;
        text(&mut out, 3, "app_id", self.app_id)?;
        text(&mut out, 2, "cluster_id", self.cluster_id)?;
        flags |= u16::from(self.delivery_mode.is_some()) << 12;
        flags |= u16::from(self.priority.is_some()) << 11;
        flags |= u16::from(self.timestamp.is_some()) << 6;
        if flags == 0 {
            return Ok(Properties::default());
        }
        out[..2].copy_from_slice(&flags.to_be_bytes());
        Ok(Properties(out.freeze()))
    }
}

struct Walk<'a> {
    flags: u16,
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    fn take(&mut self, len: usize, name: &'static str) -> Result<&'a [u8], PropertyError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(PropertyError(name))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self, bit: u16, name: &'static str) -> Result<Option<u8>, PropertyError> {
        if self.flags & (1 << bit) == 0 {
            return Ok(None);
        }
        Ok(self.take(1, name)?.first().copied())
    }

    fn long(&mut self, bit: u16, name: &'static str) -> Result<Option<u64>, PropertyError> {
        if self.flags & (1 << bit) == 0 {
            return Ok(None);
        }
        let bytes = self.take(8, name)?.try_into().map_err(|_| PropertyError(name))?;
        Ok(Some(u64::from_be_bytes(bytes)))
    }

    fn text(&mut self, bit: u16, name: &'static str) -> Result<Option<&'a str>, PropertyError> {
        if self.flags & (1 << bit) == 0 {
            return Ok(None);
        }
        let len = self.take(1, name)?.first().copied().unwrap_or_default();
        std::str::from_utf8(self.take(usize::from(len), name)?).map(Some).map_err(|_| PropertyError(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_built_reads_back(
            texts in prop::collection::vec(prop::option::of("[a-z/é]{0,12}"), 10),
            mode: Option<u8>, priority: Option<u8>, timestamp: Option<u64>, has_headers: bool,
        ) {
            let fields = PropertyFields {
                content_type: texts[0].as_deref(), content_encoding: texts[1].as_deref(), has_headers,
                delivery_mode: mode, priority, correlation_id: texts[2].as_deref(), reply_to: texts[3].as_deref(),
                expiration: texts[4].as_deref(), message_id: texts[5].as_deref(), timestamp,
                kind: texts[6].as_deref(), user_id: texts[7].as_deref(), app_id: texts[8].as_deref(),
                cluster_id: texts[9].as_deref(),
            };
            let built = fields.build().unwrap();
            let read = Properties::from_bytes(built.as_bytes().clone()).unwrap();
            prop_assert_eq!(read.fields(), fields);
            prop_assert_eq!(read.priority(), priority);
            prop_assert_eq!(read.expiration(), fields.expiration);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(properties) = Properties::from_bytes(bytes.into()) {
                let _ = properties.fields();
            }
        }
    }

    #[test]
    fn long_texts_are_refused_by_name() {
        let long = "x".repeat(256);
        let fields = PropertyFields { reply_to: Some(&long), ..PropertyFields::default() };
        assert_eq!(fields.build(), Err(PropertyError("reply_to")));
    }
}
