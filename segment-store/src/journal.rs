use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::block::Stamp;
use crate::block_header::{HEADER_LEN, flag};
use crate::config::Layout;
use crate::page_buffer::PAGE;
use crate::segment::{Haste, Segment};
use crate::segment_header::segment_path;
use crate::shared::Shared;
use crate::{
    Block, CheckpointWriter, DirLock, Disk, DiskSpace, JournalConfig, JournalReader, Lsn, RecoveryReport,
    Replayed, SegmentPreparer, StoreError, Syncer, recovery,
};

/// The shard's journal: what both engines change commits here, one block at a time.
///
/// One owner fills [`block`](Journal::block) and calls [`flush`](Journal::flush); [`Syncer`]s make it durable and
/// [`JournalReader`]s read it from other threads.
pub struct Journal {
    shared: Arc<Shared>,
    current: Arc<Segment>,
    block: Block,
    preparing: Option<JoinHandle<()>>,
    lock: Arc<DirLock>,
}

impl Journal {
    /// Claims the data directory, finds what the last run left, hands it to `replay` oldest first (the newest valid
    /// checkpoint's records, then those of all retained segments), and begins a new incarnation.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has the directory; what `replay` answers; whatever keeps the
    /// journal from being read or begun. Damage does not fail it: that is in the report.
    pub fn open(
        disk: Arc<dyn Disk>,
        config: JournalConfig,
        replay: &mut dyn FnMut(Replayed<'_>) -> Result<(), StoreError>,
    ) -> Result<(Journal, RecoveryReport), StoreError> {
        config.check()?;
        let lock = recovery::claim(&*disk)?;
        let background = config.background;
        let (beginning, report) = recovery::recover(&*disk, &config, replay)?;
        let start = beginning.written;
        let shared = Arc::new(Shared::new(disk, config, beginning));
        let number = shared.layout.segment_of(start.0);
        let Some(current) = shared.segments.read().get(&number).map(Arc::clone) else {
            unreachable!("recovery answers the segment that it ends in");
        };
        let block = Block::new(start, 0).with_most(shared.layout.capacity() as usize);
        let mut journal = Journal { current, block, shared, preparing: None, lock: Arc::new(lock) };
        journal.restart_block(start);
        journal.begin_incarnation()?;
        if background {
            journal.preparing = Some(journal.preparer().spawn()?);
        }
        let report = RecoveryReport { end: journal.end(), ..report };
        Ok((journal, report))
    }

    /// Makes what was recovered durable, and after it a block that says so and carries the new epoch.
    fn begin_incarnation(&mut self) -> Result<(), StoreError> {
        self.shared.sync(self.shared.written())?;
        // The reserve; a disk without room for it still serves reads and settles.
        match self.shared.add_ready_segment(1) {
            Ok(()) | Err(StoreError::DiskFull) => {}
            Err(error) => return Err(error),
        }
        self.roll_when_nearly_full()?;
        self.write_marks(flag::OPENING)?;
        self.shared.sync(self.shared.written())?;
        Ok(())
    }

    /// The block being filled. What is pushed is neither written nor durable before [`flush`](Journal::flush) and a sync.
    pub fn block(&mut self) -> &mut Block {
        &mut self.block
    }

    /// Makes sure that a record of `payload` bytes fits the current block, by flushing it and moving on to the next
    /// segment where needed. For several records, add [`RECORD_OVERHEAD`](crate::RECORD_OVERHEAD) for each further one.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when no segment could take it; [`StoreError::DiskFull`] when there is no next segment:
    /// what was pushed before stays, and the same call may succeed later.
    pub fn ensure(&mut self, payload: usize) -> Result<(), StoreError> {
        if self.block.fits(payload) {
            return self.shared.check();
        }
        if payload > self.largest_record() {
            return Err(StoreError::TooLarge { bytes: payload as u64, limit: self.largest_record() as u64 });
        }
        self.shared.check()?;
        self.write_block(Haste::Disk)?;
        if !self.block.fits(payload) {
            self.roll()?;
        }
        Ok(())
    }

    /// The largest payload that one record may have.
    #[must_use]
    pub fn largest_record(&self) -> usize {
        self.block.largest()
    }

    /// Bytes that ordinary writers may still append without new disk space. It leaves out a reserve of one segment,
    /// which only settles, relocations and other records that make room may use.
    #[must_use]
    pub fn room(&self) -> u64 {
        let capacity = self.shared.layout.capacity();
        (self.block.remaining() as u64 + self.shared.pool.ready() as u64 * capacity).saturating_sub(capacity)
    }

    /// How much the disk holds, and how much of that is free, where it tells.
    #[must_use]
    pub fn disk_space(&self) -> Option<DiskSpace> {
        self.shared.disk.space().ok()
    }

    /// Tries to get room for at least one more segment beside the reserve.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] when it can not; nothing changed then.
    pub fn make_room(&mut self) -> Result<(), StoreError> {
        self.shared.check()?;
        while self.shared.pool.ready() < 2 {
            self.shared.add_ready_segment(2)?;
        }
        Ok(())
    }

    /// Writes the current block with one write and begins the next; answers where the journal ends now. Written data
    /// survives the death of the process; a [`Syncer`] makes it survive power loss.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] when the write, or any before it, failed.
    pub fn flush(&mut self) -> Result<Lsn, StoreError> {
        self.flush_towards(Haste::Disk)
    }

    /// The same where nobody waits for a sync: however large the block is, it is left to the page cache. If everything in
    /// it is written elsewhere and covered by a checkpoint before a sync comes, it never goes to the disk at all.
    ///
    /// # Errors
    /// As [`flush`](Journal::flush).
    pub fn flush_cached(&mut self) -> Result<Lsn, StoreError> {
        self.flush_towards(Haste::Cache)
    }

    fn flush_towards(&mut self, haste: Haste) -> Result<Lsn, StoreError> {
        self.shared.check()?;
        self.write_block(haste)?;
        self.roll_when_nearly_full()?;
        Ok(self.end())
    }

    /// Where the next block begins: everything flushed lies below.
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.block.start()
    }

    /// How far the journal is known to be durable.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.shared.durable()
    }

    /// A handle for making it durable, for any thread.
    #[must_use]
    pub fn syncer(&self) -> Syncer {
        Syncer { shared: Arc::clone(&self.shared) }
    }

    /// A handle for reading, for any thread.
    #[must_use]
    pub fn reader(&self) -> JournalReader {
        JournalReader::new(Arc::clone(&self.shared))
    }

    /// The job that gets segments ready, for shells that run it themselves.
    #[must_use]
    pub fn preparer(&self) -> SegmentPreparer {
        SegmentPreparer { shared: Arc::clone(&self.shared) }
    }

    /// The position of the oldest retained segment.
    #[must_use]
    pub fn oldest(&self) -> Lsn {
        self.shared.segments.read().values().next().map_or(self.end(), |segment| segment.base())
    }

    /// Bytes from the oldest retained segment to the end.
    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        self.end().0 - self.oldest().0
    }

    /// Bytes of one segment: how much becomes free at a time.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.shared.layout.segment_bytes
    }

    /// Gives up the segments that lie entirely below `lsn`. What the newest durable checkpoint does not cover yet stays,
    /// whatever `lsn` says: a restart needs it.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] after a failure.
    pub fn recycle_before(&mut self, lsn: Lsn) -> Result<(), StoreError> {
        self.shared.check()?;
        let floor = lsn.min(self.shared.checkpoint()).min(self.durable());
        let mut segments = self.shared.segments.write();
        let mut any = false;
        while let Some(oldest) = segments.first_entry() {
            if oldest.get().end() > floor || *oldest.key() == self.current.number() {
                break;
            }
            let segment = oldest.remove();
            segment.retire();
            self.shared.pool.retire(segment);
            any = true;
        }
        drop(segments);
        if any {
            self.shared.pool.wake();
        }
        Ok(())
    }

    /// Begins a checkpoint that covers the journal below `at`: push everything that a restart needs from there, then
    /// finish it, on a thread that may block. One at a time. Below `needed` nothing of the journal is missed once the
    /// checkpoint is there: what of that was not synced yet need not be.
    #[must_use]
    pub fn write_checkpoint(&self, at: Lsn, needed: Lsn) -> CheckpointWriter {
        CheckpointWriter::new(Arc::clone(&self.shared), Arc::clone(&self.lock), at, needed)
    }

    /// Gives back memory that an idle journal does not need.
    pub fn release_memory(&mut self) {
        self.block.release_memory();
    }

    /// Ends this incarnation in order: writes what is in the block, makes everything durable and says so in the
    /// journal, so that a later reader can tell damage from a torn end.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] when that failed.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.shared.sync(self.end())?;
        match self.write_marks(flag::CLOSING) {
            // The last page is full of marks already.
            Err(StoreError::DiskFull) => Ok(()),
            other => other.and_then(|()| self.shared.sync(self.end()).map(drop)),
        }
    }

    fn write_block(&mut self, haste: Haste) -> Result<(), StoreError> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.write_block_with(0, haste)
    }

    /// Writes a block without records that says how far the journal was durable before it, and another one in the next
    /// page: a sector that goes bad must not take both the last records and the proof that they were there.
    fn write_marks(&mut self, flags: u32) -> Result<(), StoreError> {
        let layout = self.shared.layout;
        let offset = layout.offset_of(self.end().0);
        if offset > layout.last_empty_block() {
            return Err(StoreError::DiskFull);
        }
        let page_end = (offset + HEADER_LEN as u64).next_multiple_of(PAGE as u64);
        if !offset.is_multiple_of(PAGE as u64) && page_end < layout.records_end() {
            self.block.pad_to((page_end - offset) as usize);
            self.write_block_with(flags, Haste::Disk)?;
        }
        self.write_block_with(flags, Haste::Disk)
    }

    fn write_block_with(&mut self, flags: u32, haste: Haste) -> Result<(), StoreError> {
        let start = self.block.start();
        let offset = self.shared.layout.offset_of(start.0);
        let stamp = Stamp {
            identity: self.shared.identity,
            epoch: self.shared.epoch,
            flags,
            durable_before: self.shared.durable(),
        };
        let len = self.block.finish(stamp).len() as u64;
        assert!(offset + len <= self.shared.layout.segment_bytes, "a block stays in its segment");
        // A page that is written for the first time is written whole: writing a part of one that the page cache does
        // not hold makes the kernel read it from the disk first, while the owner waits.
        let enters_page =
            offset.is_multiple_of(PAGE as u64) || offset / PAGE as u64 != (offset + len - 1) / PAGE as u64;
        let bytes = if enters_page { self.block.with_page_end() } else { self.block.finished() };
        if let Err(error) = self.current.write(bytes, offset, haste) {
            return Err(self.shared.poison("writing", &segment_path(self.current.number()), &error));
        }
        let end = start.plus(len);
        self.current.index.add(offset);
        self.shared.set_written(end);
        self.restart_block(end);
        Ok(())
    }

    fn restart_block(&mut self, start: Lsn) {
        let layout = self.shared.layout;
        let offset = layout.offset_of(start.0);
        self.block.restart(start, layout.records_end().saturating_sub(offset) as usize);
        if offset > layout.segment_bytes / 2 {
            self.shared.pool.want(2);
        }
    }

    /// Moves on when little is left; stays when there is no next segment, since what is left may still serve.
    fn roll_when_nearly_full(&mut self) -> Result<(), StoreError> {
        let layout = self.shared.layout;
        if layout.offset_of(self.end().0) + layout.roll_below() <= layout.records_end() {
            return Ok(());
        }
        match self.roll() {
            Err(StoreError::DiskFull) => Ok(()),
            other => other,
        }
    }

    /// Seals the current segment, which must have nothing pending, and begins the next.
    fn roll(&mut self) -> Result<(), StoreError> {
        assert!(self.block.is_empty(), "flushed before");
        let next = self.shared.take_next_segment()?;
        assert_eq!(next.number(), self.current.number() + 1, "segments follow each other");
        self.write_block_with(flag::SEAL, Haste::Disk)?;
        let start = next.base().plus(Layout::FIRST_BLOCK);
        self.shared.begin_segment(Arc::clone(&next));
        self.current = next;
        self.shared.set_written(start);
        self.shared.pool.want(1);
        self.restart_block(start);
        self.shared.pool.wake();
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.pool.stop();
        if let Some(preparing) = self.preparing.take() {
            // A panic there was reported there.
            let _ = preparing.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("oldest", &self.oldest())
            .field("end", &self.end())
            .field("durable", &self.durable())
            .finish_non_exhaustive()
    }
}
