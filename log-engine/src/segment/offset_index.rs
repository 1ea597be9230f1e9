use segment_store::Mapped;

use super::SegmentState;
use super::index::Entries;
use crate::Offset;

/// Bytes of an entry: offset relative to the segment's base (i32) and position in the log file (i32), big-endian.
pub(super) const ENTRY_LEN: usize = 8;

/// Kafka's sparse offset index: each entry names the last offset of a batch and where that batch begins.
#[derive(Debug)]
pub(super) struct OffsetIndex {
    base: Offset,
    entries: Entries<ENTRY_LEN>,
    /// Bytes of the segment that it was made for.
    covered: u64,
}

/// A batch that an index names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexedBatch {
    pub last_offset: Offset,
    pub position: u64,
}

impl OffsetIndex {
    /// Takes the bytes of an index file when they can be one for this segment: enough entries, all rising, all
    /// inside the segment. Whether an entry tells the truth is seen when it is used.
    pub(super) fn new(bytes: Mapped, count: usize, state: &SegmentState) -> Option<OffsetIndex> {
        let entries = Entries::new(bytes, count)?;
        let index = OffsetIndex { base: state.base, entries, covered: state.len };
        let mut before: Option<IndexedBatch> = None;
        for at in 0..index.entries.count() {
            let entry = index.get(at)?;
            let rises = before.is_none_or(|before| {
                entry.last_offset > before.last_offset && entry.position > before.position
            });
            let inside = entry.last_offset >= state.base
                && entry.last_offset < state.end
                && entry.position < state.len;
            if !rises || !inside {
                return None;
            }
            before = Some(entry);
        }
        Some(index)
    }

    fn get(&self, at: usize) -> Option<IndexedBatch> {
        self.entries.get(at).map(|entry| decode(self.base, entry))
    }

    /// The last batch named that ends at or before `offset`.
    pub(super) fn floor(&self, offset: Offset) -> Option<IndexedBatch> {
        let above = self.entries.partition_point(|entry| decode(self.base, entry).last_offset <= offset);
        above.checked_sub(1).and_then(|at| self.get(at))
    }

    /// The first batch named that ends behind `offset`.
    pub(super) fn above(&self, offset: Offset) -> Option<IndexedBatch> {
        self.get(self.entries.partition_point(|entry| decode(self.base, entry).last_offset <= offset))
    }

    pub(super) fn covered(&self) -> u64 {
        self.covered
    }
}

pub(super) fn encode(relative: u32, position: u32) -> [u8; ENTRY_LEN] {
    (u64::from(relative) << 32 | u64::from(position)).to_be_bytes()
}

fn decode(base: Offset, entry: &[u8; ENTRY_LEN]) -> IndexedBatch {
    let both = u64::from_be_bytes(*entry);
    IndexedBatch { last_offset: base.plus(i64::from((both >> 32) as u32)), position: u64::from(both as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use message::Timestamp;

    fn index(entries: &[(u32, u32)]) -> Option<OffsetIndex> {
        let state =
            SegmentState { end: Offset(200), len: 1000, ..SegmentState::begin(Offset(100), Timestamp(0)) };
        let bytes: Vec<u8> = entries.iter().flat_map(|(offset, at)| encode(*offset, *at)).collect();
        OffsetIndex::new(Mapped::Copy(Bytes::from(bytes)), entries.len(), &state)
    }

    #[test]
    fn finds_the_batch_at_or_before() {
        let index = index(&[(9, 0), (19, 300), (49, 700)]).unwrap();
        let position = |offset| index.floor(Offset(offset)).map(|batch| batch.position);
        assert_eq!(position(105), None);
        assert_eq!(position(109), Some(0));
        assert_eq!(position(118), Some(0));
        assert_eq!(position(149), Some(700));
        assert_eq!(position(199), Some(700));
    }

    #[test]
    fn refuses_entries_that_fall_or_point_outside() {
        assert!(index(&[(9, 0), (9, 300)]).is_none());
        assert!(index(&[(9, 300), (19, 300)]).is_none());
        assert!(index(&[(9, 1000)]).is_none());
        assert!(index(&[(100, 0)]).is_none());
        assert!(index(&[]).is_some());
    }
}
