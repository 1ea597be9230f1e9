use crate::block_header::{self, BlockHeader, HEADER_LEN, RECORD_HEADER_LEN};
use crate::page_buffer::PageBuffer;
use crate::{Lsn, RecordKind};

/// Memory that an idle block keeps.
const IDLE_BYTES: usize = 128 * 1024;
/// After this many small blocks in a row the memory of an earlier large one is given back.
const SHRINK_AFTER: u32 = 256;

/// The journal's unit of atomicity while it is being filled: after a crash all of its records are there, or none.
#[derive(Debug)]
pub struct Block {
    start: Lsn,
    limit: usize,
    /// The same of the roomiest block.
    most: usize,
    records: u32,
    /// Bytes that only records which were announced may take.
    reserved: usize,
    bytes: PageBuffer,
    small_in_a_row: u32,
}

/// What the writer knows when it closes a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) identity: u64,
    pub(crate) epoch: u32,
    pub(crate) flags: u32,
    pub(crate) durable_before: Lsn,
}

impl Block {
    /// An empty block at `start` that takes up to `limit` bytes, header included.
    pub(crate) fn new(start: Lsn, limit: usize) -> Block {
        let mut block = Block {
            start,
            limit,
            most: limit,
            records: 0,
            reserved: 0,
            bytes: PageBuffer::new(start.0),
            small_in_a_row: 0,
        };
        block.bytes.zero_to(HEADER_LEN);
        block
    }

    /// Tells what the roomiest block takes, header included.
    pub(crate) fn with_most(self, most: usize) -> Block {
        Block { most, ..self }
    }

    /// A free-standing block that never fills, for testing engines without a journal.
    #[must_use]
    pub fn for_test(start: Lsn) -> Block {
        Block::new(start, usize::MAX)
    }

    /// The same with room for `limit` bytes, header included.
    #[must_use]
    pub fn bounded_for_test(start: Lsn, limit: usize) -> Block {
        Block::new(start, limit)
    }

    /// The same, of a journal whose roomiest block takes `most` bytes.
    #[must_use]
    pub fn part_for_test(start: Lsn, limit: usize, most: usize) -> Block {
        Block::new(start, limit).with_most(most)
    }

    /// Adds one record made of `parts` and answers the position of its first payload byte.
    ///
    /// # Panics
    /// When it does not fit: ask [`fits`](Block::fits), or [`Journal::ensure`](crate::Journal::ensure), first.
    pub fn push(&mut self, kind: RecordKind, parts: &[&[u8]]) -> Lsn {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        assert!(self.fits(len), "the owner checks fits() before it pushes");
        let mut header = [kind.0, 0, 0, 0, 0];
        header[1..].copy_from_slice(&(len as u32).to_le_bytes());
        self.bytes.extend(&header);
        let at = self.start.plus(self.bytes.len() as u64);
        for part in parts {
            self.bytes.extend(part);
        }
        self.records += 1;
        at
    }

    /// Whether a record of `payload` bytes still fits; if not, flush the journal and try the next block.
    #[must_use]
    pub fn fits(&self, payload: usize) -> bool {
        payload <= self.remaining()
    }

    /// The largest payload that one more record may have, in bytes.
    #[must_use]
    pub fn remaining(&self) -> usize {
        let taken = self.bytes.len() + self.reserved + RECORD_HEADER_LEN;
        self.limit.min(u32::MAX as usize).saturating_sub(taken)
    }

    /// The largest payload that one record may have in a block that is otherwise empty, whatever is in this one.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.most.min(u32::MAX as usize).saturating_sub(HEADER_LEN + RECORD_HEADER_LEN)
    }

    /// Keeps room for a record of `payload` bytes that is going to be pushed, so that nothing else takes it. The caller
    /// asked [`fits`](Block::fits) first, and calls [`release`](Block::release) before it pushes.
    pub fn reserve(&mut self, payload: usize) {
        self.reserved += payload + RECORD_HEADER_LEN;
    }

    /// Gives back what [`reserve`](Block::reserve) kept for a record of `payload` bytes.
    pub fn release(&mut self, payload: usize) {
        self.reserved = self.reserved.saturating_sub(payload + RECORD_HEADER_LEN);
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

    /// Bytes it takes so far, its header included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The position of its first byte.
    #[must_use]
    pub fn start(&self) -> Lsn {
        self.start
    }

    /// The records so far, as (kind, position, payload), for tests that replay a block without a journal.
    pub fn iter(&self) -> impl Iterator<Item = (RecordKind, Lsn, &[u8])> {
        Records::new(self.start, self.bytes.as_slice())
    }

    /// Makes a block without records `len` bytes long.
    pub(crate) fn pad_to(&mut self, len: usize) {
        assert!(self.is_empty(), "padding would be taken for records");
        self.bytes.zero_to(len);
    }

    /// Pads the block, stamps its header and answers the bytes to write.
    pub(crate) fn finish(&mut self, stamp: Stamp) -> &[u8] {
        let len = self.bytes.len();
        let header = BlockHeader {
            crc: 0,
            lsn: self.start,
            epoch: stamp.epoch,
            flags: stamp.flags,
            durable_before: stamp.durable_before,
            payload_len: (len - HEADER_LEN) as u32,
            records: self.records,
        };
        self.bytes.zero_to(header.extent() as usize);
        let bytes = self.bytes.as_mut_slice();
        header.encode(&mut bytes[..HEADER_LEN]);
        let crc = block_header::checksum(stamp.identity, bytes);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What `finish` answered.
    pub(crate) fn finished(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// What `finish` answered, filled up with zeros to the end of the page that it ends in.
    pub(crate) fn with_page_end(&mut self) -> &[u8] {
        self.bytes.with_page_end()
    }

    /// Empties it for the next block; its memory is used again.
    pub(crate) fn restart(&mut self, start: Lsn, limit: usize) {
        let used = self.bytes.len();
        self.small_in_a_row =
            if used * 4 < self.bytes.capacity() { self.small_in_a_row.saturating_add(1) } else { 0 };
        self.start = start;
        self.limit = limit;
        self.records = 0;
        self.reserved = 0;
        self.bytes.restart(start.0);
        if self.small_in_a_row >= SHRINK_AFTER && self.bytes.capacity() > IDLE_BYTES {
            self.bytes.shrink_to(IDLE_BYTES);
            self.small_in_a_row = 0;
        }
        self.bytes.zero_to(HEADER_LEN);
    }

    /// Gives back the memory that an idle journal does not need; only while empty.
    pub(crate) fn release_memory(&mut self) {
        if self.is_empty() && self.bytes.capacity() > IDLE_BYTES {
            self.bytes.restart(self.start.0);
            self.bytes.shrink_to(IDLE_BYTES);
            self.bytes.zero_to(HEADER_LEN);
        }
    }
}

/// The records of a whole block; ends early where the bytes stop making sense.
#[derive(Clone, Debug)]
pub(crate) struct Records<'a> {
    start: Lsn,
    block: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    /// `block` begins with its header and ends with its last record.
    pub(crate) fn new(start: Lsn, block: &'a [u8]) -> Records<'a> {
        Records { start, block, at: HEADER_LEN }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (RecordKind, Lsn, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.block.get(self.at..self.at + RECORD_HEADER_LEN)?;
        let &[kind, a, b, c, d] = header else { return None };
        let at = self.at + RECORD_HEADER_LEN;
        let payload = self.block.get(at..at.checked_add(u32::from_le_bytes([a, b, c, d]) as usize)?)?;
        self.at = at + payload.len();
        Some((RecordKind(kind), self.start.plus(at as u64), payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_with_their_positions() {
        let mut block = Block::for_test(Lsn(4096));
        let first = block.push(RecordKind::LOG, &[b"one ", b"record"]);
        let second = block.push(RecordKind::QUEUE, &[]);
        assert_eq!(first, Lsn(4096 + 40 + 5));
        assert_eq!(second, Lsn(first.0 + 10 + 5));
        let seen: Vec<_> = block.iter().collect();
        assert_eq!(
            seen,
            [(RecordKind::LOG, first, &b"one record"[..]), (RecordKind::QUEUE, second, &b""[..])]
        );
    }

    #[test]
    fn room_that_is_kept_is_there_for_nothing_else() {
        let mut block = Block::new(Lsn(4096), 200);
        let room = block.remaining();
        block.reserve(50);
        assert_eq!(block.remaining(), room - 50 - RECORD_HEADER_LEN);
        block.push(RecordKind::LOG, &[&vec![1; block.remaining()]]);
        assert!(!block.fits(1));
        block.release(50);
        block.push(RecordKind::LOG, &[&[2; 50]]);
        assert_eq!(block.iter().count(), 2);
    }

    #[test]
    fn a_large_block_gives_its_memory_back_after_many_small_ones() {
        let mut block = Block::new(Lsn(4096), 16 << 20);
        block.push(RecordKind::LOG, &[&vec![1; 4 << 20]]);
        block.restart(Lsn(8 << 20), 16 << 20);
        assert!(block.bytes.capacity() >= 4 << 20, "kept for the next large one");
        for _ in 0..SHRINK_AFTER {
            block.push(RecordKind::LOG, &[b"small"]);
            block.restart(Lsn(8 << 20), 16 << 20);
        }
        assert!(block.bytes.capacity() <= IDLE_BYTES);
    }
}
