use std::path::PathBuf;

use crate::page_buffer::PAGE;

const MAGIC: [u8; 8] = *b"SLUICEJ1";
const LEN: usize = 48;
/// The header stands twice in its page, in different sectors, so that one bad sector does not take it away.
const COPIES: [usize; 2] = [0, 2048];

/// The directory of the journal's segment files.
pub(crate) const JOURNAL_DIR: &str = "journal";

/// What the first page of a segment file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Random and secret, the same in all files of one journal: blocks are checked against it.
    pub(crate) identity: u64,
    /// The segment's number, as in its name.
    pub(crate) number: u64,
    pub(crate) segment_bytes: u64,
    /// Whether every byte of the file was written once, which makes syncs of later writes cheap.
    pub(crate) zeroed: bool,
    /// Whether blocks have been written to it under this number. Set some time after the first one.
    pub(crate) begun: bool,
}

impl SegmentHeader {
    /// The whole first page.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut copy = [0; LEN];
        copy[0..8].copy_from_slice(&MAGIC);
        copy[12] = u8::from(self.zeroed);
        copy[13] = u8::from(self.begun);
        copy[16..24].copy_from_slice(&self.identity.to_le_bytes());
        copy[24..32].copy_from_slice(&self.number.to_le_bytes());
        copy[32..40].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let crc = crc_fast::crc32_iscsi(&copy[12..]);
        copy[8..12].copy_from_slice(&crc.to_le_bytes());
        let mut page = vec![0; PAGE];
        for at in COPIES {
            page[at..at + LEN].copy_from_slice(&copy);
        }
        page
    }

    /// Reads whichever copy is whole.
    pub(crate) fn decode(page: &[u8]) -> Option<SegmentHeader> {
        COPIES.iter().find_map(|&at| Self::decode_copy(page.get(at..at + LEN)?))
    }

    /// Whether both copies are whole and of the same segment.
    pub(crate) fn is_intact(page: &[u8]) -> bool {
        match COPIES.map(|at| page.get(at..at + LEN).and_then(Self::decode_copy)) {
            [Some(a), Some(b)] => a == SegmentHeader { zeroed: a.zeroed, begun: a.begun, ..b },
            _ => false,
        }
    }

    /// Only the first copy, for changing what is not vital: the other stays whole if the power goes meanwhile.
    pub(crate) fn encode_first_copy(&self) -> Vec<u8> {
        let mut page = self.encode();
        page.truncate(COPIES[1]);
        page
    }

    fn decode_copy(copy: &[u8]) -> Option<SegmentHeader> {
        if copy.get(0..8)? != MAGIC
            || copy.get(8..12)? != crc_fast::crc32_iscsi(copy.get(12..)?).to_le_bytes()
        {
            return None;
        }
        let field = |at: usize| Some(u64::from_le_bytes(copy.get(at..at + 8)?.try_into().ok()?));
        Some(SegmentHeader {
            identity: field(16)?,
            number: field(24)?,
            segment_bytes: field(32)?,
            zeroed: *copy.get(12)? != 0,
            begun: *copy.get(13)? != 0,
        })
    }
}

/// Where segment `number` lies, relative to the data directory.
pub(crate) fn segment_path(number: u64) -> PathBuf {
    PathBuf::from(format!("{JOURNAL_DIR}/{number:012}.wal"))
}

/// The number in a segment file's name.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    if digits.len() < 12 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_sector_leaves_the_header_readable() {
        let header =
            SegmentHeader { identity: 0x1234, number: 7, segment_bytes: 1 << 20, zeroed: true, begun: false };
        let whole = header.encode();
        assert!(SegmentHeader::is_intact(&whole));
        for sector in 0..8 {
            let mut page = whole.clone();
            page[sector * 512..(sector + 1) * 512].fill(0xa5);
            assert_eq!(SegmentHeader::decode(&page), Some(header));
            assert_eq!(SegmentHeader::is_intact(&page), sector != 0 && sector != 4);
        }
        assert_eq!(SegmentHeader::decode(&[0; PAGE]), None);
        assert_eq!(SegmentHeader::decode(&whole[..40]), None);
    }

    #[test]
    fn names_and_numbers_match() {
        let path = segment_path(42);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap();
        assert_eq!(segment_number(name), Some(42));
        assert_eq!(segment_number("000000000042.wal.damaged"), None);
        assert_eq!(segment_number("42.wal"), None);
    }
}
