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
/// A larger block is not kept after it was checked.
const KEPT_UP_TO: usize = 512 * 1024;
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
    blocks: Checked,
    /// Blocks too large to keep that were checked as a whole: parts of them are read without the rest.
    large: Vec<(Lsn, Lsn)>,
}

/// Whole, checked blocks of one segment, in a row.
#[derive(Default)]
struct Checked {
    at: Lsn,
    bytes: Bytes,
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
        if let Some(found) = recent.blocks.find(lsn, len) {
            // The copy is right whatever happened to the file, but a recycled position should stay gone.
            return self.still_held(&segment, lsn).map(|()| found);
        }
        if recent.is_large(lsn, len) {
            let mut bytes = vec![0; len as usize];
            self.fill(&segment, &mut bytes, lsn)?;
            return self.still_held(&segment, lsn).map(|()| Bytes::from(bytes));
        }
        let loaded = self.load(&segment, lsn)?;
        self.still_held(&segment, lsn)?;
        let found = loaded.find(lsn, len);
        recent.remember(loaded);
        found.ok_or_else(|| corrupt(&segment, lsn, "a read crosses the end of a block"))
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

    /// Reads and checks the block around `lsn`, and the ones behind it that were read along.
    fn load(&self, segment: &Segment, lsn: Lsn) -> Result<Checked, StoreError> {
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
        let end = loop {
            if let Some(next) = segment.index.gap_at(at) {
                (at, window) = (next, Window::default());
            }
            if at > target {
                return Err(lost(target));
            }
            let header = self.window_bytes(segment, &mut window, at, HEADER_LEN, written_to)?;
            let header = expected_header(header, base.plus(at)).ok_or_else(|| lost(at))?;
            let end = at + header.extent();
            if end > target {
                let block =
                    self.window_bytes(segment, &mut window, at, header.extent() as usize, written_to)?;
                if block_header::checksum(self.shared.identity, block) != header.crc {
                    return Err(lost(at));
                }
                break end;
            }
            at = end;
        };
        let from = (at - window.at) as usize;
        let mut to = (end - window.at) as usize;
        while let Some(rest) = window.bytes.get(to..)
            && let Some(header) = expected_header(rest, base.plus(window.at + to as u64))
            && let Some(block) = rest.get(..header.extent() as usize)
            && block_header::checksum(self.shared.identity, block) == header.crc
        {
            to += block.len();
        }
        Ok(Checked { at: base.plus(at), bytes: Bytes::from(window.bytes).slice(from..to) })
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
            window.at = at;
            window.bytes = vec![0; ahead];
            if self.fill(segment, &mut window.bytes, segment.base().plus(at)).is_err() {
                // A bad sector further on is no concern of this read.
                window.bytes = vec![0; len.min(ahead)];
                self.fill(segment, &mut window.bytes, segment.base().plus(at))?;
            }
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

impl Checked {
    fn find(&self, lsn: Lsn, len: u32) -> Option<Bytes> {
        let from = usize::try_from(lsn.0.checked_sub(self.at.0)?).ok()?;
        let to = from.checked_add(len as usize)?;
        let found = self.bytes.get(from..to)?;
        Some(if found.len() >= SHARED_FROM {
            self.bytes.slice(from..to)
        } else {
            Bytes::copy_from_slice(found)
        })
    }
}

impl Recent {
    fn is_large(&self, lsn: Lsn, len: u32) -> bool {
        let end = lsn.plus(u64::from(len));
        self.large.iter().any(|&(from, to)| from <= lsn && end <= to)
    }

    fn remember(&mut self, loaded: Checked) {
        if loaded.bytes.len() <= KEPT_UP_TO {
            self.blocks = loaded;
            return;
        }
        if self.large.len() == REMEMBERED {
            self.large.remove(0);
        }
        self.large.push((loaded.at, loaded.at.plus(loaded.bytes.len() as u64)));
    }
}

/// The header at the beginning of `bytes`, if it is that of a block at `at`.
fn expected_header(bytes: &[u8], at: Lsn) -> Option<BlockHeader> {
    BlockHeader::decode(bytes).filter(|header| header.lsn == at)
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
