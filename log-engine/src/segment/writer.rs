use std::io;
use std::path::Path;
use std::sync::Arc;

use message::Timestamp;
use segment_store::{Disk, DiskFile, OpenMode};

use super::aborted_index;
use super::rebuild::{IndexBuilder, rebuild};
use super::{SegmentFiles, SegmentState, WriteBuffer, offset_index, time_index};
use crate::Offset;
use crate::tail::TailBatch;
use crate::transaction::AbortedTransaction;

/// Bytes gathered before they are written: enough for a write past the page cache to cost little per byte, and little
/// enough to be in the processor's cache still when the disk takes them.
const WRITE_CHUNK: usize = 1 << 20;
/// The largest span of offsets and of bytes that an index entry can express.
const SPAN_MAX: i64 = i32::MAX as i64;

/// When a segment ends and how densely it is indexed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterConfig {
    pub segment_bytes: u64,
    /// Bytes of an offset index that end its segment.
    pub index_bytes: u64,
    pub index_interval: u64,
    /// Whether a new segment gets its room at once.
    pub preallocate: bool,
    pub now: Timestamp,
}

/// One whole batch on its way into a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'b> {
    pub base: Offset,
    pub last: Offset,
    pub max_timestamp: i64,
    pub bytes: &'b [u8],
}

impl<'b> From<&'b TailBatch> for Piece<'b> {
    fn from(batch: &'b TailBatch) -> Piece<'b> {
        let TailBatch { base, last, max_timestamp, bytes, .. } = batch;
        Piece { base: *base, last: *last, max_timestamp: *max_timestamp, bytes }
    }
}

/// The part of a page with which a log file ended when it was last written, and which the page cache need not hold: the page
/// was written past it, with zeros behind.
#[derive(Clone, Debug)]
pub(crate) struct LastPage {
    base: Offset,
    /// Where the file's batches end.
    len: u64,
    bytes: Box<[u8]>,
}

/// Appends batches to one segment's files, in large writes of whole pages, which a real disk takes directly. What goes
/// through the page cache is what is small, and the part of a page that a write begins in where its beginning is not known.
pub(crate) struct SegmentWriter {
    state: SegmentState,
    log: Arc<dyn DiskFile>,
    buffer: WriteBuffer,
    index: IndexBuilder,
    aborted: Vec<AbortedTransaction>,
    config: WriterConfig,
}

impl SegmentWriter {
    /// Opens a segment's log file, making it when it is new. With `check`, what a crash may have left is put right:
    /// bytes beyond the recorded ones go, and an index that lacks entries is made anew. `last` is the page that it ends with,
    /// where that is known. The buffer's content is not looked at; [`SegmentWriter::finish`] gives it back.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        mut state: SegmentState,
        config: WriterConfig,
        check: bool,
        last: Option<&LastPage>,
        mut buffer: WriteBuffer,
    ) -> io::Result<SegmentWriter> {
        let log: Arc<dyn DiskFile> =
            disk.open(&state.name().path(dir, SegmentFiles::LOG), OpenMode::Create)?.into();
        if check || state.len == 0 {
            if log.size()? > state.len {
                log.set_len(state.len)?;
            }
            repair_indexes(disk, dir, &mut state, log.as_ref(), config.index_interval)?;
        }
        if config.preallocate && state.len == 0 {
            log.allocate(config.segment_bytes)?;
        }
        let index = IndexBuilder::resume(&state, config.index_interval);
        match last.filter(|last| !check && last.base == state.base && last.len == state.len) {
            Some(last) => buffer.resume(state.len, &last.bytes),
            None => buffer.restart(state.len),
        }
        Ok(SegmentWriter { state, log, buffer, index, aborted: Vec::new(), config })
    }

    /// Whether the batch must start a new segment.
    pub(crate) fn is_full_for(&self, batch: &Piece<'_>) -> bool {
        let len = self.state.len + batch.bytes.len() as u64;
        self.state.len > 0
            && (len > self.config.segment_bytes.min(SPAN_MAX as u64)
                || self.index_len() + offset_index::ENTRY_LEN as u64 > self.config.index_bytes
                || batch.last.0 - self.state.base.0 > SPAN_MAX
                // After a loss the next segment's name tells where the log goes on.
                || batch.base != self.state.end)
    }

    fn index_len(&self) -> u64 {
        u64::from(self.state.index_entries) * offset_index::ENTRY_LEN as u64 + self.index.offsets.len() as u64
    }

    /// Adds a batch.
    pub(crate) fn push(&mut self, batch: &Piece<'_>) -> io::Result<()> {
        let len = batch.bytes.len() as u64;
        self.index.add_parts(batch.last, batch.max_timestamp, len, self.state.len);
        let mut rest = batch.bytes;
        while !rest.is_empty() {
            let room = WRITE_CHUNK.saturating_sub(self.buffer.len());
            let (piece, more) = rest.split_at(room.min(rest.len()));
            self.buffer.extend(piece);
            rest = more;
            if self.buffer.len() >= WRITE_CHUNK {
                self.buffer.write_pages(&self.log)?;
            }
        }
        self.state.len += len;
        self.state.end = batch.last.next();
        self.state.written = self.config.now;
        (self.state.max_timestamp, self.state.max_timestamp_offset) = self.index.max_timestamp();
        Ok(())
    }

    /// Takes note that the batch just added is the marker of an aborted transaction.
    pub(crate) fn push_aborted(&mut self, transaction: AbortedTransaction) {
        self.aborted.push(transaction);
    }

    /// Writes what is left, entries of the indexes included; [`Written::sync`] makes it durable.
    pub(crate) fn finish(
        mut self,
        disk: &dyn Disk,
        dir: &Path,
        seal: bool,
    ) -> io::Result<(Written, WriteBuffer)> {
        let last = self.finish_log(seal)?;
        let state = &mut self.state;
        let offsets = append_entries(
            disk,
            &state.name().path(dir, SegmentFiles::INDEX),
            u64::from(state.index_entries) * offset_index::ENTRY_LEN as u64,
            &self.index.offsets,
        )?;
        let times = append_entries(
            disk,
            &state.name().path(dir, SegmentFiles::TIME_INDEX),
            u64::from(state.time_entries) * time_index::ENTRY_LEN as u64,
            &self.index.times,
        )?;
        let aborted = append_entries(
            disk,
            &state.name().path(dir, SegmentFiles::ABORTED_INDEX),
            state.aborted.len(),
            &aborted_index::encode(&self.aborted),
        )?;
        self.aborted.iter().for_each(|transaction| state.aborted.add(transaction));
        state.index_entries += (self.index.offsets.len() / offset_index::ENTRY_LEN) as u32;
        state.time_entries += (self.index.times.len() / time_index::ENTRY_LEN) as u32;
        // The indexes of a growing segment are made anew when a crash takes them; a sealed one should not need that.
        let indexes = if seal { [offsets, times, aborted] } else { [None, None, None] };
        let (base, len) = (self.state.base, self.state.len);
        let last = last.map(|bytes| LastPage { base, len, bytes });
        Ok((Written { state: self.state, last, log: self.log, indexes }, self.buffer))
    }

    /// A sealed segment's log ends with its last batch. One that grows may have room, and zeros in the last page.
    fn finish_log(&mut self, seal: bool) -> io::Result<Option<Box<[u8]>>> {
        if !seal {
            return self.buffer.finish_page(&self.log);
        }
        self.buffer.finish(&self.log)?;
        self.index.mark_time();
        if self.log.size()? > self.state.len {
            self.log.set_len(self.state.len)?;
        }
        Ok(None)
    }
}

/// A segment that was written and waits to be durable.
pub(crate) struct Written {
    pub state: SegmentState,
    /// What to go on with.
    pub last: Option<LastPage>,
    log: Arc<dyn DiskFile>,
    indexes: [Option<Box<dyn DiskFile>>; 3],
}

impl Written {
    /// Returns when the segment would survive power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.log.sync_data()?;
        for index in self.indexes.iter().flatten() {
            index.sync_data()?;
        }
        Ok(())
    }
}

fn append_entries(
    disk: &dyn Disk,
    path: &Path,
    position: u64,
    entries: &[u8],
) -> io::Result<Option<Box<dyn DiskFile>>> {
    if entries.is_empty() {
        return Ok(None);
    }
    let file = disk.open(path, OpenMode::Create)?;
    file.write_all_at(entries, position)?;
    Ok(Some(file))
}

fn repair_indexes(
    disk: &dyn Disk,
    dir: &Path,
    state: &mut SegmentState,
    log: &dyn DiskFile,
    interval: u64,
) -> io::Result<()> {
    let index_path = state.name().path(dir, SegmentFiles::INDEX);
    let time_path = state.name().path(dir, SegmentFiles::TIME_INDEX);
    let index_len = u64::from(state.index_entries) * offset_index::ENTRY_LEN as u64;
    let time_len = u64::from(state.time_entries) * time_index::ENTRY_LEN as u64;
    if !has_entries(disk, &index_path, index_len)? || !has_entries(disk, &time_path, time_len)? {
        let built = rebuild(log, state, interval)?;
        for (path, entries) in [(&index_path, &built.offsets), (&time_path, &built.times)] {
            // The old file may be mapped by a reader: it is replaced, never cut.
            let fresh = path.with_extension("fresh");
            let file = disk.open(&fresh, OpenMode::Create)?;
            file.set_len(0)?;
            file.write_all_at(entries, 0)?;
            file.sync_data()?;
            disk.rename(&fresh, path)?;
        }
        state.index_entries = (built.offsets.len() / offset_index::ENTRY_LEN) as u32;
        state.time_entries = (built.times.len() / time_index::ENTRY_LEN) as u32;
    }
    Ok(())
}

/// Whether an index file has the recorded entries. Longer is fine: what follows gets written over.
fn has_entries(disk: &dyn Disk, path: &Path, len: u64) -> io::Result<bool> {
    if len == 0 {
        return Ok(true);
    }
    let file = match disk.open(path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    Ok(file.size()? >= len)
}
