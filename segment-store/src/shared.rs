use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use crate::config::Layout;
use crate::segment::Segment;
use crate::segment_header::segment_path;
use crate::segment_pool::SegmentPool;
use crate::{Disk, JournalConfig, Lsn, StoreError};

/// What the journal's owner, its syncers, readers and preparer know in common.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) config: JournalConfig,
    pub(crate) layout: Layout,
    pub(crate) identity: u64,
    pub(crate) epoch: u32,
    /// The segments that hold the journal, the one being written last.
    pub(crate) segments: RwLock<BTreeMap<u64, Arc<Segment>>>,
    pub(crate) pool: SegmentPool,
    /// Segments that a sync has to visit, oldest first; the last one is being written.
    unsynced: Mutex<VecDeque<Arc<Segment>>>,
    /// Held while syncing: who waits for it finds most of the time that its data went along.
    sync_turn: Mutex<()>,
    written: AtomicU64,
    durable: AtomicU64,
    checkpoint: AtomicU64,
    poison: OnceLock<String>,
}

/// Where a journal begins its new life.
pub(crate) struct Beginning {
    pub(crate) segments: BTreeMap<u64, Arc<Segment>>,
    pub(crate) pool: SegmentPool,
    pub(crate) written: Lsn,
    pub(crate) durable: Lsn,
    pub(crate) checkpoint: Option<Lsn>,
    pub(crate) identity: u64,
    pub(crate) epoch: u32,
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, config: JournalConfig, from: Beginning) -> Shared {
        let layout = Layout { segment_bytes: config.segment_bytes };
        let first_unsynced = layout.segment_of(from.durable.0);
        let unsynced =
            from.segments.range(first_unsynced..).map(|(_, segment)| Arc::clone(segment)).collect();
        Shared {
            disk,
            config,
            layout,
            identity: from.identity,
            epoch: from.epoch,
            segments: RwLock::new(from.segments),
            pool: from.pool,
            unsynced: Mutex::new(unsynced),
            sync_turn: Mutex::new(()),
            written: AtomicU64::new(from.written.0),
            durable: AtomicU64::new(from.durable.0),
            checkpoint: AtomicU64::new(from.checkpoint.unwrap_or_default().0),
            poison: OnceLock::new(),
        }
    }

    pub(crate) fn written(&self) -> Lsn {
        Lsn(self.written.load(Ordering::Acquire))
    }

    pub(crate) fn set_written(&self, end: Lsn) {
        self.written.store(end.0, Ordering::Release);
    }

    pub(crate) fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// What the newest durable checkpoint covers; 0 without one.
    pub(crate) fn checkpoint(&self) -> Lsn {
        Lsn(self.checkpoint.load(Ordering::Acquire))
    }

    pub(crate) fn set_checkpoint(&self, at: Lsn) {
        self.checkpoint.fetch_max(at.0, Ordering::AcqRel);
    }

    /// Refuses when something failed before.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.poison.get() {
            Some(reason) => Err(StoreError::Poisoned(reason.clone())),
            None => Ok(()),
        }
    }

    /// Stops the store for good: after a failed write or sync nobody knows what the disk holds.
    pub(crate) fn poison(&self, doing: &str, path: &Path, error: &io::Error) -> StoreError {
        let reason = format!("{doing} {}: {error}", path.display());
        StoreError::Poisoned(self.poison.get_or_init(|| reason).clone())
    }

    /// Takes `segment` as the one being written.
    pub(crate) fn begin_segment(&self, segment: Arc<Segment>) {
        self.unsynced.lock().push_back(Arc::clone(&segment));
        self.segments.write().insert(segment.number(), segment);
    }

    /// Makes everything written so far durable, unless `upto` is already, and answers how far that is.
    pub(crate) fn sync(&self, upto: Lsn) -> Result<Lsn, StoreError> {
        if self.durable() >= upto {
            self.check()?;
            return Ok(self.durable());
        }
        let _turn = self.sync_turn.lock();
        self.check()?;
        if self.durable() >= upto {
            return Ok(self.durable());
        }
        let target = self.sync_segments(Lsn(0))?;
        self.set_durable(target);
        Ok(target)
    }

    /// Makes what was written so far durable except for segments that end below `needed`, unless everything below `upto`
    /// is already. Answers what to [`set_durable`](Shared::set_durable) once a durable checkpoint says that nobody needs
    /// what was left out.
    pub(crate) fn sync_needed(&self, needed: Lsn, upto: Lsn) -> Result<Lsn, StoreError> {
        let _turn = self.sync_turn.lock();
        self.check()?;
        if self.durable() >= upto {
            return Ok(self.durable());
        }
        self.sync_segments(needed)
    }

    /// Takes note that the journal is durable below `end`.
    pub(crate) fn set_durable(&self, end: Lsn) {
        self.unsynced.lock().retain(|segment| segment.end() > end);
        self.durable.fetch_max(end.0, Ordering::AcqRel);
    }

    /// Syncs the segments that reach beyond `from`; answers up to where they were written.
    fn sync_segments(&self, from: Lsn) -> Result<Lsn, StoreError> {
        // Read before the list: a segment is in the list before anything is written to it.
        let target = self.written();
        let visit: Vec<_> = self.unsynced.lock().iter().map(Arc::clone).collect();
        for segment in visit.iter().filter(|segment| segment.end() > from) {
            segment
                .file
                .sync_data()
                .map_err(|error| self.poison("syncing", &segment_path(segment.number()), &error))?;
        }
        Ok(target)
    }
}
