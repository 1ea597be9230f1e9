use crate::{Lsn, RecordKind};

/// Bytes of the header that every block starts with.
pub(crate) const HEADER_LEN: usize = 40;
/// Bytes that a record takes beside its payload: kind (u8) and length (u32, little-endian).
pub(crate) const RECORD_HEADER_LEN: usize = 5;

/// The journal's unit of atomicity while it is being filled: after a crash all of its records are there, or none.
#[derive(Debug)]
pub struct Block {
    start: Lsn,
    limit: usize,
    records: u32,
    bytes: Vec<u8>,
}

impl Block {
    /// A free-standing block that never fills, for testing engines without a journal.
    #[must_use]
    pub fn for_test(start: Lsn) -> Block {
        Block { start, limit: usize::MAX, records: 0, bytes: vec![0; HEADER_LEN] }
    }

    /// Adds one record made of `parts` and answers the position of its first payload byte.
    pub fn push(&mut self, kind: RecordKind, parts: &[&[u8]]) -> Lsn {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        assert!(self.fits(len), "the owner checks fits() before it pushes");
        self.bytes.push(kind.0);
        self.bytes.extend_from_slice(&(len as u32).to_le_bytes());
        let at = self.start.plus(self.bytes.len() as u64);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.records += 1;
        at
    }

    /// Whether a record of `payload` bytes still fits; if not, flush the journal and try the next block.
    #[must_use]
    pub fn fits(&self, payload: usize) -> bool {
        self.bytes.len().saturating_add(RECORD_HEADER_LEN + payload) <= self.limit
    }

    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The records so far, as (kind, position, payload), for tests that replay a block without a journal.
    pub fn iter(&self) -> impl Iterator<Item = (RecordKind, Lsn, &[u8])> {
        let mut rest = HEADER_LEN;
        std::iter::from_fn(move || {
            let header = self.bytes.get(rest..rest + RECORD_HEADER_LEN)?;
            let len = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
            let at = rest + RECORD_HEADER_LEN;
            let payload = self.bytes.get(at..at + len)?;
            rest = at + len;
            Some((RecordKind(header[0]), self.start.plus(at as u64), payload))
        })
    }
}
