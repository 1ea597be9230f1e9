use segment_store::Mapped;

use super::SegmentState;
use super::index::Entries;
use crate::Offset;

/// Bytes of an entry: timestamp (i64) and offset relative to the segment's base (i32), big-endian.
pub(super) const ENTRY_LEN: usize = 12;

/// Kafka's sparse time index: each entry names the largest timestamp up to its place in the log, and the last
/// offset of the first batch that has it.
#[derive(Debug)]
pub(crate) struct TimeIndex {
    base: Offset,
    entries: Entries<ENTRY_LEN>,
    covered: u64,
}

impl TimeIndex {
    /// Takes the bytes of an index file when they can be one for this segment: enough entries, all rising, all
    /// inside the segment.
    pub(super) fn new(bytes: Mapped, count: usize, state: &SegmentState) -> Option<TimeIndex> {
        let entries = Entries::new(bytes, count)?;
        let index = TimeIndex { base: state.base, entries, covered: state.len };
        let mut before: Option<(i64, Offset)> = None;
        for at in 0..index.entries.count() {
            let (timestamp, offset) = decode(index.base, index.entries.get(at)?);
            let rises = before.is_none_or(|before| timestamp > before.0 && offset > before.1);
            let inside = timestamp <= state.max_timestamp && offset >= state.base && offset < state.end;
            if !rises || !inside {
                return None;
            }
            before = Some((timestamp, offset));
        }
        Some(index)
    }

    /// The last entry that is older than `timestamp`: no record up to its offset is as new as that.
    pub(crate) fn before(&self, timestamp: i64) -> Option<(i64, Offset)> {
        let above = self.entries.partition_point(|entry| decode(self.base, entry).0 < timestamp);
        above.checked_sub(1).and_then(|at| self.entries.get(at)).map(|entry| decode(self.base, entry))
    }

    pub(super) fn covered(&self) -> u64 {
        self.covered
    }
}

pub(super) fn encode(timestamp: i64, relative: u32) -> [u8; ENTRY_LEN] {
    let mut entry = [0; ENTRY_LEN];
    entry[..8].copy_from_slice(&timestamp.to_be_bytes());
    entry[8..].copy_from_slice(&relative.to_be_bytes());
    entry
}

fn decode(base: Offset, entry: &[u8; ENTRY_LEN]) -> (i64, Offset) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *entry;
    let relative = u32::from_be_bytes([i, j, k, l]);
    (i64::from_be_bytes([a, b, c, d, e, f, g, h]), base.plus(i64::from(relative)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use message::Timestamp;

    fn index(entries: &[(i64, u32)]) -> Option<TimeIndex> {
        let state = SegmentState {
            end: Offset(200),
            len: 1000,
            max_timestamp: 5000,
            ..SegmentState::begin(Offset(100), Timestamp(0))
        };
        let bytes: Vec<u8> = entries.iter().flat_map(|(time, offset)| encode(*time, *offset)).collect();
        TimeIndex::new(Mapped::Copy(Bytes::from(bytes)), entries.len(), &state)
    }

    #[test]
    fn finds_the_last_older_entry() {
        let index = index(&[(1000, 9), (3000, 19), (5000, 49)]).unwrap();
        assert_eq!(index.before(1000), None);
        assert_eq!(index.before(1001), Some((1000, Offset(109))));
        assert_eq!(index.before(5000), Some((3000, Offset(119))));
        assert_eq!(index.before(i64::MAX), Some((5000, Offset(149))));
    }

    #[test]
    fn refuses_entries_that_fall_or_point_outside() {
        assert!(index(&[(1000, 9), (1000, 10)]).is_none());
        assert!(index(&[(1000, 9), (2000, 9)]).is_none());
        assert!(index(&[(5001, 9)]).is_none());
        assert!(index(&[(1000, 100)]).is_none());
    }
}
