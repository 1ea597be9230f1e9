use std::sync::Arc;

use memchr::memmem;

use crate::block_header::{self, BLOCK_ALIGN, BlockHeader, HEADER_LEN};
use crate::{DiskFile, Lsn};

/// Bytes read ahead.
const WINDOW: usize = 512 * 1024;

/// The smallest piece that a disk refuses to read.
pub(crate) const SECTOR: usize = 512;
/// Bytes that the disk is asked to have ready next.
const READ_AHEAD: u64 = 4 << 20;

/// Reads a file of blocks from front to back and judges each. Nothing in the file is believed before it is checked.
pub(crate) struct BlockScanner {
    file: Arc<dyn DiskFile>,
    expect: Expected,
    window: Vec<u8>,
    window_at: u64,
    window_len: usize,
    /// How far the disk was asked to read ahead.
    asked_to: u64,
}

/// What a block must say about itself to be believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) identity: u64,
    /// The position of the file's first byte.
    pub(crate) base: Lsn,
    /// No block reaches beyond this offset in the file.
    pub(crate) limit: u64,
}

impl BlockScanner {
    pub(crate) fn new(file: Arc<dyn DiskFile>, expect: Expected) -> BlockScanner {
        BlockScanner { file, expect, window: Vec::new(), window_at: 0, window_len: 0, asked_to: 0 }
    }

    /// The header of the whole and valid block at `offset`, if one from `min_epoch` or later lies there.
    pub(crate) fn probe(&mut self, offset: u64, min_epoch: u32) -> Option<BlockHeader> {
        let header = self.header_at(offset)?;
        let extent = header.extent();
        let plausible = header.epoch >= min_epoch
            && extent <= self.expect.limit.checked_sub(offset)?
            && header.durable_before <= header.lsn;
        if !plausible {
            return None;
        }
        let identity = self.expect.identity;
        let block = self.bytes(offset, extent as usize);
        let whole = block.len() as u64 == extent && block_header::checksum(identity, block) == header.crc;
        whole.then_some(header)
    }

    /// What lies at `offset` and claims to be a block of this position, whole or not.
    pub(crate) fn header_at(&mut self, offset: u64) -> Option<BlockHeader> {
        let header = BlockHeader::decode(self.bytes(offset, HEADER_LEN))?;
        (header.lsn == self.expect.base.plus(offset)).then_some(header)
    }

    /// The first valid block that begins at or after `offset` and before `upto`.
    pub(crate) fn find(&mut self, offset: u64, upto: u64, min_epoch: u32) -> Option<BlockHeader> {
        let mut at = offset;
        loop {
            let bytes = self.bytes(at, WINDOW.min(upto.min(self.expect.limit).saturating_sub(at) as usize));
            if bytes.len() < HEADER_LEN {
                return None;
            }
            match memmem::find(bytes, &block_header::MAGIC) {
                Some(index) => {
                    at += index as u64;
                    if at.is_multiple_of(BLOCK_ALIGN)
                        && let Some(header) = self.probe(at, min_epoch)
                    {
                        return Some(header);
                    }
                    at += 1;
                }
                // A mark may lie across the end.
                None => at += (bytes.len() + 1 - block_header::MAGIC.len()) as u64,
            }
        }
    }

    /// The bytes of a block that was just found valid.
    pub(crate) fn block(&mut self, header: &BlockHeader) -> &[u8] {
        let offset = header.lsn.0 - self.expect.base.0;
        self.bytes(offset, HEADER_LEN + header.payload_len as usize)
    }

    /// Up to `len` bytes at `offset`; fewer at the end of the file.
    fn bytes(&mut self, offset: u64, len: usize) -> &[u8] {
        let inside =
            offset >= self.window_at && offset + len as u64 <= self.window_at + self.window_len as u64;
        if !inside {
            self.ask_ahead(offset + len.max(WINDOW) as u64);
            let ahead = WINDOW.min(self.expect.limit.saturating_sub(offset) as usize);
            self.fill(offset, len.max(ahead));
        }
        let from = (offset - self.window_at) as usize;
        let to = (from + len).min(self.window_len);
        self.window.get(from..to).unwrap_or_default()
    }

    /// Has the disk get what follows `next`, some megabytes at a time.
    fn ask_ahead(&mut self, next: u64) {
        if next + READ_AHEAD / 2 > self.asked_to {
            let from = next.max(self.asked_to);
            self.file.read_ahead(from, READ_AHEAD.min(self.expect.limit.saturating_sub(from)));
            self.asked_to = from + READ_AHEAD;
        }
    }

    fn fill(&mut self, offset: u64, len: usize) {
        if self.window.len() < len {
            self.window = vec![0; len];
        }
        self.window_at = offset;
        self.window_len = 0;
        while self.window_len < len {
            let at = offset + self.window_len as u64;
            match self.file.read_at(&mut self.window[self.window_len..len], at) {
                Ok(0) => break,
                Ok(read) => self.window_len += read,
                Err(_) => self.fill_sector(at, len),
            }
        }
    }

    /// Reads on sector by sector, leaving zeros where the disk refuses: no block is valid there, and those behind are
    /// found.
    fn fill_sector(&mut self, at: u64, len: usize) {
        let rest = SECTOR - (at % SECTOR as u64) as usize;
        let to = (self.window_len + rest).min(len);
        let piece = &mut self.window[self.window_len..to];
        match self.file.read_at(piece, at) {
            Ok(read) if read > 0 => self.window_len += read,
            _ => {
                piece.fill(0);
                self.window_len = to;
            }
        }
    }
}
