use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

/// One entry stands for this many bytes of a segment.
const STRIDE: u64 = 64 * 1024;

/// Where blocks begin in a segment, coarsely: the first one of every 64 KiB. 4 KiB of memory for a 64 MiB segment.
///
/// The writer adds to it while readers look; 0 means that no block begins there, since a segment begins with its
/// header.
#[derive(Debug)]
pub(crate) struct BlockIndex {
    first: Box<[AtomicU32]>,
    /// Damaged stretches found by recovery, as (from, to): no block lies there, the next one begins at `to`.
    gaps: Mutex<Vec<(u64, u64)>>,
}

impl BlockIndex {
    pub(crate) fn new(segment_bytes: u64) -> BlockIndex {
        let first = (0..segment_bytes.div_ceil(STRIDE)).map(|_| AtomicU32::new(0)).collect();
        BlockIndex { first, gaps: Mutex::new(Vec::new()) }
    }

    /// Notes that a block begins at `offset`. Offsets come in ascending order.
    pub(crate) fn add(&self, offset: u64) {
        if let Some(entry) = self.first.get((offset / STRIDE) as usize)
            && entry.load(Ordering::Relaxed) == 0
        {
            entry.store(offset as u32, Ordering::Release);
        }
    }

    pub(crate) fn add_gap(&self, from: u64, to: u64) {
        self.gaps.lock().push((from, to));
    }

    /// The end of the damaged stretch that begins at `offset`, if one does.
    pub(crate) fn gap_at(&self, offset: u64) -> Option<u64> {
        self.gaps.lock().iter().find(|&&(from, _)| from == offset).map(|&(_, to)| to)
    }

    /// The last noted block that begins at or before `offset`.
    pub(crate) fn at_or_before(&self, offset: u64) -> Option<u64> {
        let upto = ((offset / STRIDE) as usize).min(self.first.len().checked_sub(1)?);
        let noted =
            self.first.get(..=upto)?.iter().rev().map(|entry| u64::from(entry.load(Ordering::Acquire)));
        noted.into_iter().find(|&block| block != 0 && block <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_block_at_or_before_any_position() {
        let index = BlockIndex::new(1 << 20);
        assert_eq!(index.at_or_before(500_000), None);
        for offset in [4096, 5000, 70_000, 70_008, 400_000] {
            index.add(offset);
        }
        assert_eq!(index.at_or_before(4096), Some(4096));
        assert_eq!(index.at_or_before(66_000), Some(4096), "the block of that stride begins later");
        assert_eq!(index.at_or_before(70_100), Some(70_000));
        assert_eq!(index.at_or_before(399_999), Some(70_000));
        assert_eq!(index.at_or_before(u64::MAX), Some(400_000));
        assert_eq!(index.at_or_before(100), None);
    }
}
