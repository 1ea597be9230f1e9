use bytes::{Bytes, BytesMut};
use message::Timestamp;

use super::header::{self, BatchHeader};
use super::{BatchError, Codec, RecordSet, Survey, TimestampType, checksum_matches};
use crate::Offset;

/// One record batch that is known to be sound and is not yet part of a log.
///
/// Only [`Batch::validate`] and [`super::BatchBuilder`] make one, so whoever holds it need not check again.
#[derive(Debug)]
pub struct Batch {
    bytes: BytesMut,
    header: BatchHeader,
    /// Absent for what the builder made.
    survey: Option<Survey>,
}

impl Batch {
    /// Checks what a producer sent: one whole batch of version 2 with records numbered from 0 without gaps, also where they
    /// are compressed; they may grow to `decompressed_max` bytes. Whoever reads the batch later can rely on that.
    ///
    /// A largest timestamp in the header that is not that of the records is put right, as Kafka does: the time index rests
    /// on it.
    ///
    /// The bytes are kept, not copied, until they have settled on disk; a caller that cut them out of a much
    /// larger buffer may want to copy small ones first.
    pub fn validate(mut bytes: BytesMut, decompressed_max: usize) -> Result<Batch, BatchError> {
        let mut header = BatchHeader::parse(&bytes)?;
        if header.total_len > bytes.len() {
            return Err(BatchError::Truncated(header.total_len - bytes.len()));
        }
        if header.total_len < bytes.len() {
            return Err(BatchError::Trailing(bytes.len() - header.total_len));
        }
        if !checksum_matches(&bytes) {
            return Err(BatchError::Checksum);
        }
        if header.count == 0 {
            return Err(BatchError::Malformed("it holds no record"));
        }
        if header.last_offset_delta != header.count - 1 {
            return Err(BatchError::Malformed("its last offset does not fit its number of records"));
        }
        if header.is_control() || header.has_delete_horizon() {
            return Err(BatchError::Malformed("it carries a flag that only the broker sets"));
        }
        if header.timestamp_type() == TimestampType::LogAppendTime {
            return Err(BatchError::Malformed("its timestamps claim to be the broker's"));
        }
        // Without a producer's id the epoch and the sequence mean nothing: KafkaJS and Sarama leave zeros there.
        let produced = header.producer_id >= 0;
        if produced && (header.base_sequence < 0 || header.producer_epoch < 0) {
            return Err(BatchError::Malformed("its producer, epoch and sequence do not go together"));
        }
        if header.is_transactional() && !produced {
            return Err(BatchError::Malformed("it belongs to a transaction of nobody"));
        }
        let survey = match header.codec()? {
            Codec::None => RecordSet::parse(&header, &bytes)?.survey()?,
            _ => RecordSet::decompress(&header, &bytes, decompressed_max)?.survey()?,
        };
        if header.max_timestamp != survey.newest {
            header::stamp_max_timestamp(&mut bytes, &mut header, survey.newest);
        }
        Ok(Batch { bytes, header, survey: Some(survey) })
    }

    /// Takes what the builder made.
    pub(super) fn trusted(bytes: BytesMut, header: BatchHeader) -> Batch {
        debug_assert_eq!(bytes.len(), header.total_len);
        Batch { bytes, header, survey: None }
    }

    /// The same records in other bytes: what is known of them stays known.
    pub(super) fn rewritten(self, bytes: BytesMut, header: BatchHeader) -> Batch {
        Batch { survey: self.survey, ..Batch::trusted(bytes, header) }
    }

    /// What its records are like; compressed ones of the builder's are opened for that.
    pub(crate) fn survey(&self, decompressed_max: usize) -> Result<Survey, BatchError> {
        match self.survey {
            Some(survey) => Ok(survey),
            None => RecordSet::open(&self.bytes, decompressed_max)?.survey(),
        }
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Its bytes as they stand.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many records it holds.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.header.count as u32
    }

    /// Its size in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The batch as a reader gets it, from `base` on, without being in any log.
    #[must_use]
    pub fn into_bytes_at(self, base: Offset) -> Bytes {
        self.place(base, 0, None).1
    }

    /// Gives it its place in a log; `append_time` replaces the producer's timestamps.
    pub(crate) fn place(
        mut self,
        base_offset: Offset,
        leader_epoch: i32,
        append_time: Option<Timestamp>,
    ) -> (BatchHeader, Bytes) {
        header::stamp_place(&mut self.bytes, base_offset, leader_epoch);
        self.header.base_offset = base_offset;
        self.header.leader_epoch = leader_epoch;
        if let Some(now) = append_time {
            header::stamp_append_time(&mut self.bytes, &mut self.header, now);
        }
        // What waits to settle should not keep much more memory than it is counted for.
        let wasteful = self.bytes.capacity() > 2 * self.bytes.len();
        let bytes = if wasteful { Bytes::copy_from_slice(&self.bytes) } else { self.bytes.freeze() };
        (self.header, bytes)
    }
}
