//! The header of a batch, the flag bits of a message, and bounds-checked reading.

use bytes::Bytes;

use crate::refusal::Refusal;

/// Bytes of a batch header.
pub const HEADER_BYTES: usize = 16;

const MAGIC: [u8; 4] = *b"SLB\x01";

/// What a batch carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// Messages to publish.
    Publish,
    /// What became of published messages.
    Results,
    /// Records of one partition of a log.
    Records,
    /// Messages of a queue.
    Messages,
}

impl BatchKind {
    fn byte(self) -> u8 {
        match self {
            BatchKind::Publish => 1,
            BatchKind::Results => 2,
            BatchKind::Records => 3,
            BatchKind::Messages => 4,
        }
    }

    fn from_byte(byte: u8) -> Option<BatchKind> {
        match byte {
            1 => Some(BatchKind::Publish),
            2 => Some(BatchKind::Results),
            3 => Some(BatchKind::Records),
            4 => Some(BatchKind::Messages),
            _ => None,
        }
    }
}

/// Why bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The first four bytes are not `SLB` and version 1.
    #[error("not a batch of version 1: it must start with the bytes 53 4c 42 01")]
    Magic,
    /// Another kind was expected.
    #[error("a batch of kind {0} does not belong here")]
    Kind(u8),
    /// Reserved bytes are set.
    #[error("the reserved bytes of the header must be zero")]
    Reserved,
    /// It ends too early or says lengths that do not fit.
    #[error("the batch is cut short or a length does not fit")]
    Short,
    /// A message's length leaves bytes over or runs over.
    #[error("a length of message {0} does not fit")]
    Length(u32),
    /// Flag bits that this kind does not have.
    #[error("message {0} has flag bits that do not belong here: {1:#x}")]
    Flags(u32, u32),
    /// Text that is not UTF-8, or headers that break the rules.
    #[error("message {0} has a {1} that is malformed")]
    Part(u32, &'static str),
    /// More messages than lengths allow.
    #[error("the header says {0} messages, the batch holds another number")]
    Count(u32),
}

impl From<BatchError> for Refusal {
    fn from(error: BatchError) -> Refusal {
        let field = match &error {
            BatchError::Length(at) | BatchError::Flags(at, _) | BatchError::Part(at, _) => {
                format!("/messages/{at}")
            }
            _ => String::new(),
        };
        Refusal::invalid(field, error.to_string())
    }
}

/// The header: magic and version, kind, number of messages, bytes that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// What it carries.
    pub kind: BatchKind,
    /// How many messages or results.
    pub count: u32,
    /// Bytes after the header.
    pub length: u32,
}

impl BatchHeader {
    /// The header as it goes out.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.kind.byte();
        bytes[8..12].copy_from_slice(&self.count.to_be_bytes());
        bytes[12..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    pub(super) fn read(from: &mut Take<'_>) -> Result<BatchHeader, BatchError> {
        if from.array::<4>()? != MAGIC {
            return Err(BatchError::Magic);
        }
        let [kind, reserved @ ..] = from.array::<4>()?;
        if reserved != [0; 3] {
            return Err(BatchError::Reserved);
        }
        let kind = BatchKind::from_byte(kind).ok_or(BatchError::Kind(kind))?;
        Ok(BatchHeader { kind, count: from.u32()?, length: from.u32()? })
    }

    /// Reads a header that must be of this kind, and the part of the buffer that belongs to it.
    pub(super) fn expect<'b>(from: &mut Take<'b>, kind: BatchKind) -> Result<(u32, Take<'b>), BatchError> {
        let header = BatchHeader::read(from)?;
        if header.kind != kind {
            return Err(BatchError::Kind(header.kind.byte()));
        }
        Ok((header.count, from.part(header.length as usize)?))
    }
}

/// Which parts a message has, in the order in which they follow.
pub mod flag {
    /// Length u32, bytes.
    pub const KEY: u32 = 1;
    /// Count u16; each: name length u16, name, tagged value.
    pub const HEADERS: u32 = 1 << 1;
    /// Length u16, text.
    pub const CONTENT_TYPE: u32 = 1 << 2;
    /// i64, milliseconds.
    pub const TIMESTAMP: u32 = 1 << 3;
    /// u32.
    pub const PARTITION: u32 = 1 << 4;
    /// u8.
    pub const PRIORITY: u32 = 1 << 5;
    /// u64, milliseconds.
    pub const DELAY: u32 = 1 << 6;
    /// u64, milliseconds.
    pub const TTL: u32 = 1 << 7;
    /// Length u16, text.
    pub const MESSAGE_ID: u32 = 1 << 8;
    /// Length u16, text.
    pub const CORRELATION_ID: u32 = 1 << 9;
    /// Length u16, text.
    pub const REPLY_TO: u32 = 1 << 10;
    /// No value: nothing follows the other parts.
    pub const TOMBSTONE: u32 = 1 << 11;
    /// What a publisher may set.
    pub const PUBLISH: u32 = ((1 << 12) - 1) | DELIVER_AT;
    /// i64. Reading only, as all that follow up to the properties.
    pub const OFFSET: u32 = 1 << 12;
    /// u64.
    pub const ID: u32 = 1 << 13;
    /// u32.
    pub const ATTEMPT: u32 = 1 << 14;
    /// Nothing: it was handed out before.
    pub const REDELIVERED: u32 = 1 << 15;
    /// The 16 bytes of the lease, i64 end in milliseconds.
    pub const LEASE: u32 = 1 << 16;
    /// u8: 0 ready, 1 leased by another, 2 delayed; i64: until when, in milliseconds.
    pub const STATE: u32 = 1 << 17;
    /// Count u8; each: name length u8, name, value length u16, value.
    pub const PROPERTIES: u32 = 1 << 18;
    /// i64, milliseconds. Publishing only.
    pub const DELIVER_AT: u32 = 1 << 19;
    /// Count u8; each: attempt u32, outcome u8, i64 when it failed, i64 when it is tried again (0: not). Reading only.
    pub const FAILURES: u32 = 1 << 20;
    /// All that exist.
    pub const ALL: u32 = (1 << 21) - 1;
}

/// Reads forward through a shared buffer without ever leaving it.
#[derive(Clone)]
pub(super) struct Take<'b> {
    body: &'b Bytes,
    at: usize,
    end: usize,
}

impl<'b> Take<'b> {
    pub fn new(body: &'b Bytes) -> Take<'b> {
        Take { body, at: 0, end: body.len() }
    }

    pub fn left(&self) -> usize {
        self.end - self.at
    }

    pub fn slice(&mut self, len: usize) -> Result<&'b [u8], BatchError> {
        if len > self.left() {
            return Err(BatchError::Short);
        }
        let slice = self.body.get(self.at..self.at + len).ok_or(BatchError::Short)?;
        self.at += len;
        Ok(slice)
    }

    /// The same, sharing the buffer.
    pub fn shared(&mut self, len: usize) -> Result<Bytes, BatchError> {
        if len > self.left() {
            return Err(BatchError::Short);
        }
        let shared = self.body.slice(self.at..self.at + len);
        self.at += len;
        Ok(shared)
    }

    pub fn rest(&mut self) -> Bytes {
        let rest = self.body.slice(self.at..self.end);
        self.at = self.end;
        rest
    }

    pub fn part(&mut self, len: usize) -> Result<Take<'b>, BatchError> {
        if len > self.left() {
            return Err(BatchError::Short);
        }
        let part = Take { body: self.body, at: self.at, end: self.at + len };
        self.at += len;
        Ok(part)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], BatchError> {
        self.slice(N)?.try_into().map_err(|_| BatchError::Short)
    }

    pub fn u8(&mut self) -> Result<u8, BatchError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, BatchError> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, BatchError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, BatchError> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, BatchError> {
        self.array().map(i64::from_be_bytes)
    }

    /// A text with a 16-bit length. `None` when it is not UTF-8.
    pub fn text(&mut self) -> Result<Option<&'b str>, BatchError> {
        let len = self.u16()?;
        Ok(std::str::from_utf8(self.slice(usize::from(len))?).ok())
    }
}

/// Appends a text with a 16-bit length; what does not fit is left off at a character's edge.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(&(end as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes().get(..end).unwrap_or_default());
}

/// Appends bytes with a 32-bit length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Overwrites four bytes that were left room for.
pub(super) fn patch_u32(out: &mut [u8], at: usize, number: u32) {
    if let Some(room) = out.get_mut(at..at + 4) {
        room.copy_from_slice(&number.to_be_bytes());
    }
}
