//! Records and queued messages on their way out.

use bytes::Bytes;
use message::{HeaderValue, Timestamp};

use super::frame::{
    BatchError, BatchHeader, BatchKind, HEADER_BYTES, Take, flag, patch_u32, put_bytes, put_text,
};
use super::headers;
use crate::topics::{FailedAttempt, FailureOutcome, HeadersView, Lease, MessageView, Place, Standing};

/// What precedes the records of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordsInfo {
    /// The partition that was read.
    pub partition: u32,
    /// Where to go on reading.
    pub next_offset: i64,
    /// End of what is readable now.
    pub high_watermark: i64,
    /// First offset that is kept.
    pub log_start_offset: i64,
}

/// Writes one batch into a buffer, message by message.
#[derive(Debug)]
pub struct BatchWriter {
    start: usize,
    count: u32,
}

impl BatchWriter {
    /// Begins a batch of records.
    pub fn records(out: &mut Vec<u8>, info: RecordsInfo) -> BatchWriter {
        let writer = BatchWriter::begin(out, BatchKind::Records);
        out.extend_from_slice(&info.partition.to_be_bytes());
        for number in [info.next_offset, info.high_watermark, info.log_start_offset] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        writer
    }

    /// Begins a batch of queued messages.
    pub fn messages(out: &mut Vec<u8>) -> BatchWriter {
        BatchWriter::begin(out, BatchKind::Messages)
    }

    fn begin(out: &mut Vec<u8>, kind: BatchKind) -> BatchWriter {
        let start = out.len();
        out.extend_from_slice(&BatchHeader { kind, count: 0, length: 0 }.encode());
        BatchWriter { start, count: 0 }
    }

    /// How many messages it holds.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Says where the reader goes on, when that was not known at the start.
    pub fn set_next_offset(&self, out: &mut [u8], next_offset: i64) {
        let at = self.start + HEADER_BYTES + 4;
        if let Some(room) = out.get_mut(at..at + 8) {
            room.copy_from_slice(&next_offset.to_be_bytes());
        }
    }

    /// Appends a message.
    pub fn push(&mut self, out: &mut Vec<u8>, view: &MessageView<'_>) {
        self.count += 1;
        put_message(out, view);
    }

    /// Fills in the count and the length.
    pub fn finish(self, out: &mut [u8]) {
        let length = (out.len() - self.start - HEADER_BYTES) as u32;
        patch_u32(out, self.start + 8, self.count);
        patch_u32(out, self.start + 12, length);
    }
}

fn put_message(out: &mut Vec<u8>, view: &MessageView<'_>) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let mut flags = flag::TIMESTAMP;
    if let Some(key) = view.key {
        flags |= flag::KEY;
        put_bytes(out, key);
    }
    if put_headers(out, &view.headers) {
        flags |= flag::HEADERS;
    }
    if let Some(content_type) = view.content_type {
        flags |= flag::CONTENT_TYPE;
        put_text(out, content_type);
    }
    out.extend_from_slice(&view.timestamp.to_be_bytes());
    match &view.place {
        Place::Log { offset, .. } => {
            // The partition stands once, before the records.
            flags |= flag::OFFSET;
            if view.value.is_none() {
                flags |= flag::TOMBSTONE;
            }
            out.extend_from_slice(&offset.to_be_bytes());
        }
        Place::Queue { .. } => flags |= put_place(out, &view.place, view.value.is_none()),
    }
    out.extend_from_slice(view.value.unwrap_or_default());
    let len = (out.len() - start - 4) as u32;
    patch_u32(out, start, len);
    patch_u32(out, start + 4, flags);
}

fn put_headers(out: &mut Vec<u8>, view: &HeadersView<'_>) -> bool {
    let start = out.len();
    let mut count = 0u16;
    match view {
        HeadersView::Record(list) => {
            if list.is_empty() {
                return false;
            }
            out.extend_from_slice(&[0; 2]);
            for (name, value) in list.iter().take(usize::from(u16::MAX)) {
                headers::put_raw(out, name, *value);
                count += 1;
            }
        }
        HeadersView::Table(table) => {
            if table.is_empty() {
                return false;
            }
            out.extend_from_slice(&[0; 2]);
            for (name, value) in table.iter().take(usize::from(u16::MAX)) {
                headers::put_typed(out, name, &value);
                count += 1;
            }
        }
    }
    if let Some(room) = out.get_mut(start..start + 2) {
        room.copy_from_slice(&count.to_be_bytes());
    }
    true
}

/// Appends what a queue knows of a message, in bit order, and answers the flags.
fn put_place(out: &mut Vec<u8>, place: &Place<'_>, tombstone: bool) -> u32 {
    let Place::Queue { id, priority, attempt, redelivered, properties, failures, standing } = place else {
        return 0;
    };
    let mut flags = flag::PRIORITY | flag::ID | flag::ATTEMPT;
    out.push(*priority);
    let known = [
        ("message_id", flag::MESSAGE_ID),
        ("correlation_id", flag::CORRELATION_ID),
        ("reply_to", flag::REPLY_TO),
    ];
    for (name, bit) in known {
        if let Some((_, value)) = properties.iter().find(|(have, _)| *have == name) {
            flags |= bit;
            put_text(out, value);
        }
    }
    if tombstone {
        flags |= flag::TOMBSTONE;
    }
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&attempt.to_be_bytes());
    if *redelivered {
        flags |= flag::REDELIVERED;
    }
    let mut state = |out: &mut Vec<u8>, state: u8, until: i64| {
        flags |= flag::STATE;
        out.push(state);
        out.extend_from_slice(&until.to_be_bytes());
    };
    match standing {
        Standing::Taken => {}
        Standing::Ready => state(out, 0, 0),
        Standing::LeasedByOther { expires_at, holder: _ } => state(out, 1, *expires_at),
        Standing::Delayed { ready_at } => state(out, 2, *ready_at),
        Standing::Dying => state(out, 3, 0),
        Standing::Leased { lease, expires_at } => {
            flags |= flag::LEASE;
            out.extend_from_slice(&lease.0);
            out.extend_from_slice(&expires_at.to_be_bytes());
        }
    }
    let other = || properties.iter().filter(|(name, _)| known.iter().all(|(have, _)| have != name));
    let count = other().count().min(255);
    if count > 0 {
        flags |= flag::PROPERTIES;
        out.push(count as u8);
        for (name, value) in other().take(count) {
            let name = name.as_bytes().get(..name.len().min(255)).unwrap_or_default();
            out.push(name.len() as u8);
            out.extend_from_slice(name);
            put_text(out, value);
        }
    }
    if !failures.is_empty() {
        flags |= flag::FAILURES;
        put_failures(out, failures);
    }
    flags
}

fn put_failures(out: &mut Vec<u8>, failures: &[FailedAttempt]) {
    let told = failures.get(failures.len().saturating_sub(255)..).unwrap_or_default();
    out.push(told.len() as u8);
    for failed in told {
        out.extend_from_slice(&failed.attempt.to_be_bytes());
        out.push(match failed.outcome {
            FailureOutcome::Returned => 0,
            FailureOutcome::LeaseExpired => 1,
            FailureOutcome::Rejected => 2,
        });
        out.extend_from_slice(&failed.at.0.to_be_bytes());
        out.extend_from_slice(&failed.retry_at.map_or(0, |at| at.0).to_be_bytes());
    }
}

fn read_failures(from: &mut Take<'_>, at: u32) -> Result<Vec<FailedAttempt>, BatchError> {
    let count = from.u8()?;
    let failed = |_| {
        Ok(FailedAttempt {
            attempt: from.u32()?,
            outcome: match from.u8()? {
                0 => FailureOutcome::Returned,
                1 => FailureOutcome::LeaseExpired,
                2 => FailureOutcome::Rejected,
                _ => return Err(BatchError::Part(at, "failed attempt")),
            },
            at: Timestamp(from.i64()?),
            retry_at: Some(from.i64()?).filter(|at| *at != 0).map(Timestamp),
        })
    };
    (0..count).map(failed).collect()
}

/// A decoded message: what a client sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadMessage {
    /// As published.
    pub key: Option<Bytes>,
    /// As published.
    pub headers: Vec<(String, HeaderValue)>,
    /// As published.
    pub content_type: Option<String>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// In a log.
    pub offset: Option<i64>,
    /// In a queue.
    pub id: Option<u64>,
    /// In a queue.
    pub priority: Option<u8>,
    /// How often it was handed out.
    pub attempt: Option<u32>,
    /// Whether it was handed out before.
    pub redelivered: bool,
    /// The lease and its end, when the reader holds one.
    pub lease: Option<(Lease, i64)>,
    /// 0 ready, 1 leased by another, 2 delayed, and until when.
    pub state: Option<(u8, i64)>,
    /// `message_id` and its like.
    pub properties: Vec<(String, String)>,
    /// Attempts that failed.
    pub failures: Vec<FailedAttempt>,
    /// `None` is a tombstone.
    pub value: Option<Bytes>,
}

/// Reads one batch of records or queued messages: what a client does. Answers the bytes that it took, too.
pub fn decode_messages(body: &Bytes) -> Result<(Option<RecordsInfo>, Vec<ReadMessage>, usize), BatchError> {
    let mut from = Take::new(body);
    let header = BatchHeader::read(&mut from)?;
    let mut part = from.part(header.length as usize)?;
    let info = match header.kind {
        BatchKind::Messages => None,
        BatchKind::Records => Some(RecordsInfo {
            partition: part.u32()?,
            next_offset: part.i64()?,
            high_watermark: part.i64()?,
            log_start_offset: part.i64()?,
        }),
        BatchKind::Publish | BatchKind::Results => return Err(BatchError::Kind(0)),
    };
    let mut messages = Vec::new();
    for at in 0..header.count {
        let len = part.u32()? as usize;
        messages.push(read_message(part.part(len)?, at)?);
    }
    if part.left() > 0 {
        return Err(BatchError::Count(header.count));
    }
    Ok((info, messages, body.len() - from.left()))
}

fn read_message(mut from: Take<'_>, at: u32) -> Result<ReadMessage, BatchError> {
    let flags = from.u32()?;
    if flags & !flag::ALL != 0 || flags & (flag::DELAY | flag::TTL | flag::DELIVER_AT) != 0 {
        return Err(BatchError::Flags(at, flags));
    }
    let has = |bit| flags & bit != 0;
    let text = |from: &mut Take<'_>| Ok(from.text()?.ok_or(BatchError::Part(at, "text"))?.to_owned());
    let mut message = ReadMessage::default();
    if has(flag::KEY) {
        let len = from.u32()? as usize;
        message.key = Some(from.shared(len)?);
    }
    if has(flag::HEADERS) {
        message.headers = headers::read(&mut from, at, false)?;
    }
    if has(flag::CONTENT_TYPE) {
        message.content_type = Some(text(&mut from)?);
    }
    if has(flag::TIMESTAMP) {
        message.timestamp = from.i64()?;
    }
    if has(flag::PARTITION) {
        from.u32()?;
    }
    if has(flag::PRIORITY) {
        message.priority = Some(from.u8()?);
    }
    let known = [
        ("message_id", flag::MESSAGE_ID),
        ("correlation_id", flag::CORRELATION_ID),
        ("reply_to", flag::REPLY_TO),
    ];
    for (name, bit) in known {
        if has(bit) {
            message.properties.push((name.to_owned(), text(&mut from)?));
        }
    }
    if has(flag::OFFSET) {
        message.offset = Some(from.i64()?);
    }
    if has(flag::ID) {
        message.id = Some(from.u64()?);
    }
    if has(flag::ATTEMPT) {
        message.attempt = Some(from.u32()?);
    }
    message.redelivered = has(flag::REDELIVERED);
    if has(flag::LEASE) {
        message.lease = Some((Lease(from.array()?), from.i64()?));
    }
    if has(flag::STATE) {
        message.state = Some((from.u8()?, from.i64()?));
    }
    if has(flag::PROPERTIES) {
        for _ in 0..from.u8()? {
            let len = usize::from(from.u8()?);
            let name = std::str::from_utf8(from.slice(len)?).map_err(|_| BatchError::Part(at, "property"))?;
            message.properties.push((name.to_owned(), text(&mut from)?));
        }
    }
    if has(flag::FAILURES) {
        message.failures = read_failures(&mut from, at)?;
    }
    if !has(flag::TOMBSTONE) {
        message.value = Some(from.rest());
    }
    Ok(message)
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
