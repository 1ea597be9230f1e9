use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::block_index::BlockIndex;
use crate::config::Layout;
use crate::page_buffer::PAGE;
use crate::segment_header::SegmentHeader;
use crate::{DiskFile, Lsn};

/// Bytes zeroed at a time; a writer waits for one such piece at most.
pub(crate) const ZERO_PIECE: usize = 256 * 1024;

/// Where a block should get to at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// A sync follows soon: a large block goes past the page cache, which makes that sync cheap.
    Disk,
    /// Nobody waits for a sync.
    Cache,
}

/// One segment file in one of its lives: recycling a file makes a new `Segment` with a new number.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) index: BlockIndex,
    retired: AtomicBool,
    zeroed: AtomicBool,
    begun: AtomicBool,
    frontier: Mutex<Frontier>,
}

/// How far a file that is still being zeroed has been written, and zeroed.
struct Frontier {
    written: u64,
    zeroed: u64,
}

impl Segment {
    pub(crate) fn new(header: SegmentHeader, file: Arc<dyn DiskFile>) -> Segment {
        Segment {
            index: BlockIndex::new(header.segment_bytes),
            file,
            retired: AtomicBool::new(false),
            zeroed: AtomicBool::new(header.zeroed),
            begun: AtomicBool::new(header.begun),
            frontier: Mutex::new(Frontier { written: Layout::FIRST_BLOCK, zeroed: Layout::FIRST_BLOCK }),
            header,
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    pub(crate) fn base(&self) -> Lsn {
        Lsn(self.header.number * self.header.segment_bytes)
    }

    pub(crate) fn end(&self) -> Lsn {
        self.base().plus(self.header.segment_bytes)
    }

    /// Says that the bytes up to `offset` hold blocks already, so that zeroing stays behind them.
    pub(crate) fn written_to(&self, offset: u64) {
        let mut frontier = self.frontier.lock();
        frontier.written = frontier.written.max(offset);
    }

    pub(crate) fn write(&self, block: &[u8], offset: u64, haste: Haste) -> io::Result<()> {
        let write = || match haste {
            Haste::Disk => self.file.write_all_at(block, offset),
            Haste::Cache => self.file.write_cached_at(block, offset),
        };
        if self.zeroed.load(Ordering::Acquire) {
            return write();
        }
        let mut frontier = self.frontier.lock();
        frontier.written = frontier.written.max(offset + block.len() as u64);
        // Written under the lock: a piece of zeros must not land on it.
        write()
    }

    pub(crate) fn is_zeroed(&self) -> bool {
        self.zeroed.load(Ordering::Acquire)
    }

    /// Writes the next piece of zeros ahead of the blocks; `false` when there is nothing left to zero.
    pub(crate) fn zero_piece(&self, zeros: &[u8]) -> io::Result<bool> {
        let mut frontier = self.frontier.lock();
        let from = frontier.zeroed.max(frontier.written.next_multiple_of(PAGE as u64));
        let piece = (zeros.len() as u64).min(self.header.segment_bytes.saturating_sub(from)) as usize;
        if piece == 0 {
            return Ok(false);
        }
        self.file.write_all_at(&zeros[..piece], from)?;
        frontier.zeroed = from + piece as u64;
        Ok(true)
    }

    /// Ends the zeroing, because it is complete or because it failed: it only makes syncs cheaper.
    pub(crate) fn stop_zeroing(&self) {
        self.zeroed.store(true, Ordering::Release);
    }

    /// Whether the header says that blocks were written.
    pub(crate) fn is_marked_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Notes in the header what is so far known of the file. These are hints, so they wait for somebody else's sync.
    pub(crate) fn write_hints(&self, zeroed: bool, begun: bool) -> io::Result<()> {
        let header = SegmentHeader { zeroed, begun, ..self.header };
        self.begun.store(begun, Ordering::Release);
        self.file.write_all_at(&header.encode_first_copy(), 0)
    }

    /// Says that the file will be overwritten. What a reader got from it before it saw this is still right.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment")
            .field("number", &self.number())
            .field("zeroed", &self.is_zeroed())
            .finish_non_exhaustive()
    }
}
