//! Finding the way through a segment that may be damaged.
use std::io;

use crc_fast::{CrcAlgorithm, Digest};
use segment_store::DiskFile;

use super::SegmentState;
use crate::Offset;
use crate::batch::{BatchHeader, HEADER_LEN, checksum_matches};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;
/// Batches up to this size are read as a whole.
const WHOLE_MAX: usize = 4 << 20;
/// Where a batch's checksum begins to cover it.
const COVERED_FROM: u64 = 21;
const MAGIC_AT: usize = 16;

/// What lies at a place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole batch whose checksum holds.
    Batch { position: u64, header: BatchHeader },
    /// Offsets that are lost; reading goes on at the position.
    Lost { first: Offset, next: Offset, position: u64 },
    /// The end of the segment.
    End,
}

/// A segment's log file, read in chunks and checked batch by batch.
pub(crate) struct Salvage<'a> {
    file: &'a dyn DiskFile,
    state: &'a SegmentState,
    chunk: Vec<u8>,
    chunk_at: u64,
}

impl<'a> Salvage<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, state: &'a SegmentState) -> Salvage<'a> {
        Salvage { file, state, chunk: Vec::new(), chunk_at: 0 }
    }

    /// What is found at `position`, where the record `expected` should be.
    pub(crate) fn step(&mut self, position: u64, expected: Offset) -> io::Result<Found> {
        if position >= self.state.len {
            let end = self.state.end;
            return Ok(if expected < end {
                Found::Lost { first: expected, next: end, position: self.state.len }
            } else {
                Found::End
            });
        }
        match self.trusted(position, expected)? {
            Some(header) if header.base_offset == expected => Ok(Found::Batch { position, header }),
            Some(header) => Ok(Found::Lost { first: expected, next: header.base_offset, position }),
            None => self.resume(position + 1, expected),
        }
    }

    /// The batch at `position` if it is beyond doubt. The checksum does not cover the base offset, so a batch that
    /// leaves a gap must be followed by one that agrees with it.
    pub(super) fn trusted(&mut self, position: u64, expected: Offset) -> io::Result<Option<BatchHeader>> {
        let Some(header) = self.plausible(position, expected)? else { return Ok(None) };
        if !self.checksum_holds(position, &header)? {
            return Ok(None);
        }
        if header.base_offset == expected {
            return Ok(Some(header));
        }
        let after = position + header.total_len as u64;
        let agrees = if after == self.state.len {
            header.next_offset() == self.state.end
        } else {
            self.plausible(after, header.next_offset())?
                .is_some_and(|next| next.base_offset == header.next_offset())
        };
        Ok(agrees.then_some(header))
    }

    /// The header at `position` if it could be one of this segment's.
    fn plausible(&mut self, position: u64, expected: Offset) -> io::Result<Option<BatchHeader>> {
        let state = self.state;
        let Some(head) = self.bytes(position, HEADER_LEN)? else { return Ok(None) };
        Ok(BatchHeader::parse(head).ok().filter(|header| {
            header.base_offset >= expected
                && header.last_offset() < state.end
                && header.total_len as u64 <= state.len - position
        }))
    }

    /// All bytes of a batch that was found.
    pub(crate) fn batch(&mut self, position: u64, header: &BatchHeader) -> io::Result<&[u8]> {
        let bytes = self.bytes(position, header.total_len)?;
        bytes.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "a segment became shorter"))
    }

    fn checksum_holds(&mut self, position: u64, header: &BatchHeader) -> io::Result<bool> {
        if header.total_len <= WHOLE_MAX {
            // Read once: whoever walks through the segment wants the batch as well.
            let batch = self.bytes(position, header.total_len)?;
            return Ok(batch.is_some_and(checksum_matches));
        }
        let end = position + header.total_len as u64;
        let mut at = position + COVERED_FROM;
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        while at < end {
            let len = CHUNK.min((end - at) as usize);
            let Some(piece) = self.bytes(at, len)? else { return Ok(false) };
            digest.update(piece);
            at += len as u64;
        }
        Ok(digest.finalize() as u32 == header.crc)
    }

    /// Looks at every byte from `position` on for the next batch that is beyond doubt.
    fn resume(&mut self, mut position: u64, expected: Offset) -> io::Result<Found> {
        while position + HEADER_LEN as u64 <= self.state.len {
            let Some(head) = self.bytes(position, HEADER_LEN)? else { break };
            let may_be = head.get(MAGIC_AT) == Some(&2) && BatchHeader::parse(head).is_ok();
            if may_be && let Some(header) = self.trusted(position, expected.next())? {
                return Ok(Found::Lost { first: expected, next: header.base_offset, position });
            }
            position += 1;
        }
        Ok(Found::Lost { first: expected, next: self.state.end, position: self.state.len })
    }

    /// Bytes of the segment; none when the file ends too early.
    fn bytes(&mut self, position: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let inside =
            position >= self.chunk_at && position + len as u64 <= self.chunk_at + self.chunk.len() as u64;
        if !inside {
            let left = self.state.len.saturating_sub(position);
            self.chunk.resize((CHUNK.max(len) as u64).min(left) as usize, 0);
            self.chunk_at = position;
            let read = read_full(self.file, &mut self.chunk, position)?;
            self.chunk.truncate(read);
        }
        let start = (position - self.chunk_at) as usize;
        Ok(self.chunk.get(start..start + len))
    }
}

/// Fills `buf` from `position` on as far as the file reaches.
pub(super) fn read_full(file: &dyn DiskFile, buf: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..)
        && !rest.is_empty()
    {
        match file.read_at(rest, position + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
