use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::Mutex;
use segment_store::{Disk, DiskFile, Mapped, OpenMode};

use super::aborted_index::{self, AbortedCount, AbortedScan};
use super::offset_index::{self, OffsetIndex};
use super::rebuild::rebuild;
use super::time_index::{self, TimeIndex};
use super::{Segment, SegmentFiles, SegmentName};
use crate::PartitionId;
use crate::transaction::AbortedTransaction;

/// How far a segment may grow before its index is mapped anew; reading over that stretch costs less.
const INDEX_LAG_MAX: u64 = 256 << 10;
/// Bytes between two entries of a rebuilt index: Kafka's default interval.
const REBUILD_INTERVAL: u64 = 4096;

/// The segment files that are open for reading: a bounded number, and none of a partition that nobody reads.
pub(crate) struct SegmentCache {
    disk: Arc<dyn Disk>,
    capacity: usize,
    open: Mutex<OpenFiles>,
}

#[derive(Default)]
struct OpenFiles {
    clock: u64,
    by_segment: HashMap<(PartitionId, SegmentName), Slot>,
}

struct Slot {
    used: u64,
    segment: Arc<OpenSegment>,
}

/// One segment's open files.
pub(super) struct OpenSegment {
    pub log: Box<dyn DiskFile>,
    offsets: Mutex<Option<Arc<OffsetIndex>>>,
    times: Mutex<Option<Arc<TimeIndex>>>,
    aborted: Mutex<Option<(AbortedCount, Aborted)>>,
}

/// What a segment's transaction index holds.
pub(crate) type Aborted = Arc<Vec<AbortedTransaction>>;

impl SegmentCache {
    pub(crate) fn new(disk: Arc<dyn Disk>, capacity: usize) -> SegmentCache {
        SegmentCache { disk, capacity: capacity.max(1), open: Mutex::default() }
    }

    /// The open files of a segment.
    pub(super) fn open(&self, segment: &Segment) -> io::Result<Arc<OpenSegment>> {
        let key = (segment.files.partition, segment.files.name);
        {
            let mut open = self.open.lock();
            open.clock += 1;
            let now = open.clock;
            if let Some(slot) = open.by_segment.get_mut(&key) {
                slot.used = now;
                return Ok(Arc::clone(&slot.segment));
            }
        }
        let log = self.disk.open(&segment.files.path(SegmentFiles::LOG), OpenMode::Read)?;
        let opened = Arc::new(OpenSegment {
            log,
            offsets: Mutex::default(),
            times: Mutex::default(),
            aborted: Mutex::default(),
        });
        let mut open = self.open.lock();
        if open.by_segment.len() >= self.capacity {
            let oldest = open.by_segment.iter().min_by_key(|(_, slot)| slot.used).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                open.by_segment.remove(&oldest);
            }
        }
        let slot = Slot { used: open.clock, segment: Arc::clone(&opened) };
        open.by_segment.insert(key, slot);
        Ok(opened)
    }

    /// Closes one segment's files, because they are about to be removed or replaced.
    pub(crate) fn close(&self, partition: PartitionId, name: SegmentName) {
        self.open.lock().by_segment.remove(&(partition, name));
    }

    /// Closes what was not used since the call that answered `since`; answers what to ask with next time.
    pub(crate) fn close_idle(&self, since: u64) -> u64 {
        let mut open = self.open.lock();
        open.by_segment.retain(|_, slot| slot.used > since);
        open.clock
    }

    /// How many segments have open files.
    pub(crate) fn open_count(&self) -> usize {
        self.open.lock().by_segment.len()
    }

    /// The offset index: mapped, or made anew when the file is missing or damaged.
    pub(super) fn offsets(&self, segment: &Segment, open: &OpenSegment) -> io::Result<Arc<OffsetIndex>> {
        if let Some(index) = &*open.offsets.lock()
            && index.covered() + INDEX_LAG_MAX >= segment.state.len
        {
            return Ok(Arc::clone(index));
        }
        let count = segment.recorded().index_entries as usize;
        let mapped = self.map(segment, SegmentFiles::INDEX, count * offset_index::ENTRY_LEN);
        match mapped.and_then(|bytes| OffsetIndex::new(bytes, count, &segment.state)) {
            Some(index) => {
                let index = Arc::new(index);
                *open.offsets.lock() = Some(Arc::clone(&index));
                Ok(index)
            }
            None => {
                self.rebuild(segment, open)?;
                open.offsets.lock().clone().ok_or_else(|| io::Error::other("no index could be made"))
            }
        }
    }

    /// The time index: mapped, or made anew when the file is missing or damaged.
    pub(crate) fn times(&self, segment: &Segment) -> io::Result<Arc<TimeIndex>> {
        let open = self.open(segment)?;
        if let Some(index) = &*open.times.lock()
            && index.covered() + INDEX_LAG_MAX >= segment.state.len
        {
            return Ok(Arc::clone(index));
        }
        let count = segment.recorded().time_entries as usize;
        let mapped = self.map(segment, SegmentFiles::TIME_INDEX, count * time_index::ENTRY_LEN);
        match mapped.and_then(|bytes| TimeIndex::new(bytes, count, &segment.state)) {
            Some(index) => {
                let index = Arc::new(index);
                *open.times.lock() = Some(Arc::clone(&index));
                Ok(index)
            }
            None => {
                self.rebuild(segment, &open)?;
                open.times.lock().clone().ok_or_else(|| io::Error::other("no index could be made"))
            }
        }
    }

    /// The transactions that markers in the segment aborted. When the file is missing or damaged they are found
    /// anew by reading the partition's earlier segments, which `before` tells, and this one.
    pub(crate) fn aborted(
        &self,
        segment: &Segment,
        before: &dyn Fn() -> Vec<Segment>,
    ) -> io::Result<Aborted> {
        let open = self.open(segment)?;
        let count = segment.state.aborted;
        if let Some((have, aborted)) = &*open.aborted.lock()
            && *have == count
        {
            return Ok(Arc::clone(aborted));
        }
        let path = segment.files.path(SegmentFiles::ABORTED_INDEX);
        let loaded = match self.disk.open(&path, OpenMode::Read) {
            Ok(file) => aborted_index::load(file.as_ref(), count)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let aborted = match loaded {
            Some(aborted) => aborted,
            None => self.find_aborted(segment, &open, &before())?,
        };
        let aborted = Arc::new(aborted);
        *open.aborted.lock() = Some((count, Arc::clone(&aborted)));
        Ok(aborted)
    }

    fn find_aborted(
        &self,
        segment: &Segment,
        open: &OpenSegment,
        before: &[Segment],
    ) -> io::Result<Vec<AbortedTransaction>> {
        let mut scan = AbortedScan::default();
        for earlier in before {
            // What is lost there shortens the transactions that began in it, no more.
            if let Ok(open) = self.open(earlier) {
                scan.segment(open.log.as_ref(), &earlier.state)?;
            }
        }
        let found = scan.segment(open.log.as_ref(), &segment.state)?;
        if segment.sealed && AbortedCount::of(&found) == segment.state.aborted {
            // A file that cannot be written is made up for by looking again.
            let path = segment.files.path(SegmentFiles::ABORTED_INDEX);
            let _ = self.replace(&path, &aborted_index::encode(&found));
        }
        Ok(found)
    }

    /// Makes both indexes anew because an entry turned out to be untrue.
    pub(crate) fn rebuild_anew(&self, segment: &Segment) -> io::Result<()> {
        let open = self.open(segment)?;
        self.rebuild(segment, &open)
    }

    fn map(&self, segment: &Segment, extension: &str, len: usize) -> Option<Mapped> {
        if len == 0 {
            return Some(Mapped::Copy(Bytes::new()));
        }
        let file = self.disk.open(&segment.files.path(extension), OpenMode::Read).ok()?;
        // A map must not reach beyond the file: touching what is not there kills the process.
        if file.size().ok()? < len as u64 {
            return None;
        }
        file.map(len).ok()
    }

    /// Makes both indexes anew from the log. Those of a sealed segment are also written, for the next time.
    pub(super) fn rebuild(&self, segment: &Segment, open: &OpenSegment) -> io::Result<()> {
        let built = rebuild(open.log.as_ref(), &segment.state, REBUILD_INTERVAL)?;
        let (offset_count, time_count) =
            (built.offsets.len() / offset_index::ENTRY_LEN, built.times.len() / time_index::ENTRY_LEN);
        if segment.sealed {
            // An index that cannot be written is only slower; the one in memory serves.
            let written = self
                .replace(&segment.files.path(SegmentFiles::INDEX), &built.offsets)
                .and_then(|()| self.replace(&segment.files.path(SegmentFiles::TIME_INDEX), &built.times));
            if written.is_ok() {
                segment.files.index_entries.store(offset_count as u32, Ordering::Relaxed);
                segment.files.time_entries.store(time_count as u32, Ordering::Relaxed);
            }
        }
        let offsets =
            OffsetIndex::new(Mapped::Copy(Bytes::from(built.offsets)), offset_count, &segment.state);
        *open.offsets.lock() = offsets.map(Arc::new);
        let times = TimeIndex::new(Mapped::Copy(Bytes::from(built.times)), time_count, &segment.state);
        *open.times.lock() = times.map(Arc::new);
        Ok(())
    }

    /// Writes a file beside its place and moves it there: whoever has the old one mapped keeps it.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let fresh = path.with_extension("fresh");
        let file = self.disk.open(&fresh, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        drop(file);
        self.disk.rename(&fresh, path)
    }
}
