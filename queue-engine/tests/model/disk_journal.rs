//! A real journal over a disk that lies: the power may go at every operation of a commit, a checkpoint or a recovery.
use std::sync::Arc;

use message::Timestamp;
use queue_engine::{EngineConfig, QueueEngine};
use segment_store::{
    Block, Disk, Fault, Journal, JournalConfig, Lsn, LyingDisk, RecordKind, Replayed, Source, StoreError,
};

use crate::keeper::{Committed, Keeper};

pub const SEGMENT: u64 = 64 * 1024;
/// Room that every step has. It leaves each segment soon, so that checkpoints have segments to recycle.
const ROOM: usize = 54_000;

pub struct DiskJournal {
    disk: LyingDisk,
    journal: Option<Journal>,
}

impl DiskJournal {
    pub fn new(seed: u64) -> DiskJournal {
        DiskJournal { disk: LyingDisk::new(seed), journal: None }
    }

    fn open(&mut self, take: &mut dyn FnMut(Replayed<'_>)) -> Result<(), StoreError> {
        let config =
            JournalConfig { segment_bytes: SEGMENT, spare_segments: 1, headroom_bytes: 0, background: false };
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let opened = Journal::open(disk, config, &mut |replayed| {
            take(replayed);
            Ok(())
        });
        self.journal = Some(opened?.0);
        Ok(())
    }

    /// The power is gone: what of the disk is left is decided now.
    fn fall(&mut self) {
        self.journal = None;
        self.disk = self.disk.crash();
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().expect("it was recovered")
    }

    fn try_checkpoint(&mut self, engine: &QueueEngine) -> Result<(), StoreError> {
        let journal = self.journal();
        let needed = engine.oldest_needed().unwrap_or(journal.end());
        let mut records = Vec::new();
        engine.checkpoint(&mut |record| records.push(record.to_vec()));
        let mut writer = journal.write_checkpoint(journal.end(), needed);
        for record in records {
            writer.push(RecordKind::QUEUE, &[&record])?;
        }
        writer.finish()?;
        journal.recycle_before(needed)
    }
}

impl Keeper for DiskJournal {
    fn cut_at(&mut self, operation: u64) {
        self.disk.fail_at(self.disk.operations() + operation, Fault::PowerLoss);
    }

    fn block(&mut self) -> Option<Block> {
        match self.journal().ensure(ROOM) {
            Ok(()) => Some(std::mem::replace(self.journal().block(), Block::for_test(Lsn(0)))),
            Err(_) => {
                self.fall();
                None
            }
        }
    }

    fn commit(&mut self, block: Block) -> Committed {
        let start = block.start();
        let journal = self.journal();
        *journal.block() = block;
        let synced = journal.flush().and_then(|end| journal.syncer().sync(end));
        if synced.is_ok() {
            return Committed::Yes;
        }
        // Nobody was told: it may be there, whole, or not.
        self.fall();
        let mut survived = false;
        let is_of_it = |replayed: &Replayed<'_>| replayed.source == Source::Journal && replayed.lsn >= start;
        while self.open(&mut |replayed| survived |= is_of_it(&replayed)).is_err() {
            self.fall();
        }
        if survived { Committed::Untold } else { Committed::Lost }
    }

    fn checkpoint(&mut self, engine: &QueueEngine) -> bool {
        let written = self.try_checkpoint(engine).is_ok();
        if !written {
            self.fall();
        }
        written
    }

    fn recover(&mut self, config: EngineConfig, now: Timestamp) -> QueueEngine {
        self.fall();
        loop {
            let mut engine = QueueEngine::new(config);
            if self.open(&mut |replayed| engine.replay(replayed).expect("it reads back")).is_ok() {
                engine.attach_reader(Arc::new(self.journal().reader()));
                engine.finish_recovery(now);
                return engine;
            }
            self.fall();
        }
    }

    fn end(&self) -> u64 {
        self.journal.as_ref().map_or(0, |journal| journal.end().0)
    }
}
