use crate::StoreError;
use crate::block_header::HEADER_LEN;
use crate::page_buffer::PAGE;

/// How a journal lays out its files.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Bytes of one segment file: a multiple of 4 KiB, at least 64 KiB (1 MiB and more is sensible; 64 MiB by
    /// default). It bounds the largest record. Fixed when the data directory is first used.
    pub segment_bytes: u64,
    /// Recycled segments kept for reuse beyond the one in use; more are deleted. Of those that are given up while the
    /// disk has no room for another file, four at most are kept.
    pub spare_segments: usize,
    /// Free bytes on the disk that a new segment never takes, so that checkpoints and settled logs find room.
    pub headroom_bytes: u64,
    /// Whether a thread of the journal prepares segments ahead of time. If not, call
    /// [`SegmentPreparer::run`](crate::SegmentPreparer::run) now and then.
    pub background: bool,
}

impl Default for JournalConfig {
    fn default() -> JournalConfig {
        JournalConfig {
            segment_bytes: 64 << 20,
            spare_segments: 16,
            headroom_bytes: 64 << 20,
            background: true,
        }
    }
}

impl JournalConfig {
    pub(crate) const SMALLEST_SEGMENT: u64 = 64 * 1024;
    pub(crate) const LARGEST_SEGMENT: u64 = 1 << 30;

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let bytes = self.segment_bytes;
        let fits = (Self::SMALLEST_SEGMENT..=Self::LARGEST_SEGMENT).contains(&bytes);
        if fits && bytes.is_multiple_of(PAGE as u64) {
            return Ok(());
        }
        Err(StoreError::Config(format!(
            "a journal segment of {bytes} bytes is not possible: use a multiple of 4096 from {} to {}",
            Self::SMALLEST_SEGMENT,
            Self::LARGEST_SEGMENT
        )))
    }
}

/// Positions within a segment file, and between positions and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) segment_bytes: u64,
}

impl Layout {
    /// Where the first block of a segment begins; the page before it is the segment's header.
    pub(crate) const FIRST_BLOCK: u64 = PAGE as u64;

    /// Where the last block with records ends at the latest; the page after it is for blocks without records.
    pub(crate) fn records_end(self) -> u64 {
        self.segment_bytes - PAGE as u64
    }

    /// Where the last block without records must begin at the latest so that a seal still follows.
    pub(crate) fn last_empty_block(self) -> u64 {
        self.segment_bytes - 2 * HEADER_LEN as u64
    }

    /// With less room than this a segment is left for the next one.
    pub(crate) fn roll_below(self) -> u64 {
        (self.segment_bytes / 16).min(64 * 1024)
    }

    /// Bytes that blocks with records may take in an empty segment.
    pub(crate) fn capacity(self) -> u64 {
        self.records_end() - Self::FIRST_BLOCK
    }

    pub(crate) fn segment_of(self, position: u64) -> u64 {
        position / self.segment_bytes
    }

    pub(crate) fn offset_of(self, position: u64) -> u64 {
        position % self.segment_bytes
    }

    pub(crate) fn base(self, segment: u64) -> u64 {
        segment * self.segment_bytes
    }
}
