use std::borrow::Cow;

use bytes::Bytes;

use super::varint::Cursor;
use super::{BatchError, BatchHeader, Codec, HEADER_LEN, TimestampType};
use crate::Offset;

/// The fewest bytes that a record can take: length, attributes, two deltas, two null fields, no headers.
const RECORD_LEN_MIN: usize = 7;

/// The records of one batch, decompressed where needed and not copied where not.
///
/// ```
/// use log_engine::batch::{BatchBuilder, RecordSet};
/// use message::Timestamp;
///
/// let mut builder = BatchBuilder::new(Timestamp(1_700_000_000_000));
/// builder.push(Some(b"k"), Some(b"v"), &[(b"h", Some(b"1"))], None);
/// let batch = builder.build();
/// let set = RecordSet::open(batch.as_bytes(), 1 << 20)?;
/// for record in set.iter() {
///     let record = record?;
///     assert_eq!((record.key, record.value), (Some(&b"k"[..]), Some(&b"v"[..])));
///     assert_eq!(record.headers.iter().next(), Some((&b"h"[..], Some(&b"1"[..]))));
/// }
/// # Ok::<(), log_engine::batch::BatchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RecordSet<'a> {
    header: BatchHeader,
    content: Cow<'a, [u8]>,
}

impl<'a> RecordSet<'a> {
    /// Opens one whole batch whose checksum holds; compressed records may grow to `decompressed_max` bytes.
    pub fn open(batch: &'a [u8], decompressed_max: usize) -> Result<RecordSet<'a>, BatchError> {
        let header = BatchHeader::parse(batch)?;
        match header.codec()? {
            Codec::None => RecordSet::parse(&header, batch),
            _ => RecordSet::decompress(&header, batch, decompressed_max),
        }
    }

    pub(super) fn parse(header: &BatchHeader, batch: &'a [u8]) -> Result<RecordSet<'a>, BatchError> {
        RecordSet::over(header, Cow::Borrowed(content(header, batch)?))
    }

    pub(super) fn decompress(
        header: &BatchHeader,
        batch: &[u8],
        max: usize,
    ) -> Result<RecordSet<'static>, BatchError> {
        let opened = header.codec()?.decompress(content(header, batch)?, max)?;
        RecordSet::over(header, Cow::Owned(Vec::from(opened)))
    }

    fn over<'c>(header: &BatchHeader, content: Cow<'c, [u8]>) -> Result<RecordSet<'c>, BatchError> {
        // A count that the content cannot hold is caught before anyone reserves memory for it.
        if header.count as usize > content.len() / RECORD_LEN_MIN {
            return Err(BatchError::Malformed("it counts more records than it has room for"));
        }
        Ok(RecordSet { header: *header, content })
    }

    /// The batch's header.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records' bytes, decompressed.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// All records, in order.
    #[must_use]
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { header: &self.header, rest: Cursor::new(&self.content), left: self.header.count }
    }

    /// The records from an offset on; those before are stepped over by their length without being read.
    #[must_use]
    pub fn iter_from(&self, offset: Offset) -> RecordIter<'_> {
        let mut records = self.iter();
        records.skip_to(offset);
        records
    }

    /// Where these records lie in `batch`, when they were not compressed: for handing out without a copy.
    #[must_use]
    pub fn slice_of(&self, batch: &Bytes, part: &[u8]) -> Bytes {
        match self.content {
            Cow::Borrowed(_) if batch.as_ptr_range().contains(&part.as_ptr()) => batch.slice_ref(part),
            _ => Bytes::copy_from_slice(part),
        }
    }
}

impl<'a> IntoIterator for &'a RecordSet<'_> {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = RecordIter<'a>;
    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

fn content<'b>(header: &BatchHeader, batch: &'b [u8]) -> Result<&'b [u8], BatchError> {
    batch
        .get(HEADER_LEN..header.total_len)
        .ok_or_else(|| BatchError::Truncated(header.total_len.saturating_sub(batch.len())))
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: Offset,
    /// Milliseconds since the Unix epoch; -1 when the producer gave none.
    pub timestamp: i64,
    /// Its key; absent is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// Its value; absent is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: RecordHeaders<'a>,
}

/// One record with the bytes that it consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawRecord<'a> {
    pub record: Record<'a>,
    /// All of it, its length included.
    pub whole: &'a [u8],
    pub attributes: u8,
    /// Its timestamp as it is stored: relative to the batch's base.
    pub timestamp_delta: i64,
    /// What follows its offset: key, value, headers.
    pub rest: &'a [u8],
}

/// The headers of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeaders<'a> {
    count: i32,
    bytes: &'a [u8],
}

impl<'a> RecordHeaders<'a> {
    /// Takes the headers, which end a record.
    pub(super) fn read(body: &mut Cursor<'a>) -> Result<RecordHeaders<'a>, BatchError> {
        let count = body.varint()?;
        if count < 0 {
            return Err(BatchError::Malformed("a record has a negative number of headers"));
        }
        let bytes = body.rest();
        for _ in 0..count {
            header(body)?;
        }
        if !body.is_empty() {
            return Err(BatchError::Malformed("bytes follow a record's headers"));
        }
        Ok(RecordHeaders { count, bytes })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Name (UTF-8 by Kafka's rules, unchecked) and value of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = Cursor::new(self.bytes);
        (0..self.count).map_while(move |_| header(&mut rest).ok())
    }
}

fn header<'a>(rest: &mut Cursor<'a>) -> Result<(&'a [u8], Option<&'a [u8]>), BatchError> {
    let name = rest.nullable()?.ok_or(BatchError::Malformed("a header has no name"))?;
    Ok((name, rest.nullable()?))
}

/// Steps through a batch's records. After an error it ends.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    header: &'a BatchHeader,
    rest: Cursor<'a>,
    left: i32,
}

impl<'a> RecordIter<'a> {
    /// The records with the bytes that they consist of.
    pub(crate) fn raw(mut self) -> impl Iterator<Item = Result<RawRecord<'a>, BatchError>> {
        std::iter::from_fn(move || {
            if self.left <= 0 {
                return None;
            }
            let raw = self.raw_record();
            self.left = if raw.is_ok() { self.left - 1 } else { 0 };
            Some(raw)
        })
    }

    fn raw_record(&mut self) -> Result<RawRecord<'a>, BatchError> {
        let before = self.rest.rest();
        let mut body = self.rest.record()?;
        let whole = before.get(..before.len() - self.rest.rest().len()).unwrap_or_default();
        let attributes = body.byte()?;
        let timestamp_delta = body.varlong()?;
        body.varint()?;
        let rest = body.rest();
        let mut again = RecordIter { header: self.header, rest: Cursor::new(whole), left: 1 };
        Ok(RawRecord { record: again.record()?, whole, attributes, timestamp_delta, rest })
    }

    /// Offset and timestamp: what every record starts with.
    fn place(&self, body: &mut Cursor<'a>) -> Result<(Offset, i64), BatchError> {
        body.byte()?;
        let timestamp = match self.header.timestamp_type() {
            TimestampType::CreateTime => self.header.base_timestamp.wrapping_add(body.varlong()?),
            TimestampType::LogAppendTime => {
                body.varlong()?;
                self.header.max_timestamp
            }
        };
        let delta = body.varint()?;
        if delta < 0 || delta > self.header.last_offset_delta {
            return Err(BatchError::Malformed("a record's offset lies outside its batch"));
        }
        Ok((self.header.base_offset.plus(i64::from(delta)), timestamp))
    }

    fn record(&mut self) -> Result<Record<'a>, BatchError> {
        let mut body = self.rest.record()?;
        let (offset, timestamp) = self.place(&mut body)?;
        let (key, value) = (body.nullable()?, body.nullable()?);
        Ok(Record { offset, timestamp, key, value, headers: RecordHeaders::read(&mut body)? })
    }

    fn skip_to(&mut self, offset: Offset) {
        while self.left > 0 {
            let mut ahead = self.clone();
            match ahead.rest.record().and_then(|mut body| self.place(&mut body)) {
                Ok((at, _)) if at < offset => {
                    ahead.left -= 1;
                    *self = ahead;
                }
                // Found; or broken, which reading it will report.
                _ => return,
            }
        }
    }

    /// The first record that is not older than `timestamp`, by offset and its own timestamp.
    pub(crate) fn find_time(mut self, timestamp: i64) -> Result<Option<(Offset, i64)>, BatchError> {
        while self.left > 0 {
            let mut body = self.rest.record()?;
            let (offset, at) = self.place(&mut body)?;
            if at >= timestamp {
                return Ok(Some((offset, at)));
            }
            self.left -= 1;
        }
        Ok(None)
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        let record = self.record();
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.max(0) as usize))
    }
}
