//! Moving batches from the journal and memory into the partitions' own files.
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use message::Timestamp;
use parking_lot::Mutex;
use segment_store::{Disk, OpenMode};

use crate::segment::{
    LastPage, PartitionDir, Piece, SegmentFiles, SegmentName, SegmentState, SegmentWriter, WriteBuffer,
    WriterConfig,
};
use crate::side_by_side::side_by_side;
use crate::tail::TailBatch;
use crate::transaction::AbortedTransaction;
use crate::{PartitionId, TopicConfig};

/// Partitions that one lane writes before it syncs them: so many logs each has open at once, at most.
const OPEN_LOGS: usize = 8;
/// Segments that one partition may begin in one job; what is left settles in the next.
pub(crate) const SEGMENTS_MAX: usize = 64;

/// Work for a blocking thread: writes batches to segment files and removes files that nobody needs.
///
/// It shares nothing with the engine but the batches' bytes. The engine goes on as if it did not exist until its
/// result comes back through [`crate::LogEngine::settled`]; a result that never comes back loses nothing.
pub struct SettleJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) buffers: Arc<WriteBuffers>,
    pub(crate) partitions: Vec<PartitionSettle>,
    pub(crate) removals: Vec<Removal>,
    pub(crate) now: Timestamp,
}

/// Memory in which large writes are gathered. It stays from one job to the next while there is much to settle: new memory
/// costs as much as what is written to it.
#[derive(Default)]
pub(crate) struct WriteBuffers(Mutex<Vec<WriteBuffer>>);

impl WriteBuffers {
    fn take(&self) -> WriteBuffer {
        self.0.lock().pop().unwrap_or_default()
    }

    fn put_back(&self, buffer: WriteBuffer) {
        self.0.lock().push(buffer);
    }

    /// Gives the memory back.
    pub(crate) fn give_up(&self) {
        *self.0.lock() = Vec::new();
    }
}

/// One partition's part.
pub(crate) struct PartitionSettle {
    pub id: PartitionId,
    pub dir: PartitionDir,
    pub config: TopicConfig,
    /// The segment to go on with.
    pub active: Option<SegmentState>,
    /// The page that it ends with, where that is known.
    pub last: Option<LastPage>,
    /// The segments that are known, when others must be removed first.
    pub check: Option<Vec<SegmentName>>,
    pub batches: Vec<TailBatch>,
    /// The transactions that markers among the batches aborted, in their order.
    pub aborted: Vec<AbortedTransaction>,
    /// When the first of them came.
    pub since: Timestamp,
}

/// Files that nobody needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    File(PathBuf),
    Directory(PathBuf),
}

/// What a [`SettleJob`] did; goes to [`crate::LogEngine::settled`].
pub struct SettleResult {
    pub(crate) partitions: Vec<(PartitionId, io::Result<Settled>)>,
    pub(crate) not_removed: Vec<(Removal, io::Error)>,
}

/// What became of one partition.
pub(crate) struct Settled {
    pub states: Vec<SegmentState>,
    /// What to go on with next time.
    pub last: Option<LastPage>,
}

/// What a finished settle job changed.
#[derive(Debug, Default)]
pub struct SettleOutcome {
    /// Bytes of batches that left memory.
    pub freed_bytes: u64,
    /// Partitions that could not be written, and why. They are tried again after a pause; nothing is lost.
    pub failed: Vec<(PartitionId, crate::LogError)>,
}

impl SettleJob {
    /// Bytes of batches that it will write.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of = |partition: &PartitionSettle| -> usize {
            partition.batches.iter().map(|batch| batch.bytes.len()).sum()
        };
        self.partitions.iter().map(|partition| of(partition) as u64).sum()
    }

    /// Does the work; blocks on the disk. Done again, it would write the same to the same places.
    #[must_use]
    pub fn run(&self) -> SettleResult {
        let disk = self.disk.as_ref();
        let mut not_removed = Vec::new();
        for removal in &self.removals {
            let done = match removal {
                Removal::File(path) => disk.remove(path),
                Removal::Directory(path) => disk.remove_dir_all(path),
            };
            match done {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    not_removed.push((removal.clone(), error));
                }
                _ => {}
            }
        }
        let synced = self.settle_all();
        let named = sync_names(disk, &self.partitions, &synced);
        let settled = |synced: io::Result<SettledPartition>| {
            synced.and_then(|synced| match &named {
                Err(error) if synced.names_changed => Err(io::Error::new(error.kind(), error.to_string())),
                _ => Ok(synced.settled),
            })
        };
        let ids = self.partitions.iter().map(|partition| partition.id);
        SettleResult { partitions: ids.zip(synced.into_iter().map(settled)).collect(), not_removed }
    }

    /// Writes each partition's batches and makes them durable. A disk that takes several files at a time is kept busy
    /// although each write is small: while some are synced, others are written. Syncs that wait together share what the file
    /// system and the disk do for them.
    fn settle_all(&self) -> Vec<io::Result<SettledPartition>> {
        let disk = self.disk.as_ref();
        let lanes = disk.files_at_once();
        // Where there are few, each lane writes beside its copying; where there are many, the lanes do so for each other.
        let beside = 2 * self.partitions.len() <= lanes;
        side_by_side(&self.partitions, lanes, OPEN_LOGS, |piece| {
            let mut buffer = self.buffers.take();
            buffer.write_beside(beside);
            let write = |partition: &PartitionSettle| partition.write(disk, self.now, &mut buffer);
            let written: Vec<_> = piece.iter().map(write).collect();
            self.buffers.put_back(buffer);
            written.into_iter().map(|written| written?.sync()).collect()
        })
    }
}

/// Makes new files' names durable: each directory once, whatever number of partitions it holds.
fn sync_names(
    disk: &dyn Disk,
    partitions: &[PartitionSettle],
    synced: &[io::Result<SettledPartition>],
) -> io::Result<()> {
    let mut directories = BTreeSet::new();
    for (partition, synced) in partitions.iter().zip(synced) {
        if matches!(synced, Ok(synced) if synced.names_changed) {
            directories.extend(partition.dir.path().ancestors().map(Path::to_path_buf));
        }
    }
    // The innermost first: a name is durable before the directory that holds it.
    directories.iter().rev().try_for_each(|directory| disk.sync_dir(directory))
}

struct SettledPartition {
    settled: Settled,
    names_changed: bool,
}

struct WrittenPartition {
    segments: Vec<crate::segment::Written>,
    names_changed: bool,
}

impl WrittenPartition {
    fn sync(mut self) -> io::Result<SettledPartition> {
        self.segments.iter().try_for_each(crate::segment::Written::sync)?;
        let states = self.segments.iter().map(|segment| segment.state).collect();
        let last = self.segments.last_mut().and_then(|segment| segment.last.take());
        Ok(SettledPartition { settled: Settled { states, last }, names_changed: self.names_changed })
    }
}

impl PartitionSettle {
    fn write(
        &self,
        disk: &dyn Disk,
        now: Timestamp,
        buffer: &mut WriteBuffer,
    ) -> io::Result<WrittenPartition> {
        let dir = self.dir.path();
        let mut written = WrittenPartition { segments: Vec::new(), names_changed: false };
        if let Some(known) = &self.check {
            self.remove_unknown(disk, known)?;
        }
        let Some(first) = self.batches.first() else { return Ok(written) };
        let config = WriterConfig {
            segment_bytes: self.config.segment_bytes(),
            index_bytes: self.config.segment_index_bytes(),
            index_interval: self.config.index_interval_bytes(),
            preallocate: self.config.preallocate(),
            now,
        };
        let is_old =
            |active: &SegmentState| self.config.is_segment_old((self.id, active.base), active.created, now);
        let active = self.active.filter(|active| !is_old(active));
        if active.is_none() {
            self.give_back_room(disk)?;
            disk.create_dir_all(&dir)?;
            written.names_changed = true;
        }
        // A segment is as old as its first batch, however long that waited to settle.
        let begun = || SegmentState { created: self.since, ..SegmentState::begin(first.base, now) };
        let state = active.unwrap_or_else(begun);
        let open = |state, check, buffer: &mut WriteBuffer| {
            let last = self.last.as_ref();
            SegmentWriter::open(disk, &dir, state, config, check, last, std::mem::take(buffer))
        };
        let mut writer = open(state, self.check.is_some(), buffer)?;
        let mut aborted = self.aborted.iter().peekable();
        for batch in self.batches.iter().map(Piece::from) {
            if writer.is_full_for(&batch) {
                let (segment, used) = writer.finish(disk, &dir, true)?;
                *buffer = used;
                written.segments.push(segment);
                written.names_changed = true;
                if written.segments.len() >= SEGMENTS_MAX {
                    return Ok(written);
                }
                let next = SegmentState::begin(batch.base, now);
                writer = open(next, false, buffer)?;
            }
            writer.push(&batch)?;
            while let Some(transaction) = aborted.next_if(|transaction| transaction.last <= batch.last) {
                writer.push_aborted(*transaction);
            }
        }
        let (segment, used) = writer.finish(disk, &dir, false)?;
        *buffer = used;
        written.segments.push(segment);
        Ok(written)
    }

    /// Cuts the segment that grew so far, and is too old by now, to what it holds: it may have more room than that, and
    /// zeros in the last page.
    fn give_back_room(&self, disk: &dyn Disk) -> io::Result<()> {
        let Some(last) = self.active else { return Ok(()) };
        let file =
            match disk.open(&last.name().path(&self.dir.path(), SegmentFiles::LOG), OpenMode::ReadWrite) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                file => file?,
            };
        if file.size()? > last.len { file.set_len(last.len) } else { Ok(()) }
    }

    /// Removes segments that the journal does not know: left by a crash, before settling or after retention.
    fn remove_unknown(&self, disk: &dyn Disk, known: &[SegmentName]) -> io::Result<()> {
        let dir = self.dir.path();
        for entry in disk.list(&dir)? {
            if entry.is_dir || SegmentName::parse(&entry.name).is_some_and(|name| known.contains(&name)) {
                continue;
            }
            disk.remove(&dir.join(&entry.name))?;
        }
        // What is known but longer than recorded is cut when it is written to.
        Ok(())
    }
}
