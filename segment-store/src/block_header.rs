use crate::Lsn;
use crate::page_buffer::PAGE;

/// Bytes of the header that every block starts with.
pub(crate) const HEADER_LEN: usize = 40;
/// Bytes that a record takes beside its payload: kind (u8) and length (u32, little-endian).
pub(crate) const RECORD_HEADER_LEN: usize = 5;
/// Blocks begin at multiples of this.
pub(crate) const BLOCK_ALIGN: u64 = 8;
/// From this length on a block is padded to whole pages, so that sustained large writes stay aligned.
pub(crate) const PADDED_FROM: u64 = 64 * 1024;

/// What every block begins with.
pub(crate) const MAGIC: [u8; 4] = *b"SLBK";

/// What a block is for, beside its records.
pub(crate) mod flag {
    /// The first block of an incarnation.
    pub(crate) const OPENING: u32 = 1;
    /// Nothing follows in this file: go on in the next segment.
    pub(crate) const SEAL: u32 = 2;
    /// The last block before an orderly close.
    pub(crate) const CLOSING: u32 = 4;
    /// The last block of a checkpoint.
    pub(crate) const COMPLETE: u32 = 8;
}

/// The decoded header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) crc: u32,
    /// Its own position: a block that lies anywhere else is a leftover.
    pub(crate) lsn: Lsn,
    /// The incarnation that wrote it; grows by one with every open.
    pub(crate) epoch: u32,
    pub(crate) flags: u32,
    /// Everything below this was on disk when the block was written.
    pub(crate) durable_before: Lsn,
    pub(crate) payload_len: u32,
    pub(crate) records: u32,
}

impl BlockHeader {
    /// Writes everything but the checksum, which covers what is written here.
    pub(crate) fn encode(&self, out: &mut [u8]) {
        out[0..4].copy_from_slice(&MAGIC);
        out[8..16].copy_from_slice(&self.lsn.0.to_le_bytes());
        out[16..20].copy_from_slice(&self.epoch.to_le_bytes());
        out[20..24].copy_from_slice(&self.flags.to_le_bytes());
        out[24..32].copy_from_slice(&self.durable_before.0.to_le_bytes());
        out[32..36].copy_from_slice(&self.payload_len.to_le_bytes());
        out[36..40].copy_from_slice(&self.records.to_le_bytes());
    }

    /// Reads a header without judging it: `None` when the bytes are too few or do not begin like one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<BlockHeader> {
        if !bytes.starts_with(&MAGIC) {
            return None;
        }
        Some(BlockHeader {
            crc: u32_at(bytes, 4)?,
            lsn: Lsn(u64_at(bytes, 8)?),
            epoch: u32_at(bytes, 16)?,
            flags: u32_at(bytes, 20)?,
            durable_before: Lsn(u64_at(bytes, 24)?),
            payload_len: u32_at(bytes, 32)?,
            records: u32_at(bytes, 36)?,
        })
    }

    /// Bytes of the block in the file, padding included.
    pub(crate) fn extent(&self) -> u64 {
        extent(self.lsn, HEADER_LEN as u64 + u64::from(self.payload_len))
    }

    pub(crate) fn end(&self) -> Lsn {
        self.lsn.plus(self.extent())
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// How much room a block of `len` bytes at `start` takes.
pub(crate) fn extent(start: Lsn, len: u64) -> u64 {
    let align = if len >= PADDED_FROM { PAGE as u64 } else { BLOCK_ALIGN };
    (start.0 + len).next_multiple_of(align) - start.0
}

/// The checksum of a whole block, padding included, except for its first eight bytes (mark and checksum).
///
/// CRC-32C, combined with the journal's secret identity: bytes inside a message can not pass for a block of this
/// journal, and blocks of another journal are not taken for ours.
pub(crate) fn checksum(identity: u64, block: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(block.get(8..).unwrap_or_default()) ^ identity as u32 ^ (identity >> 32) as u32
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c() {
        // RFC 3720, appendix B.4, and the check value of CRC-32/ISCSI.
        assert_eq!(crc_fast::crc32_iscsi(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc_fast::crc32_iscsi(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_header_reads_back() {
        let header = BlockHeader {
            crc: 0,
            lsn: Lsn(4096),
            epoch: 7,
            flags: flag::SEAL,
            durable_before: Lsn(99),
            payload_len: 1000,
            records: 3,
        };
        let mut bytes = [0; HEADER_LEN];
        header.encode(&mut bytes);
        assert_eq!(BlockHeader::decode(&bytes), Some(header));
        assert_eq!(BlockHeader::decode(&bytes[..39]), None);
        assert_eq!(header.extent(), 1040);
    }

    #[test]
    fn large_blocks_end_on_a_page() {
        assert_eq!(extent(Lsn(4096), 41), 48);
        assert_eq!(extent(Lsn(4104), PADDED_FROM), PADDED_FROM + 4096 - 8);
        assert_eq!(extent(Lsn(8192), PADDED_FROM), PADDED_FROM);
    }
}
