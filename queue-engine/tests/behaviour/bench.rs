//! An engine with a journal in memory behind it, for tests that read like a story.
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use message::{ExchangeName, HeaderTable, HeaderValue, Timestamp, TopicName};
use queue_engine::{
    BindingTarget, BodyReader, Delivery, Destination, EngineConfig, ExchangeKind, ExchangeOptions, LeaseFor,
    NewMessage, Outbox, Published, QueueEngine, QueueError, QueueOptions, Settle, SettleAction, SettleError,
    Settled,
};
use segment_store::{Block, Lsn, RecordKind, Replayed, Source};

pub struct Bench {
    pub engine: QueueEngine,
    pub block: Block,
    pub now: Timestamp,
    records: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    /// How often the engine went to the journal for bodies.
    pub reads: Arc<Mutex<u64>>,
    config: EngineConfig,
    checkpoint: (u64, Vec<Vec<u8>>),
}

struct Reader(Arc<Mutex<BTreeMap<u64, Vec<u8>>>>, Arc<Mutex<u64>>);

impl BodyReader for Reader {
    fn read(&self, lsn: Lsn, len: u32) -> io::Result<Bytes> {
        *self.1.lock().unwrap() += 1;
        let mut image = vec![0; len as usize];
        let mut end = 0;
        for (at, record) in self.0.lock().unwrap().range(..lsn.0 + u64::from(len)) {
            for (byte, place) in record.iter().zip(*at..) {
                if let Some(byte_at) = place.checked_sub(lsn.0).filter(|at| *at < u64::from(len)) {
                    image[byte_at as usize] = *byte;
                    end = end.max(byte_at + 1);
                }
            }
        }
        if end == u64::from(len) { Ok(image.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

pub fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub fn exchange(name: &str) -> ExchangeName {
    ExchangeName::new(name).unwrap()
}

pub fn text(text: &str) -> HeaderValue {
    HeaderValue::Text(text.to_owned())
}

pub fn table(entries: &[(&str, HeaderValue)]) -> HeaderTable {
    entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub fn body(body: &str) -> NewMessage {
    NewMessage { body: Bytes::copy_from_slice(body.as_bytes()), ..NewMessage::default() }
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| String::from_utf8(delivery.message.body.to_vec()).unwrap()).collect()
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(EngineConfig::default())
    }

    pub fn with(config: EngineConfig) -> Bench {
        let mut bench = Bench {
            engine: QueueEngine::new(config),
            block: Block::for_test(Lsn(4096)),
            now: Timestamp(1_700_000_000_000),
            records: Arc::default(),
            reads: Arc::default(),
            config,
            checkpoint: (0, Vec::new()),
        };
        bench.engine.attach_reader(Arc::new(Reader(bench.records.clone(), bench.reads.clone())));
        bench.engine.finish_recovery(bench.now);
        bench
    }

    /// Ends the group and writes its block.
    pub fn commit(&mut self) -> Outbox {
        let outbox = self.engine.take_outbox(&mut self.block);
        self.write_block();
        outbox
    }

    /// Writes the block as it is, in the middle of a group.
    pub fn write_block(&mut self) {
        let mut end = 0;
        for (kind, lsn, payload) in self.block.iter() {
            assert_eq!(kind, RecordKind::QUEUE);
            end = lsn.0 + payload.len() as u64;
            self.records.lock().unwrap().insert(lsn.0, payload.to_vec());
        }
        if end > 0 {
            self.block = Block::for_test(Lsn(end + 64));
        }
    }

    /// The process falls; what was not committed is lost.
    pub fn crash(&mut self) {
        self.engine = QueueEngine::new(self.config);
        let mut end = self.checkpoint.0.max(4096);
        let checkpoint_lsn = Lsn(self.checkpoint.0);
        let replayed =
            |source, lsn, payload| Replayed { source, lsn, checkpoint_lsn, kind: RecordKind::QUEUE, payload };
        for record in &self.checkpoint.1 {
            self.engine.replay(replayed(Source::Checkpoint, Lsn(0), record)).unwrap();
        }
        for (lsn, payload) in self.records.lock().unwrap().iter() {
            self.engine.replay(replayed(Source::Journal, Lsn(*lsn), payload)).unwrap();
            end = lsn + payload.len() as u64;
        }
        self.engine.attach_reader(Arc::new(Reader(self.records.clone(), self.reads.clone())));
        self.block = Block::for_test(Lsn(end + 64));
        self.engine.finish_recovery(self.now);
    }

    /// Writes a checkpoint, and gives up every record that only it needs.
    pub fn checkpoint(&mut self) {
        self.commit();
        let end = self.records.lock().unwrap().last_key_value().map_or(4096, |(lsn, r)| lsn + r.len() as u64);
        self.checkpoint = (end + 1, Vec::new());
        let kept = &mut self.checkpoint.1;
        self.engine.checkpoint(&mut |record| kept.push(record.to_vec()));
        let needed = self.engine.oldest_needed().map_or(end + 1, |lsn| lsn.0);
        self.records.lock().unwrap().retain(|lsn, _| *lsn >= needed);
    }

    /// Has everything that was committed written again further on.
    pub fn relocate(&mut self) {
        self.commit();
        let end = self.records.lock().unwrap().last_key_value().map_or(4096, |(lsn, r)| lsn + r.len() as u64);
        let step = self.engine.relocate_before(&mut self.block, Lsn(end), 1 << 20).unwrap();
        assert!(step.complete);
        self.commit();
    }

    pub fn damage(&self) {
        self.records.lock().unwrap().values_mut().for_each(|record| record.truncate(1));
    }

    pub fn pass(&mut self, ms: i64) {
        self.now.0 += ms;
        while self.engine.next_deadline().is_some_and(|due| due <= self.now) {
            self.engine.tick(&mut self.block, self.now);
        }
    }

    pub fn declare(&mut self, name: &str, options: QueueOptions) {
        self.engine.declare_queue(&mut self.block, &topic(name), options, self.now).unwrap();
    }

    pub fn declare_exchange(&mut self, name: &str, kind: ExchangeKind) {
        let options = ExchangeOptions::default();
        self.engine.declare_exchange(&mut self.block, &exchange(name), kind, options).unwrap();
    }

    pub fn bind(
        &mut self,
        source: &str,
        target: BindingTarget,
        key: &str,
        arguments: &[(&str, HeaderValue)],
    ) {
        self.try_bind(source, target, key, arguments).unwrap();
    }

    pub fn try_bind(
        &mut self,
        source: &str,
        target: BindingTarget,
        key: &str,
        arguments: &[(&str, HeaderValue)],
    ) -> Result<bool, QueueError> {
        self.engine.bind(&mut self.block, &exchange(source), &target, key, &table(arguments), self.now)
    }

    pub fn bind_queue(&mut self, source: &str, queue: &str, key: &str) {
        self.bind(source, BindingTarget::Queue(topic(queue)), key, &[]);
    }

    pub fn publish(&mut self, queue: &str, message: NewMessage) -> Result<Published, QueueError> {
        let queue = topic(queue);
        self.engine.publish(&mut self.block, Destination::Queue(&queue), message, self.now)
    }

    pub fn publish_to(&mut self, name: &str, routing_key: &str, message: NewMessage) -> Published {
        let to = Destination::Exchange { name, routing_key };
        self.engine.publish(&mut self.block, to, message, self.now).unwrap()
    }

    pub fn receive(&mut self, queue: &str, max: usize) -> Vec<Delivery> {
        let lease = LeaseFor::QueueDefault;
        self.engine.receive(&mut self.block, &topic(queue), max, lease, self.now).unwrap()
    }

    pub fn one(&mut self, queue: &str) -> Delivery {
        self.receive(queue, 1).pop().expect("a message is ready")
    }

    pub fn settle(&mut self, delivery: &Delivery, action: SettleAction) -> Result<Settled, SettleError> {
        let settle = Settle { lease: delivery.lease.expect("it is leased"), action };
        self.engine.settle(&mut self.block, &[settle], self.now).pop().unwrap()
    }

    pub fn ready(&self, queue: &str) -> u64 {
        self.engine.queue_info(&topic(queue)).unwrap().ready
    }
}
