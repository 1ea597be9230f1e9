use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::block_header::{self, BlockHeader, HEADER_LEN};
use crate::segment::Segment;
use crate::segment_header::segment_path;
use crate::shared::Shared;
use crate::survey::read_full;
use crate::{Lsn, StoreError};

/// Bytes read at a time, and kept for the next read nearby.
const WINDOW: usize = 128 * 1024;
/// A result of at least this size shares the memory of what was read; smaller ones are copied out of it.
const SHARED_FROM: usize = 32 * 1024;
/// How many large blocks are remembered as checked.
const REMEMBERED: usize = 16;

/// Reads written blocks, from any thread.
///
/// What it answers was checked against the block's checksum, position and identity: it is what was pushed, or an
/// error. A position whose segment was recycled, even while it was being read, is an error too.
pub struct JournalReader {
    shared: Arc<Shared>,
    recent: Mutex<Recent>,
}

/// What the last reads left behind.
#[derive(Default)]
struct Recent {
    /// Whole, checked blocks of one segment, in a row.
    window: Bytes,
    window_at: Lsn,
    /// Large blocks that were checked as a whole: parts of them are read without the rest.
    checked: Vec<(Lsn, Lsn)>,
}

impl JournalReader {
    pub(crate) fn new(shared: Arc<Shared>) -> JournalReader {
        JournalReader { shared, recent: Mutex::default() }
    }

    /// The `len` bytes at `lsn`: a payload's position as [`Block::push`](crate::Block::push) answered it, or a
    /// position within one.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] when the position was recycled or is not written yet; [`StoreError::Corrupt`] when the
    /// disk no longer holds what was written; [`StoreError::Io`] when it can not be read.
    pub fn read(&self, lsn: Lsn, len: u32) -> Result<Bytes, StoreError> {
        let segment = self.segment(lsn, len)?;
        let mut recent = self.recent.lock();
        if let Some(found) = recent.find(lsn, len) {
            // The copy is right whatever happened to the file, but a recycled position should stay gone.
            return self.still_held(&segment, lsn).map(|()| found);
        }
        if recent.is_checked(lsn, len) {
            let mut bytes = vec![0; len as usize];
            self.fill(&segment, &mut bytes, lsn)?;
            return self.still_held(&segment, lsn).map(|()| Bytes::from(bytes));
        }
        self.load(&segment, lsn, &mut recent)?;
        self.still_held(&segment, lsn)?;
        recent.find(lsn, len).ok_or_else(|| corrupt(&segment, lsn, "a read crosses the end of a block"))
    }

    fn segment(&self, lsn: Lsn, len: u32) -> Result<Arc<Segment>, StoreError> {
        let end = lsn.0.checked_add(u64::from(len)).ok_or(StoreError::NotHeld(lsn))?;
        if end > self.shared.written().0 {
            return Err(StoreError::NotHeld(lsn));
        }
        let number = self.shared.layout.segment_of(lsn.0);
        self.shared.segments.read().get(&number).map(Arc::clone).ok_or(StoreError::NotHeld(lsn))
    }

    /// Called after reading: what was read before the segment was given up had not been overwritten yet.
    fn still_held(&self, segment: &Segment, lsn: Lsn) -> Result<(), StoreError> {
        if segment.is_retired() { Err(StoreError::NotHeld(lsn)) } else { Ok(()) }
    }

    fn fill(&self, segment: &Segment, buf: &mut [u8], lsn: Lsn) -> Result<(), StoreError> {
        let offset = lsn.0 - segment.base().0;
        match read_full(&*segment.file, buf, offset) {
            Ok(read) if read == buf.len() => Ok(()),
            Ok(_) => Err(corrupt(segment, lsn, "the file ends early")),
            Err(error) => Err(StoreError::io("reading", &segment_path(segment.number()), error)),
        }
    }

    /// Finds and checks the block around `lsn`, and remembers it with its neighbours.
    fn load(&self, segment: &Segment, lsn: Lsn, recent: &mut Recent) -> Result<(), StoreError> {
        let base = segment.base();
        let target = lsn.0 - base.0;
        let lost = |at: u64| {
            if segment.is_retired() {
                StoreError::NotHeld(lsn)
            } else {
                corrupt(segment, base.plus(at), "no valid block")
            }
        };
        let written_to = self.shared.written().min(segment.end()).0 - base.0;
        let mut at = segment.index.at_or_before(target).ok_or_else(|| lost(target))?;
        let mut window = Window::default();
        loop {
            if at > target {
                return Err(lost(target));
            }
            if let Some(next) = segment.index.gap_at(at) {
                (at, window) = (next, Window::default());
                continue;
            }
            let header = self.window_bytes(segment, &mut window, at, HEADER_LEN, written_to)?;
            let header = BlockHeader::decode(header).ok_or_else(|| lost(at))?;
            let extent = header.extent();
            if header.lsn != base.plus(at) || extent > written_to - at {
                return Err(lost(at));
            }
            let end = at + extent;
            if end > target {
                let block = self.window_bytes(segment, &mut window, at, extent as usize, written_to)?;
                if block_header::checksum(self.shared.identity, block) != header.crc {
                    return Err(lost(at));
                }
                recent.remember(base.plus(at), Bytes::copy_from_slice(block));
                return Ok(());
            }
            at = end;
        }
    }

    /// The `len` bytes at offset `at`, read into `window` with what follows unless they are there already.
    fn window_bytes<'w>(
        &self,
        segment: &Segment,
        window: &'w mut Window,
        at: u64,
        len: usize,
        written_to: u64,
    ) -> Result<&'w [u8], StoreError> {
        if at < window.at || at + len as u64 > window.at + window.bytes.len() as u64 {
            let ahead = len.max(WINDOW).min(written_to.saturating_sub(at) as usize);
            window.bytes.resize(ahead, 0);
            window.at = at;
            self.fill(segment, &mut window.bytes, segment.base().plus(at))?;
        }
        let from = (at - window.at) as usize;
        window.bytes.get(from..from + len).ok_or_else(|| {
            corrupt(segment, segment.base().plus(at), "a block reaches beyond what was written")
        })
    }
}

/// Unchecked bytes of a segment.
#[derive(Default)]
struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl Recent {
    fn find(&self, lsn: Lsn, len: u32) -> Option<Bytes> {
        let from = usize::try_from(lsn.0.checked_sub(self.window_at.0)?).ok()?;
        let to = from.checked_add(len as usize)?;
        let found = self.window.get(from..to)?;
        Some(if found.len() >= SHARED_FROM {
            self.window.slice(from..to)
        } else {
            Bytes::copy_from_slice(found)
        })
    }

    fn is_checked(&self, lsn: Lsn, len: u32) -> bool {
        let end = lsn.plus(u64::from(len));
        self.checked.iter().any(|&(from, to)| from <= lsn && end <= to)
    }

    fn remember(&mut self, at: Lsn, block: Bytes) {
        if block.len() > WINDOW {
            if self.checked.len() == REMEMBERED {
                self.checked.remove(0);
            }
            self.checked.push((at, at.plus(block.len() as u64)));
        }
        self.window = block;
        self.window_at = at;
    }
}

fn corrupt(segment: &Segment, at: Lsn, what: &str) -> StoreError {
    StoreError::Corrupt {
        file: segment_path(segment.number()),
        position: at.0 - segment.base().0,
        what: what.into(),
    }
}

impl Clone for JournalReader {
    fn clone(&self) -> JournalReader {
        JournalReader::new(Arc::clone(&self.shared))
    }
}

impl fmt::Debug for JournalReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalReader").finish_non_exhaustive()
    }
}
