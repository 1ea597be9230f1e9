use bytes::{BufMut, Bytes, BytesMut};

use super::arguments::Arguments;
use super::frame::FrameKind;
use super::method::SyntaxError;
use super::output::Output;

const HEADERS: u16 = 1 << 13;
/// The properties that come before the headers: content type and content encoding.
const BEFORE_HEADERS: [u16; 2] = [1 << 15, 1 << 14];
const CLASS: u16 = 60;

/// A content header, taken apart: the header table by itself, the other properties as they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// The class that it says it belongs to.
    pub class: u16,
    /// Not used by the protocol; must be 0.
    pub weight: u16,
    /// Bytes of the body that follows.
    pub body_size: u64,
    /// Which properties follow.
    pub flags: u16,
    /// Content type and content encoding, as far as they are there.
    pub before: &'a [u8],
    /// The header table without its leading length; `None` when there is none, which is not the same as an empty one.
    pub headers: Option<&'a [u8]>,
    /// The other properties.
    pub after: &'a [u8],
}

impl<'a> ContentHeader<'a> {
    /// Reads a header frame's payload.
    pub fn read(payload: &'a [u8]) -> Result<ContentHeader<'a>, SyntaxError> {
        let mut from = Arguments::new(payload);
        let (class, weight) = (from.short()?, from.short()?);
        let (body_size, flags) = (from.longlong()?, from.short()?);
        let properties = payload.get(14..).unwrap_or_default();
        let mut len = 0;
        for flag in BEFORE_HEADERS {
            if flags & flag != 0 {
                len += 1 + from.shortstr_bytes()?.len();
            }
        }
        let (before, mut after) = properties.split_at_checked(len).ok_or(SyntaxError::Truncated)?;
        let mut headers = None;
        if flags & HEADERS != 0 {
            let table = from.table()?;
            headers = Some(table);
            after = after.get(4 + table.len()..).ok_or(SyntaxError::Truncated)?;
        }
        Ok(ContentHeader { class, weight, body_size, flags, before, headers, after })
    }

    /// The properties without the header table, in the form in which messages keep them; empty when there are none.
    /// Its flag stays set, so that an empty table is told from none.
    #[must_use]
    pub fn properties(&self) -> Bytes {
        // The lowest two bits mean nothing; RabbitMQ ignores them.
        if self.flags & !0b11 == 0 {
            return Bytes::new();
        }
        let mut kept = BytesMut::with_capacity(2 + self.before.len() + self.after.len());
        kept.put_u16(self.flags & !0b11);
        kept.put_slice(self.before);
        kept.put_slice(self.after);
        kept.freeze()
    }
}

/// Writes the header frame and the body frames of a message. `properties` and `headers` are as messages keep them.
pub fn put_content(
    out: &mut Output,
    channel: u16,
    properties: &[u8],
    headers: &[u8],
    body: &Bytes,
    frame_max: usize,
) {
    out.frame(FrameKind::Header, channel, |out| {
        out.put_u16(CLASS);
        out.put_u16(0);
        out.put_u64(body.len() as u64);
        let (flags, rest) = match properties.split_first_chunk::<2>() {
            Some((flags, rest)) => (u16::from_be_bytes(*flags), rest),
            None => (0, properties),
        };
        let flags = if headers.is_empty() { flags } else { flags | HEADERS };
        out.put_u16(flags);
        let (before, after) = rest.split_at(len_before_headers(flags, rest));
        out.put_slice(before);
        if flags & HEADERS != 0 {
            out.put_u32(headers.len() as u32);
            out.put_slice(headers);
        }
        out.put_slice(after);
    });
    out.body(channel, body, frame_max);
}

fn len_before_headers(flags: u16, properties: &[u8]) -> usize {
    let mut len = 0;
    for flag in BEFORE_HEADERS {
        if flags & flag != 0 {
            len += 1 + properties.get(len).map_or(0, |len| usize::from(*len));
        }
    }
    len.min(properties.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::wire::next_frame;
    use proptest::prelude::*;
    use std::io::IoSlice;

    /// A content header as a client may write it: any set of properties, any table bytes.
    fn payload(flags: u16, texts: &[String], headers: &[u8], body_size: u64) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u16(60);
        out.put_u16(0);
        out.put_u64(body_size);
        out.put_u16(flags);
        let mut texts = texts.iter();
        for bit in (2..16).rev() {
            if flags & (1 << bit) == 0 {
                continue;
            }
            match bit {
                13 => {
                    out.put_u32(headers.len() as u32);
                    out.put_slice(headers);
                }
                12 | 11 => out.put_u8(2),
                6 => out.put_u64(99),
                _ => {
                    let text = texts.next().unwrap();
                    out.put_u8(text.len() as u8);
                    out.put_slice(text.as_bytes());
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn what_a_client_wrote_leaves_as_it_came(
            flags: u16,
            texts in prop::collection::vec("[a-z]{0,9}", 14),
            headers in prop::collection::vec(any::<u8>(), 0..30),
            body in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            let flags = flags & !0b11;
            let sent = payload(flags, &texts, &headers, body.len() as u64);
            let read = ContentHeader::read(&sent).unwrap();
            prop_assert_eq!(read.headers.is_some(), flags & HEADERS != 0);
            let mut output = Output::default();
            put_content(&mut output, 3, &read.properties(), read.headers.unwrap_or_default(), &body.clone().into(), 4096);
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = output.slices(&mut slices);
            let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            let (frame, _) = next_frame(&bytes, 4096).unwrap().unwrap();
            prop_assert_eq!(frame.payload, sent);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(read) = ContentHeader::read(&bytes) {
                let _ = read.properties();
            }
        }
    }
}
