use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::segment::Segment;
use crate::segment_header::{JOURNAL_DIR, SegmentHeader, segment_path};
use crate::shared::Shared;
use crate::{Disk, DiskFile, JournalConfig, StoreError};

/// Retired segments that are kept for reuse where the disk has no room for another.
const SPARE_ON_FULL_DISK: usize = 4;

/// Segments on their way in and out: ready to be written, and retired to be used again.
pub(crate) struct SegmentPool {
    /// Allocated, named in sequence after the one being written, with a durable header.
    ready: Mutex<VecDeque<Arc<Segment>>>,
    /// No longer part of the journal; their files still have their old names. Oldest first.
    retired: Mutex<VecDeque<Arc<Segment>>>,
    /// The number of the next segment to name. Held while files are named, so that they are named in order.
    next_number: Mutex<u64>,
    /// How many ready segments the preparer strives for.
    wanted: AtomicUsize,
    call: Mutex<Call>,
    called: Condvar,
}

/// What the preparing thread waits for.
#[derive(Clone, Copy, Default)]
struct Call {
    work: bool,
    stop: bool,
}

impl SegmentPool {
    pub(crate) fn new(
        ready: VecDeque<Arc<Segment>>,
        retired: VecDeque<Arc<Segment>>,
        next_number: u64,
    ) -> SegmentPool {
        SegmentPool {
            ready: Mutex::new(ready),
            retired: Mutex::new(retired),
            next_number: Mutex::new(next_number),
            wanted: AtomicUsize::new(1),
            call: Mutex::default(),
            called: Condvar::new(),
        }
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.lock().len()
    }

    pub(crate) fn ready_segments(&self) -> Vec<Arc<Segment>> {
        self.ready.lock().iter().map(Arc::clone).collect()
    }

    pub(crate) fn retire(&self, segment: Arc<Segment>) {
        self.retired.lock().push_back(segment);
    }

    pub(crate) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Sets how many ready segments there should be, and wakes the preparer if that is more than before.
    pub(crate) fn want(&self, count: usize) {
        if self.wanted.swap(count, Ordering::Relaxed) < count {
            self.wake();
        }
    }

    pub(crate) fn wake(&self) {
        self.call.lock().work = true;
        self.called.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.call.lock().stop = true;
        self.called.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.call.lock().stop
    }

    /// Waits for work; `false` when there will be no more.
    pub(crate) fn wait(&self) -> bool {
        let mut call = self.call.lock();
        while !call.work && !call.stop {
            self.called.wait(&mut call);
        }
        call.work = false;
        !call.stop
    }
}

impl Shared {
    /// The segment to write next; made on the spot when none is ready.
    pub(crate) fn take_next_segment(&self) -> Result<Arc<Segment>, StoreError> {
        loop {
            if let Some(segment) = self.pool.ready.lock().pop_front() {
                return Ok(segment);
            }
            self.add_ready_segment(1)?;
        }
    }

    /// Adds one ready segment unless there are `enough`: a retired one under a new name, or else a new file.
    pub(crate) fn add_ready_segment(&self, enough: usize) -> Result<(), StoreError> {
        let mut next = self.pool.next_number.lock();
        if self.pool.ready() >= enough {
            return Ok(());
        }
        let front = self.pool.retired.lock().front().map(Arc::clone);
        let segment = match front {
            Some(old) => {
                let segment = self.recycle(&old, *next)?;
                self.pool.retired.lock().pop_front();
                segment
            }
            None => create_segment(&*self.disk, &self.config, self.identity, *next)?,
        };
        self.pool.ready.lock().push_back(Arc::new(segment));
        *next += 1;
        Ok(())
    }

    /// Gives the file of a retired segment a new name. The name is durable before the content changes: otherwise a
    /// crash could bring back the old name with new content. What else the file holds is not synced: it is old, and most of
    /// it need never reach the disk.
    fn recycle(&self, old: &Segment, number: u64) -> Result<Segment, StoreError> {
        let (from, to) = (segment_path(old.number()), segment_path(number));
        self.disk.rename(&from, &to).map_err(|error| StoreError::io("renaming", &from, error))?;
        let header = SegmentHeader { number, zeroed: old.is_zeroed(), begun: false, ..old.header };
        let finish = || {
            self.disk.sync_dir(Path::new(JOURNAL_DIR))?;
            old.file.write_through_at(&header.encode(), 0)
        };
        if let Err(error) = finish() {
            // Its old name is gone and its content is of no use; what is left of it will be made anew.
            self.pool.retired.lock().pop_front();
            let _ = self.disk.remove(&to);
            return Err(StoreError::io("recycling", &to, error));
        }
        Ok(Segment::new(header, Arc::clone(&old.file)))
    }

    /// Deletes the oldest retired segment. One at a time, each durable before the next: a crash must not leave a hole.
    pub(crate) fn remove_retired(&self) -> Result<(), StoreError> {
        let _naming = self.pool.next_number.lock();
        let Some(old) = self.pool.retired.lock().front().map(Arc::clone) else { return Ok(()) };
        let path = segment_path(old.number());
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("removing", &path, error));
            }
            _ => {}
        }
        let dir = Path::new(JOURNAL_DIR);
        self.disk.sync_dir(dir).map_err(|error| StoreError::io("syncing", dir, error))?;
        self.pool.retired.lock().pop_front();
        Ok(())
    }

    /// How many retired segments to keep for reuse: few where the disk has no room for another file, because checkpoints and
    /// settled logs need what it has.
    pub(crate) fn spare_segments(&self) -> usize {
        let spare = self.config.spare_segments;
        if has_space_for_segment(&*self.disk, &self.config) { spare } else { spare.min(SPARE_ON_FULL_DISK) }
    }

    pub(crate) fn has_retired(&self) -> bool {
        !self.pool.retired.lock().is_empty()
    }
}

/// Whether a new segment leaves the headroom alone, as far as the disk tells.
fn has_space_for_segment(disk: &dyn Disk, config: &JournalConfig) -> bool {
    let needed = config.segment_bytes.saturating_add(config.headroom_bytes);
    disk.space().map_or(true, |space| space.free >= needed)
}

/// Makes a segment file: room reserved, header written, both and the name durable.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    config: &JournalConfig,
    identity: u64,
    number: u64,
) -> Result<Segment, StoreError> {
    let path = segment_path(number);
    if !has_space_for_segment(disk, config) {
        return Err(StoreError::DiskFull);
    }
    let header =
        SegmentHeader { identity, number, segment_bytes: config.segment_bytes, zeroed: false, begun: false };
    let make = || {
        let file: Arc<dyn DiskFile> = Arc::from(disk.open(&path, crate::OpenMode::Create)?);
        file.allocate(config.segment_bytes)?;
        file.write_all_at(&header.encode(), 0)?;
        file.sync_data()?;
        disk.sync_dir(Path::new(JOURNAL_DIR))?;
        Ok(file)
    };
    match make() {
        Ok(file) => Ok(Segment::new(header, file)),
        Err(error) => {
            // Half a segment is of no use, and its room may be what others wait for.
            let _ = disk.remove(&path);
            Err(StoreError::io("preparing", &path, error))
        }
    }
}
