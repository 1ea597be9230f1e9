use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::{Block, Stamp};
use crate::block_header::flag;
use crate::checkpoint_file::{CHECKPOINT_DIR, CheckpointHeader, FIRST_BLOCK, checkpoint_path, positions};
use crate::shared::Shared;
use crate::{DirLock, DiskFile, Lsn, OpenMode, RecordKind, StoreError};

/// Bytes gathered before they are written.
const FLUSH_AT: usize = 256 * 1024;

/// Writes a checkpoint, on a thread that may block: what a restart needs to go on from one position of the journal.
///
/// It counts only once [`finish`](CheckpointWriter::finish) returned; dropped before, or after an error, it leaves the
/// previous one in force.
pub struct CheckpointWriter {
    shared: Arc<Shared>,
    /// The directory stays claimed while a checkpoint is being written.
    _lock: Arc<DirLock>,
    at: Lsn,
    needed: Lsn,
    temporary: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    block: Block,
    finished: bool,
}

impl CheckpointWriter {
    pub(crate) fn new(shared: Arc<Shared>, lock: Arc<DirLock>, at: Lsn, needed: Lsn) -> CheckpointWriter {
        CheckpointWriter {
            shared,
            _lock: lock,
            at,
            needed: needed.min(at),
            temporary: checkpoint_path(at).with_extension("tmp"),
            file: None,
            block: Block::new(Lsn(FIRST_BLOCK), usize::MAX),
            finished: false,
        }
    }

    /// What it will cover.
    #[must_use]
    pub fn at(&self) -> Lsn {
        self.at
    }

    /// Adds one record made of `parts`.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] or [`StoreError::Io`]; the journal goes on unharmed.
    pub fn push(&mut self, kind: RecordKind, parts: &[&[u8]]) -> Result<(), StoreError> {
        self.block.push(kind, parts);
        if self.block.len() >= FLUSH_AT { self.write_block(0) } else { Ok(()) }
    }

    /// Makes what is still needed of the journal below its position durable, then the checkpoint itself, and only then
    /// drops older ones (the one before it stays, for the case that this one gets damaged). From then on the journal
    /// counts as durable up to there: whatever was not synced is not needed.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] when the journal can not be made durable; [`StoreError::DiskFull`] or
    /// [`StoreError::Io`] when only the checkpoint failed, and the one before it stays in force.
    pub fn finish(mut self) -> Result<Lsn, StoreError> {
        let synced = self.shared.sync_needed(self.needed, self.at)?;
        self.write_block(flag::COMPLETE)?;
        let path = checkpoint_path(self.at);
        let dir = Path::new(CHECKPOINT_DIR);
        let install = || {
            if let Some(file) = &self.file {
                file.sync_data()?;
            }
            self.shared.disk.rename(&self.temporary, &path)?;
            self.shared.disk.sync_dir(dir)
        };
        install().map_err(|error| StoreError::io("finishing", &path, error))?;
        self.finished = true;
        self.shared.set_checkpoint(self.at);
        self.shared.set_durable(synced);
        for older in positions(&*self.shared.disk)?.into_iter().filter(|&lsn| lsn < self.at).skip(1) {
            let path = checkpoint_path(older);
            self.shared.disk.remove(&path).map_err(|error| StoreError::io("removing", &path, error))?;
        }
        Ok(self.at)
    }

    fn write_block(&mut self, flags: u32) -> Result<(), StoreError> {
        let start = self.block.start();
        let stamp =
            Stamp { identity: self.shared.identity, epoch: self.shared.epoch, flags, durable_before: Lsn(0) };
        if self.file.is_none() {
            let begun = self.begin_file();
            self.file = Some(begun.map_err(|error| StoreError::io("beginning", &self.temporary, error))?);
        }
        let bytes = self.block.finish(stamp);
        if let Some(file) = &self.file {
            file.write_all_at(bytes, start.0)
                .map_err(|error| StoreError::io("writing", &self.temporary, error))?;
        }
        let end = start.plus(bytes.len() as u64);
        self.block.restart(end, usize::MAX);
        Ok(())
    }

    fn begin_file(&self) -> io::Result<Box<dyn DiskFile>> {
        let file = self.shared.disk.open(&self.temporary, OpenMode::Create)?;
        file.set_len(0)?;
        let header = CheckpointHeader {
            identity: self.shared.identity,
            lsn: self.at,
            needed: self.needed,
            epoch: self.shared.epoch,
        };
        file.write_all_at(&header.encode(), 0)?;
        Ok(file)
    }
}

impl Drop for CheckpointWriter {
    fn drop(&mut self) {
        if !self.finished && self.file.is_some() {
            // What stays behind is deleted at the next start.
            let _ = self.shared.disk.remove(&self.temporary);
        }
    }
}

impl fmt::Debug for CheckpointWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckpointWriter").field("at", &self.at).finish_non_exhaustive()
    }
}
