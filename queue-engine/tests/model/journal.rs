//! A journal in memory: committed blocks, a checkpoint, and a reader over them.
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use message::Timestamp;
use queue_engine::{BodyReader, EngineConfig, QueueEngine};
use segment_store::{Block, Lsn, RecordKind, Replayed, Source};

#[derive(Default)]
pub struct TestJournal {
    records: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    checkpoint: (u64, Vec<Vec<u8>>),
    pub end: u64,
}

impl TestJournal {
    pub fn block(&self) -> Block {
        Block::for_test(Lsn(self.end))
    }

    pub fn commit(&mut self, block: &Block) {
        let mut records = self.records.lock().unwrap();
        for (kind, lsn, payload) in block.iter() {
            assert_eq!(kind, RecordKind::QUEUE);
            self.end = lsn.0 + payload.len() as u64;
            records.insert(lsn.0, payload.to_vec());
        }
    }

    /// Keeps what the engine asks to keep, and recycles what nothing needs below it.
    pub fn checkpoint(&mut self, engine: &QueueEngine) {
        let mut kept = Vec::new();
        engine.checkpoint(&mut |record| kept.push(record.to_vec()));
        self.checkpoint = (self.end + 1, kept);
        self.end += 1;
        let needed = engine.oldest_needed().map_or(self.end, |lsn| lsn.0).min(self.end);
        // Here records may cross segments; a journal's do not.
        self.records.lock().unwrap().retain(|lsn, record| lsn + record.len() as u64 > needed);
    }

    pub fn reader(&self) -> Arc<dyn BodyReader> {
        Arc::new(TestReader(self.records.clone()))
    }

    /// What a restart makes of it.
    pub fn recover(&self, config: EngineConfig, now: Timestamp) -> QueueEngine {
        let mut engine = QueueEngine::new(config);
        let checkpoint_lsn = Lsn(self.checkpoint.0);
        let replayed =
            |source, lsn, payload| Replayed { source, lsn, checkpoint_lsn, kind: RecordKind::QUEUE, payload };
        for record in &self.checkpoint.1 {
            engine.replay(replayed(Source::Checkpoint, Lsn(0), record)).unwrap();
        }
        for (lsn, record) in self.records.lock().unwrap().iter() {
            engine.replay(replayed(Source::Journal, Lsn(*lsn), record)).unwrap();
        }
        engine.attach_reader(self.reader());
        engine.finish_recovery(now);
        engine
    }
}

struct TestReader(Arc<Mutex<BTreeMap<u64, Vec<u8>>>>);

impl BodyReader for TestReader {
    fn read(&self, lsn: Lsn, len: u32) -> io::Result<Bytes> {
        let records = self.0.lock().unwrap();
        let (start, end) = (lsn.0, lsn.0 + u64::from(len));
        let mut out = vec![0; len as usize];
        let mut last = 0;
        for (at, record) in records.range(..end).rev() {
            let record_end = at + record.len() as u64;
            if record_end <= start {
                break;
            }
            last = last.max(record_end);
            let (from, to) = (start.max(*at), end.min(record_end));
            out[(from - start) as usize..(to - start) as usize]
                .copy_from_slice(&record[(from - at) as usize..(to - at) as usize]);
        }
        // Beyond the end is what was never written.
        if last < end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(out.into()) }
    }
}
