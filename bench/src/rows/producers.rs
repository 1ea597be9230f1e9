//! Idempotent and transactional appends beside plain ones, over the journal, each synced.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use crc_fast::CrcAlgorithm;
use log_engine::batch::{Batch, BatchBuilder};
use log_engine::{
    EndTransaction, Enrolment, InitProducer, LogEngine, PartitionId, Producer, TopicConfig,
    TransactionOutcome, TransactionalId,
};
use message::TopicName;

use crate::process::{Scratch, cpu_seconds_of};
use crate::setup::payload;
use crate::shard::{Shard, now};
use crate::table::{Line, grouped, median};

const WARM_UP: Duration = Duration::from_millis(700);
const TIME: Duration = Duration::from_millis(2500);
const ROUNDS: usize = 5;
const BATCH: usize = 16 << 10;
const RECORD: usize = 100;
/// Producers with one batch each under way.
const PRODUCERS: usize = 64;
/// Batches of a transaction: a megabyte.
const PER_TRANSACTION: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Idempotent,
    Transactional,
}

/// The three in turns.
pub fn run() -> Vec<Line> {
    const KINDS: [Kind; 3] = [Kind::Plain, Kind::Idempotent, Kind::Transactional];
    let mut reached: [Vec<(f64, f64)>; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (kind, reached) in KINDS.into_iter().zip(&mut reached) {
            let one = append(kind);
            // The first round only warms up.
            if round > 0 {
                reached.push(one);
            }
        }
    }
    let middle = reached.map(|all| {
        let of = |part: fn(&(f64, f64)) -> f64| median(&all.iter().map(part).collect::<Vec<_>>());
        (of(|one| one.0), of(|one| one.1))
    });
    let (plain, plain_cpu) = middle[0];
    let line = |name: &str, (rate, cpu): (f64, f64), floor: f64, target: &str| {
        let measured = format!(
            "{} records/s, {:.2} of plain appends' {} (CPU {plain_cpu:.3})",
            grouped(rate),
            rate / plain,
            grouped(plain)
        );
        let workload = format!("log append, {name}, records of {RECORD} B, batches of 16 KiB, synced");
        Line::new(workload, target, measured).met(rate / plain >= floor).cpu(cpu)
    };
    vec![
        line("idempotent", middle[1], 0.9, "within 10 % of plain"),
        line("transactions of 1 MiB", middle[2], 0.75, "within 25 % of plain"),
    ]
}

/// A producer's next batch: the same records under another number.
struct Sender {
    id: TransactionalId,
    producer: Option<Producer>,
    wire: Vec<u8>,
    count: i32,
    sequence: i32,
    in_transaction: u32,
}

impl Sender {
    fn new(number: usize, kind: Kind, shard: &mut Shard<Vec<usize>>) -> Sender {
        shard.make_room(LogEngine::RECORDS_LEN_MAX);
        let id = TransactionalId::new(&format!("producer-{number}")).expect("an id");
        let block = shard.journal.block();
        let producer = match kind {
            Kind::Plain => None,
            Kind::Idempotent => Some(shard.log.new_producer(block)),
            Kind::Transactional => {
                let init = InitProducer { id: &id, timeout: Duration::from_secs(60), claimed: None };
                Some(shard.log.init_producer(block, &init, now()).expect("a producer"))
            }
        };
        let builder = BatchBuilder::new(now());
        let mut builder = match (kind, producer) {
            (Kind::Transactional, Some(producer)) => builder.in_transaction(producer, Some(0)),
            (_, Some(producer)) => builder.produced_by(producer, 0),
            (_, None) => builder,
        };
        let body = payload(RECORD);
        while builder.is_empty() || builder.len() + RECORD + 12 < BATCH {
            builder.push(None, Some(&body), &[], None);
        }
        let count = builder.count() as i32;
        let wire = builder.build().as_bytes().to_vec();
        Sender { id, producer, wire, count, sequence: 0, in_transaction: 0 }
    }

    /// Numbers the batch, as its producer would. A plain one's checksum is made as well, so that all cost the same.
    fn next(&mut self) -> Batch {
        if let Some(producer) = self.producer {
            self.wire[51..53].copy_from_slice(&producer.epoch.0.to_be_bytes());
            self.wire[53..57].copy_from_slice(&self.sequence.to_be_bytes());
            self.sequence += self.count;
        }
        let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &self.wire[21..]) as u32;
        self.wire[17..21].copy_from_slice(&crc.to_be_bytes());
        Batch::validate(BytesMut::from(self.wire.as_slice()), 16 << 20).expect("a batch")
    }

    fn send(&mut self, shard: &mut Shard<Vec<usize>>, kind: Kind, partition: PartitionId) {
        let batch = self.next();
        shard.make_room(LogEngine::transactional_append_len(batch.len()));
        let block = shard.journal.block();
        if kind != Kind::Transactional {
            shard.log.append(block, partition, batch, now()).expect("an append");
            return;
        }
        let enrolment = Enrolment { id: &self.id, implicit: true };
        shard.log.append_transactional(block, partition, batch, enrolment, now()).expect("an append");
        self.in_transaction += 1;
        if let Some(producer) = self.producer.filter(|_| self.in_transaction == PER_TRANSACTION) {
            shard.make_room(shard.log.end_transaction_len(&self.id));
            let outcome = TransactionOutcome::Commit;
            let end = EndTransaction { id: &self.id, producer, outcome, bump: true };
            let ended = shard.log.end_transaction(shard.journal.block(), &end, now());
            (self.producer, self.sequence) = (Some(ended.expect("a commit")), 0);
            self.in_transaction = 0;
        }
    }
}

/// Records a second, and CPU seconds per million of them.
fn append(kind: Kind) -> (f64, f64) {
    let scratch = Scratch::new("producers");
    let mut shard: Shard<Vec<usize>> = Shard::open(&scratch.path("data"));
    shard.make_room(LogEngine::RECORDS_LEN_MAX);
    let name = TopicName::new("log").expect("a name");
    let block = shard.journal.block();
    let topic = shard.log.create_topic(block, &name, 1, TopicConfig::default(), now()).expect("a topic");
    let partition = topic.partitions()[0].id();
    let mut senders: Vec<Sender> =
        (0..PRODUCERS).map(|number| Sender::new(number, kind, &mut shard)).collect();
    let count = senders[0].count as u64;
    let (mut ready, mut acknowledged) = ((0..PRODUCERS).collect::<Vec<_>>(), 0_u64);
    let began = Instant::now();
    let mut mark = None;
    while began.elapsed() < WARM_UP + TIME {
        let full = shard.log.unsettled_bytes() > 192 << 20;
        for mut released in shard.released(ready.is_empty() || full) {
            acknowledged += released.len() as u64;
            ready.append(&mut released);
        }
        if mark.is_none() && began.elapsed() >= WARM_UP {
            mark = Some((acknowledged, cpu_seconds_of(std::process::id()), Instant::now()));
        }
        if ready.is_empty() || full {
            continue;
        }
        let group = std::mem::take(&mut ready);
        for number in &group {
            senders[*number].send(&mut shard, kind, partition);
        }
        for (view, end) in shard.log.take_advanced() {
            view.advance(end);
        }
        shard.commit(group);
    }
    let (before, cpu_before, since) = mark.expect("the warm-up ends");
    let records = ((acknowledged - before) * count) as f64;
    let cpu = (cpu_seconds_of(std::process::id()) - cpu_before) * 1e6 / records;
    (records / since.elapsed().as_secs_f64(), cpu)
}
