use bytes::{BufMut, BytesMut};
use message::Timestamp;

use super::header::{self, BatchHeader};
use super::varint::{self, Numbers};
use super::{Batch, BatchError, Codec, Compression, HEADER_LEN};
use crate::Offset;
use crate::producer::Producer;

/// Makes one batch from messages, writing each record straight into the batch's bytes.
///
/// ```
/// use log_engine::batch::BatchBuilder;
/// use message::Timestamp;
///
/// let mut builder = BatchBuilder::with_capacity(Timestamp(1_700_000_000_000), 4096);
/// builder.push(None, Some(b"hello"), &[], None);
/// assert_eq!(builder.build().count(), 1);
/// ```
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: BytesMut,
    now: i64,
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
    from: Source,
}

/// Whose batch it is, as its header says.
#[derive(Clone, Copy, Debug)]
struct Source {
    producer_id: i64,
    epoch: i16,
    sequence: i32,
    flags: i16,
}

impl Source {
    const NOBODY: Source = Source { producer_id: -1, epoch: -1, sequence: -1, flags: 0 };

    fn of(producer: Producer, sequence: i32, flags: i16) -> Source {
        Source { producer_id: producer.id.0, epoch: producer.epoch.0, sequence, flags }
    }
}

impl BatchBuilder {
    /// Starts a batch whose records bear the time `now` unless they bring their own.
    #[must_use]
    pub fn new(now: Timestamp) -> BatchBuilder {
        BatchBuilder::with_capacity(now, 1024)
    }

    /// Starts a batch with room for `capacity` bytes; [`BatchBuilder::record_len`] tells what a record takes.
    #[must_use]
    pub fn with_capacity(now: Timestamp, capacity: usize) -> BatchBuilder {
        let mut bytes = BytesMut::with_capacity(capacity.max(HEADER_LEN));
        bytes.put_bytes(0, HEADER_LEN);
        BatchBuilder {
            bytes,
            now: now.0,
            base_timestamp: now.0,
            max_timestamp: i64::MIN,
            count: 0,
            from: Source::NOBODY,
        }
    }

    /// Makes it a batch of an idempotent producer; `sequence` is the number of its first record.
    #[must_use]
    pub fn produced_by(mut self, producer: Producer, sequence: i32) -> BatchBuilder {
        self.from = Source::of(producer, sequence, self.from.flags);
        self
    }

    /// Makes it part of the producer's open transaction. Without a number its records are not recognised when they
    /// come again.
    #[must_use]
    pub fn in_transaction(mut self, producer: Producer, sequence: Option<i32>) -> BatchBuilder {
        self.from = Source::of(producer, sequence.unwrap_or(-1), header::TRANSACTIONAL);
        self
    }

    /// An upper bound of the bytes that a record of such parts takes in a batch.
    #[must_use]
    pub fn record_len(key: Option<&[u8]>, value: Option<&[u8]>, headers_len: usize, headers: usize) -> usize {
        key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers_len + headers * 10 + 36
    }

    /// Adds a record. Key and value may be absent; a record without a value is a tombstone to compaction.
    ///
    /// # Panics
    /// When the batch would exceed 2 GiB, which callers rule out by their limits.
    pub fn push(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
        timestamp: Option<i64>,
    ) {
        let timestamp = timestamp.unwrap_or(self.now);
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let headers_len: usize =
            headers.iter().map(|(name, value)| field_len(Some(name)) + field_len(*value)).sum();
        let body = 1
            + varint::len(timestamp_delta)
            + varint::len(i64::from(self.count))
            + field_len(key)
            + field_len(value)
            + varint::len(headers.len() as i64)
            + headers_len;
        assert!(self.bytes.len() + body + 5 <= i32::MAX as usize, "callers keep batches below 2 GiB");
        self.bytes.reserve(body + 5);
        let out = &mut self.bytes;
        let mut numbers = Numbers::new();
        numbers.varint(body as i64).byte(0).varint(timestamp_delta).varint(i64::from(self.count));
        put_field(out, &mut numbers, key);
        put_field(out, &mut numbers, value);
        numbers.varint(headers.len() as i64);
        for (name, value) in headers {
            put_field(out, &mut numbers, Some(name));
            put_field(out, &mut numbers, *value);
        }
        numbers.flush(out);
        self.count += 1;
    }

    /// How many records it holds so far.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count as u32
    }

    /// Whether it holds none so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the batch; its base offset is 0 until a log takes it.
    ///
    /// # Panics
    /// When nothing was pushed.
    #[must_use]
    pub fn build(self) -> Batch {
        self.seal(Codec::None)
    }

    /// Ends the batch with its records compressed.
    ///
    /// # Panics
    /// When nothing was pushed.
    pub fn build_compressed(mut self, codec: Codec) -> Result<Batch, BatchError> {
        if codec != Codec::None {
            let records = self.bytes.split_off(HEADER_LEN);
            Compression::usual(codec)
                .compress(&records, &mut self.bytes)
                .map_err(|_| BatchError::Malformed("it cannot be compressed"))?;
        }
        Ok(self.seal(codec))
    }

    /// Ends the batch as one that holds a transaction's marker.
    pub(super) fn build_marker(mut self, producer: Producer) -> Batch {
        self.from = Source::of(producer, -1, header::TRANSACTIONAL | header::CONTROL);
        self.seal(Codec::None)
    }

    /// Ends the batch with its records compressed as asked; not compressed if the codec's library fails, which it does
    /// only when memory runs out.
    ///
    /// # Panics
    /// When nothing was pushed.
    #[must_use]
    pub fn build_packed(self, compression: Compression) -> Batch {
        let mut packed = BytesMut::with_capacity(HEADER_LEN + self.bytes.len() / 2);
        packed.put_bytes(0, HEADER_LEN);
        let records = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        match compression.compress(records, &mut packed) {
            Ok(()) => BatchBuilder { bytes: packed, ..self }.seal(compression.codec()),
            Err(_) => self.seal(Codec::None),
        }
    }

    fn seal(mut self, codec: Codec) -> Batch {
        assert!(self.count > 0, "a batch holds at least one record");
        let mut header = BatchHeader {
            base_offset: Offset(0),
            total_len: self.bytes.len(),
            leader_epoch: -1,
            crc: 0,
            attributes: codec.attributes() | self.from.flags,
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.from.producer_id,
            producer_epoch: self.from.epoch,
            base_sequence: self.from.sequence,
            count: self.count,
        };
        if let Some(head) = self.bytes.first_chunk_mut::<HEADER_LEN>() {
            header::write(head, &header);
        }
        header.crc = header::seal(&mut self.bytes);
        Batch::trusted(self.bytes, header)
    }
}

/// Writes a field behind the numbers before it; an absent one is a number only.
fn put_field(out: &mut BytesMut, numbers: &mut Numbers, field: Option<&[u8]>) {
    match field {
        None => {
            numbers.varint(-1);
        }
        Some(field) => {
            numbers.varint(field.len() as i64).flush(out);
            out.extend_from_slice(field);
        }
    }
}

fn field_len(field: Option<&[u8]>) -> usize {
    match field {
        None => 1,
        Some(field) => varint::len(field.len() as i64) + field.len(),
    }
}
