use crc_fast::CrcAlgorithm;
use message::Timestamp;

use super::{BatchError, Codec};
use crate::Offset;

/// Bytes of the header that every batch starts with.
pub const HEADER_LEN: usize = 61;
/// Bytes before the ones that the batch's own length counts: base offset and the length itself.
pub(crate) const LENGTH_END: usize = 12;
/// Where the bytes start that the checksum covers: everything that a broker does not stamp.
pub(super) const CRC_START: usize = 21;
const CRC_AT: usize = 17;
const MAGIC: i8 = 2;

const TIMESTAMP_TYPE: i16 = 1 << 3;
pub(super) const TRANSACTIONAL: i16 = 1 << 4;
pub(super) const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// Whose clock a batch's timestamps come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's, per record.
    #[default]
    CreateTime,
    /// The broker's, one for the whole batch.
    LogAppendTime,
}

/// The fields of a batch's header (Kafka's `DefaultRecordBatch`, documented in `docs/implementation.html`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record that the batch was written with.
    pub base_offset: Offset,
    /// Bytes of the whole batch, header included.
    pub total_len: usize,
    /// The epoch of the leader that took it.
    pub leader_epoch: i32,
    /// CRC-32C over everything from the attributes on.
    pub crc: u32,
    /// Codec, timestamp type, and flags.
    pub attributes: i16,
    /// The last record's offset less the base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to, in milliseconds.
    pub base_timestamp: i64,
    /// The largest timestamp, in milliseconds; -1 when there is none.
    pub max_timestamp: i64,
    /// The idempotent producer's id, or -1.
    pub producer_id: i64,
    /// The idempotent producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The first record's sequence number, or -1.
    pub base_sequence: i32,
    /// How many records it holds.
    pub count: i32,
}

impl BatchHeader {
    /// Reads the header that `bytes` start with. The batch itself may reach beyond `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(BatchError::Truncated(HEADER_LEN - bytes.len()));
        };
        let magic = head[16] as i8;
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        let length = i32::from_be_bytes(part(head, 8));
        let total_len =
            usize::try_from(length).ok().and_then(|len| len.checked_add(LENGTH_END)).unwrap_or_default();
        if total_len < HEADER_LEN {
            return Err(BatchError::Malformed("its length is smaller than its header"));
        }
        let header = BatchHeader {
            base_offset: Offset(i64::from_be_bytes(part(head, 0))),
            total_len,
            leader_epoch: i32::from_be_bytes(part(head, 12)),
            crc: u32::from_be_bytes(part(head, CRC_AT)),
            attributes: i16::from_be_bytes(part(head, 21)),
            last_offset_delta: i32::from_be_bytes(part(head, 23)),
            base_timestamp: i64::from_be_bytes(part(head, 27)),
            max_timestamp: i64::from_be_bytes(part(head, 35)),
            producer_id: i64::from_be_bytes(part(head, 43)),
            producer_epoch: i16::from_be_bytes(part(head, 51)),
            base_sequence: i32::from_be_bytes(part(head, 53)),
            count: i32::from_be_bytes(part(head, 57)),
        };
        if header.last_offset_delta < 0 || header.count < 0 {
            return Err(BatchError::Malformed("its counts are negative"));
        }
        if header.base_offset.0 < 0 || header.base_offset.0 > i64::MAX - i64::from(i32::MAX) - 1 {
            return Err(BatchError::Malformed("its base offset is out of range"));
        }
        Ok(header)
    }

    /// Offset of the last record that the batch was written with.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset after the batch.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// How the records are compressed.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        Codec::from_attributes(self.attributes)
    }

    /// Names another codec.
    pub(super) fn set_codec(&mut self, codec: Codec) {
        self.attributes = self.attributes & !7 | codec.attributes();
    }

    /// Says whether the base timestamp is a delete horizon.
    pub(super) fn set_delete_horizon(&mut self, present: bool) {
        self.attributes = self.attributes & !DELETE_HORIZON | if present { DELETE_HORIZON } else { 0 };
    }

    /// When what the batch keeps for a while may go, in milliseconds: tombstones, or a transaction's marker.
    #[must_use]
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        self.has_delete_horizon().then_some(Timestamp(self.base_timestamp))
    }

    /// Whose clock the timestamps come from.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match self.attributes & TIMESTAMP_TYPE {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// Whether it belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether it holds a transaction's marker instead of records.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether its base timestamp is a delete horizon, stamped by compaction.
    #[must_use]
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }
}

/// `N` bytes of the header from `at` on; every call names a field that lies inside.
fn part<const N: usize>(head: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&head[at..at + N]);
    field
}

/// CRC-32C as batches carry it.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Whether the content of one whole batch is what its checksum was computed over.
#[must_use]
pub fn checksum_matches(batch: &[u8]) -> bool {
    match (batch.get(CRC_AT..CRC_START), batch.get(CRC_START..)) {
        (Some(crc), Some(covered)) => crc == crc32c(covered).to_be_bytes(),
        _ => false,
    }
}

/// Writes a header in front of records; the checksum is left for [`seal`].
pub(super) fn write(head: &mut [u8; HEADER_LEN], header: &BatchHeader) {
    head[0..8].copy_from_slice(&header.base_offset.0.to_be_bytes());
    head[8..12].copy_from_slice(&((header.total_len - LENGTH_END) as i32).to_be_bytes());
    head[12..16].copy_from_slice(&header.leader_epoch.to_be_bytes());
    head[16] = MAGIC as u8;
    head[21..23].copy_from_slice(&header.attributes.to_be_bytes());
    head[23..27].copy_from_slice(&header.last_offset_delta.to_be_bytes());
    head[27..35].copy_from_slice(&header.base_timestamp.to_be_bytes());
    head[35..43].copy_from_slice(&header.max_timestamp.to_be_bytes());
    head[43..51].copy_from_slice(&header.producer_id.to_be_bytes());
    head[51..53].copy_from_slice(&header.producer_epoch.to_be_bytes());
    head[53..57].copy_from_slice(&header.base_sequence.to_be_bytes());
    head[57..61].copy_from_slice(&header.count.to_be_bytes());
}

/// Computes and writes the checksum of a whole batch.
pub(super) fn seal(batch: &mut [u8]) -> u32 {
    assert!(batch.len() >= HEADER_LEN, "only whole batches are sealed");
    let crc = crc32c(&batch[CRC_START..]);
    batch[CRC_AT..CRC_START].copy_from_slice(&crc.to_be_bytes());
    crc
}

/// Gives a whole batch its place in the log. The checksum does not cover these fields.
pub(super) fn stamp_place(batch: &mut [u8], base_offset: Offset, leader_epoch: i32) {
    assert!(batch.len() >= HEADER_LEN, "only whole batches are stamped");
    batch[0..8].copy_from_slice(&base_offset.0.to_be_bytes());
    batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Writes another largest timestamp into a whole batch, and computes its checksum anew.
pub(super) fn stamp_max_timestamp(batch: &mut [u8], header: &mut BatchHeader, newest: i64) {
    assert!(batch.len() >= HEADER_LEN, "only whole batches are stamped");
    header.max_timestamp = newest;
    batch[35..43].copy_from_slice(&newest.to_be_bytes());
    header.crc = seal(batch);
}

/// Makes `now` the timestamp of all records of a whole batch, and computes its checksum anew.
pub(super) fn stamp_append_time(batch: &mut [u8], header: &mut BatchHeader, now: Timestamp) {
    header.attributes |= TIMESTAMP_TYPE;
    header.max_timestamp = now.0;
    batch[21..23].copy_from_slice(&header.attributes.to_be_bytes());
    batch[35..43].copy_from_slice(&header.max_timestamp.to_be_bytes());
    header.crc = seal(batch);
}
