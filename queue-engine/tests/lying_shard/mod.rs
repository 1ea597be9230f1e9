//! A queue engine on a real journal over a disk that lies, for tests that cut the power.

use std::sync::Arc;

use message::{Timestamp, TopicName};
use queue_engine::{EngineConfig, QueueEngine, QueueError};
use segment_store::{Disk, Journal, JournalConfig, LyingDisk, RecordKind, StoreError};

pub const NOW: Timestamp = Timestamp(1_700_000_000_000);
pub const SEGMENT: u64 = 64 * 1024;

pub struct Shard {
    pub journal: Journal,
    pub engine: QueueEngine,
}

pub fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub fn first_word(body: &[u8]) -> String {
    String::from_utf8_lossy(body).split(' ').next().unwrap().to_owned()
}

impl Shard {
    pub fn open(disk: &LyingDisk) -> Result<Shard, StoreError> {
        let config =
            EngineConfig { segment_bytes: SEGMENT, queue_memory_bytes: 4_000, ..EngineConfig::default() };
        let journal_config =
            JournalConfig { segment_bytes: SEGMENT, spare_segments: 1, headroom_bytes: 0, background: false };
        let mut engine = QueueEngine::new(config);
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let (journal, _) = Journal::open(disk, journal_config, &mut |replayed| {
            engine.replay(replayed).expect("what was written reads back");
            Ok(())
        })?;
        engine.attach_reader(Arc::new(journal.reader()));
        engine.finish_recovery(NOW);
        Ok(Shard { journal, engine })
    }

    /// Ends the group; what it did is confirmed when this answers.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.engine.take_outbox(self.journal.block());
        let end = self.journal.flush()?;
        self.journal.syncer().sync(end).map(drop)
    }

    /// The first words of all messages of a queue.
    pub fn content(&self, queue: &str) -> Vec<String> {
        match self.engine.browse(&topic(queue), None, usize::MAX, u64::MAX) {
            Ok(page) => page.messages.iter().map(|m| first_word(&m.message.as_ref().unwrap().body)).collect(),
            Err(QueueError::UnknownQueue(_)) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Moves what waits for a block, or for this time, to where it goes.
    pub fn tick(&mut self, now: Timestamp) -> Result<(), StoreError> {
        while self.engine.next_deadline().is_some_and(|due| due <= now) {
            self.journal.ensure(SEGMENT as usize / 2)?;
            self.engine.tick(self.journal.block(), now);
            self.commit()?;
        }
        Ok(())
    }

    /// Moves what is live out of the older half of the journal and recycles it.
    pub fn reclaim(&mut self) -> Result<(), StoreError> {
        let target = segment_store::Lsn(self.journal.end().0 / SEGMENT * SEGMENT);
        loop {
            self.journal.ensure(20_000)?;
            let step = self.engine.relocate_before(self.journal.block(), target, 16_000).unwrap();
            self.commit()?;
            if step.complete {
                break;
            }
        }
        let needed = self.engine.oldest_needed().unwrap_or(self.journal.end());
        let mut writer = self.journal.write_checkpoint(self.journal.end(), needed);
        let mut records = Vec::new();
        self.engine.checkpoint(&mut |record| records.push(record.to_vec()));
        for record in records {
            writer.push(RecordKind::QUEUE, &[&record])?;
        }
        writer.finish()?;
        self.journal.recycle_before(needed.min(target))
    }
}
