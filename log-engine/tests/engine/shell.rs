//! The part of a shard's owner that the engine relies on: blocks, syncs, releases, settle jobs, checkpoints.
use std::sync::Arc;

use log_engine::batch::{Batch, BatchBuilder, Codec, RecordSet};
use log_engine::{
    Appended, Damage, LogEngine, LogEngineConfig, LogError, Offset, PartitionView, SettleOutcome,
    TopicConfig, TopicView,
};
use message::{GroupName, Timestamp, TopicName};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use segment_store::{Block, Disk, Journal, JournalConfig, LyingDisk, RecordKind, StoreError};

/// What a test writes and expects back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub timestamp: i64,
    pub value: Vec<u8>,
}

/// The same cases in every run; `LOG_ENGINE_CASES` asks for more.
pub fn seeded(cases: u32) -> ProptestConfig {
    let cases = std::env::var("LOG_ENGINE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig {
        cases,
        max_shrink_iters: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_240_229),
        ..ProptestConfig::default()
    }
}

pub struct Shell {
    pub journal: Journal,
    pub engine: LogEngine,
    pub damage: Vec<Damage>,
    pub now: Timestamp,
}

pub const START: Timestamp = Timestamp(1_700_000_000_000);

impl Shell {
    pub fn open(disk: &LyingDisk) -> Result<Shell, StoreError> {
        Shell::open_with(disk, LogEngineConfig::default())
    }

    pub fn open_with(disk: &LyingDisk, config: LogEngineConfig) -> Result<Shell, StoreError> {
        Shell::open_at(disk, config, START)
    }

    pub fn open_at(disk: &LyingDisk, config: LogEngineConfig, now: Timestamp) -> Result<Shell, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let journal_config = JournalConfig {
            segment_bytes: 128 << 10,
            spare_segments: 1,
            headroom_bytes: 0,
            background: false,
        };
        let mut engine = LogEngine::open(Arc::clone(&disk), config);
        let (journal, _) = Journal::open(disk, journal_config, &mut |record| {
            engine.replay(record).map_err(|error| StoreError::Io {
                context: error.to_string(),
                source: std::io::Error::other("replay"),
            })
        })?;
        let damage = engine.finish_recovery(now).map_err(store)?;
        Ok(Shell { journal, engine, damage, now })
    }

    /// One command.
    pub fn run<T>(
        &mut self,
        command: impl FnOnce(&mut LogEngine, &mut Block, Timestamp) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        self.journal.make_room().map_err(log)?;
        self.journal.ensure(48 << 10).map_err(log)?;
        command(&mut self.engine, self.journal.block(), self.now)
    }

    /// Writes and syncs what the commands did, then releases it.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        let end = self.journal.flush()?;
        self.journal.syncer().sync(end)?;
        for (view, visible) in self.engine.take_advanced() {
            view.advance(visible);
        }
        Ok(())
    }

    pub fn create(&mut self, name: &str, partitions: u32, config: &[(&str, &str)]) -> Arc<TopicView> {
        self.try_create(name, partitions, config).unwrap()
    }

    pub fn try_create(
        &mut self,
        name: &str,
        partitions: u32,
        config: &[(&str, &str)],
    ) -> Result<Arc<TopicView>, LogError> {
        let config = TopicConfig::parse(config.iter().copied())?;
        let name = TopicName::new(name)?;
        let view =
            self.run(|engine, block, now| engine.create_topic(block, &name, partitions, config, now))?;
        self.commit().map_err(log)?;
        Ok(view)
    }

    pub fn append(&mut self, view: &PartitionView, batch: Batch) -> Result<Appended, LogError> {
        self.run(|engine, block, now| engine.append(block, view.id(), batch, now))
    }

    /// Settles everything, if the disk allows.
    pub fn settle(&mut self) -> Result<SettleOutcome, StoreError> {
        self.commit()?;
        self.engine.settle_below(self.journal.end());
        let mut outcome = SettleOutcome::default();
        for _ in 0..8 {
            let Some(job) = self.engine.take_settle_job(self.journal.durable(), self.now) else { break };
            let result = job.run();
            self.journal.make_room()?;
            self.journal.ensure(16 << 10)?;
            let more = self.engine.settled(self.journal.block(), result, self.now);
            outcome.freed_bytes += more.freed_bytes;
            outcome.failed.extend(more.failed);
            self.commit()?;
            if !outcome.failed.is_empty() {
                break;
            }
        }
        Ok(outcome)
    }

    /// Compacts what is dirty enough, if the disk allows; answers how many passes that took.
    pub fn clean(&mut self) -> Result<usize, StoreError> {
        self.tick_now()?;
        let mut passes = 0;
        while let Some(job) = self.engine.take_clean_job(self.now) {
            self.finish_clean(job.run())?;
            passes += 1;
            self.tick_now()?;
        }
        Ok(passes)
    }

    /// Takes what a clean job did.
    pub fn finish_clean(&mut self, result: log_engine::CleanResult) -> Result<(), StoreError> {
        self.journal.make_room()?;
        self.journal.ensure(16 << 10)?;
        let outcome = self.engine.cleaned(self.journal.block(), result, self.now);
        if let Some(error) = outcome.failed {
            return Err(StoreError::Io {
                context: error.to_string(),
                source: std::io::Error::other("clean"),
            });
        }
        self.commit()
    }

    /// A tick that looks at every log, whenever the last one was.
    fn tick_now(&mut self) -> Result<(), StoreError> {
        self.now = Timestamp(self.now.0 + 1000);
        self.tick().map(drop)
    }

    pub fn tick(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.journal.make_room()?;
        self.journal.ensure(16 << 10)?;
        let next = self.engine.tick(self.journal.block(), self.now);
        self.commit()?;
        Ok(next)
    }

    /// Checkpoints and gives back the journal that nobody needs.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.commit()?;
        let needed = self.engine.oldest_needed().unwrap_or(self.journal.end());
        let mut writer = self.journal.write_checkpoint(self.journal.end(), needed);
        let mut failed = Ok(());
        self.engine.checkpoint(&mut |record| {
            if failed.is_ok() {
                failed = writer.push(RecordKind::LOG, &[record]);
            }
        });
        failed?;
        writer.finish()?;
        self.journal.recycle_before(needed)
    }

    /// The partition, found again after a restart.
    pub fn partition(&self, topic: &str, number: u32) -> Arc<PartitionView> {
        let topic = self.engine.topic(&TopicName::new(topic).unwrap()).expect("the topic exists");
        Arc::clone(topic.partition(number).unwrap())
    }
}

pub fn log(error: StoreError) -> LogError {
    LogError::Io { context: error.to_string(), source: std::io::Error::other("store") }
}

fn store(error: LogError) -> StoreError {
    StoreError::Io { context: error.to_string(), source: std::io::Error::other("log") }
}

pub fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

/// Key, and value unless it is a tombstone.
pub type Keyed = (String, Option<String>);

/// A batch of keyed records that bear the time `now`.
pub fn keyed(records: &[Keyed], codec: Codec, now: Timestamp) -> Batch {
    let mut builder = BatchBuilder::new(now);
    for (key, value) in records {
        builder.push(Some(key.as_bytes()), value.as_deref().map(str::as_bytes), &[], None);
    }
    builder.build_compressed(codec).unwrap()
}

/// Every keyed record of a partition by offset, read a little at a time.
pub fn read_keyed(view: &PartitionView, max_bytes: usize) -> Vec<(i64, Keyed)> {
    let mut found = Vec::new();
    let mut at = view.log_start();
    while at < view.high_watermark() {
        let read = view.read(at, max_bytes).unwrap();
        assert!(read.next_offset > at, "nothing was read at {at}");
        for batch in &read.batches {
            for record in RecordSet::open(batch, 1 << 20).unwrap().iter_from(at) {
                let record = record.unwrap();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                found.push((record.offset.0, (text(record.key.unwrap()), record.value.map(text))));
            }
        }
        at = read.next_offset;
    }
    found
}

pub fn batch(entries: &[Entry], codec: Codec) -> Batch {
    let mut builder = BatchBuilder::new(START);
    for entry in entries {
        builder.push(None, Some(&entry.value), &[], Some(entry.timestamp));
    }
    builder.build_compressed(codec).unwrap()
}

/// `count` entries whose values tell them apart.
pub fn entries(first: usize, count: usize, size: usize) -> Vec<Entry> {
    let entry = |number: usize| Entry {
        timestamp: START.0 + number as i64,
        value: format!("{number:>size$}").into_bytes(),
    };
    (first..first + count).map(entry).collect()
}

/// Damaged stretches: the first offset lost, and the first that can be read again.
pub type Lost = Vec<(i64, i64)>;

/// Reads one partition from `from` to its end, a little at a time; damaged stretches are left out and counted.
pub fn read_all(view: &PartitionView, from: Offset, max_bytes: usize) -> (Vec<(Offset, Entry)>, Lost) {
    let (mut found, mut lost) = (Vec::new(), Vec::new());
    let mut at = from;
    while at < view.high_watermark() {
        match view.read(at, max_bytes) {
            Ok(read) => {
                assert!(read.next_offset > at, "a visible record at {at} was not read");
                for batch in &read.batches {
                    let set = RecordSet::open(batch, 1 << 20).unwrap();
                    for record in set.iter_from(at) {
                        let record = record.unwrap();
                        let value = record.value.unwrap().to_vec();
                        found.push((record.offset, Entry { timestamp: record.timestamp, value }));
                    }
                }
                at = read.next_offset;
            }
            Err(LogError::Damaged { first, next, .. }) => {
                lost.push((first.0, next.0));
                at = next;
            }
            Err(error) => panic!("reading at {at}: {error}"),
        }
    }
    (found, lost)
}
