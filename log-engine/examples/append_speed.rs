//! How much idempotence and transactions cost: appends of ready batches and the journal's write, without syncs, beside
//! plain ones in the same run.
//!
//! `cargo run --release -p log-engine --example append_speed`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement fails by panicking, and prints")]

use std::sync::Arc;
use std::time::Duration;

use log_engine::batch::{Batch, BatchBuilder};
use log_engine::{
    EndTransaction, Enrolment, LogEngine, LogEngineConfig, PartitionId, Producer, TopicConfig,
    TransactionOutcome, TransactionalId,
};
use message::{Timestamp, TopicName};
use segment_store::{Journal, JournalConfig, RealDisk};

/// Batches before the journal is written.
const GROUP: usize = 16;
/// Batches in one transaction.
const TRANSACTION: usize = 64;
const ROUNDS: usize = 9;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Idempotent,
    Transactional,
}

/// Time that this thread spent on a processor, so that other work on the machine does not count.
fn cpu() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(spent.split_whitespace().next().unwrap().parse().unwrap())
}

struct Bench {
    journal: Journal,
    engine: LogEngine,
    partition: PartitionId,
    name: TransactionalId,
    producer: Producer,
    sequence: i32,
}

impl Bench {
    fn open(disk: RealDisk) -> Bench {
        let disk = Arc::new(disk);
        let mut engine = LogEngine::open(disk.clone(), LogEngineConfig::default());
        let (mut journal, _) = Journal::open(disk, JournalConfig::default(), &mut |_| Ok(())).unwrap();
        engine.finish_recovery(NOW).unwrap();
        journal.ensure(64 << 10).unwrap();
        let name = TopicName::new("t").unwrap();
        let topic = engine.create_topic(journal.block(), &name, 1, TopicConfig::default(), NOW).unwrap();
        let producer = engine.new_producer(journal.block());
        let partition = topic.partitions()[0].id();
        let name = TransactionalId::new("bench").unwrap();
        Bench { journal, engine, partition, name, producer, sequence: 0 }
    }

    fn begin(&mut self, kind: Kind) {
        let block = self.journal.block();
        self.sequence = 0;
        self.producer = match kind {
            Kind::Plain | Kind::Idempotent => self.engine.new_producer(block),
            Kind::Transactional => {
                self.engine.begin_transaction(block, Some(&self.name), Duration::from_secs(60), NOW).unwrap()
            }
        };
    }

    fn batch(&mut self, kind: Kind, records: usize, size: usize) -> Batch {
        let body = vec![7; size];
        let mut builder = BatchBuilder::with_capacity(NOW, records * (size + 40) + 100);
        builder = match kind {
            Kind::Plain => builder,
            Kind::Idempotent => builder.produced_by(self.producer, self.sequence),
            Kind::Transactional => builder.in_transaction(self.producer, Some(self.sequence)),
        };
        (0..records).for_each(|_| builder.push(None, Some(&body), &[], None));
        self.sequence += records as i32;
        builder.build()
    }

    /// One transaction's worth of batches; answers the processor's time that the engine and the journal took.
    fn run(&mut self, kind: Kind, records: usize, size: usize) -> Duration {
        let mut taken = Duration::ZERO;
        self.begin(kind);
        for group in 0..TRANSACTION / GROUP {
            let batches: Vec<Batch> = (0..GROUP).map(|_| self.batch(kind, records, size)).collect();
            while self.journal.room() < (64 << 20) {
                self.journal.make_room().unwrap();
            }
            let began = cpu();
            for batch in batches {
                self.journal.ensure(LogEngine::transactional_append_len(batch.len())).unwrap();
                let (block, partition) = (self.journal.block(), self.partition);
                match kind {
                    Kind::Transactional => {
                        let enrolment = Enrolment { id: &self.name, implicit: true };
                        self.engine.append_transactional(block, partition, batch, enrolment, NOW)
                    }
                    _ => self.engine.append(block, partition, batch, NOW),
                }
                .unwrap();
            }
            if kind == Kind::Transactional && group + 1 == TRANSACTION / GROUP {
                self.journal.ensure(self.engine.end_transaction_len(&self.name)).unwrap();
                let outcome = TransactionOutcome::Commit;
                let end = EndTransaction { id: &self.name, producer: self.producer, outcome, bump: true };
                self.engine.end_transaction(self.journal.block(), &end, NOW).unwrap();
            }
            self.journal.flush().unwrap();
            taken += cpu() - began;
            self.engine.take_advanced().into_iter().for_each(|(view, visible)| view.advance(visible));
        }
        taken
    }

    /// Writes to files what waits, and gives the journal back, so that every measurement begins alike.
    fn tidy(&mut self) {
        let end = self.journal.flush().unwrap();
        let durable = self.journal.syncer().sync(end).unwrap();
        self.engine.settle_below(end);
        while let Some(job) = self.engine.take_settle_job(durable, NOW) {
            let result = job.run();
            self.journal.ensure(LogEngine::RECORDS_LEN_MAX).unwrap();
            self.engine.settled(self.journal.block(), result, NOW);
            self.journal.flush().unwrap();
        }
        self.journal.recycle_before(self.journal.end()).unwrap();
    }
}

fn main() {
    let home = tempfile::tempdir().unwrap();
    let mut bench = Bench::open(RealDisk::new(home.path()));
    for (records, size) in [(1, 100), (160, 100), (16, 1024), (900, 1024)] {
        let repeats = (64 << 20) / (TRANSACTION * records * (size + 70)).max(64 << 10);
        let mut times = [Kind::Plain, Kind::Idempotent, Kind::Transactional].map(|kind| (kind, Vec::new()));
        for round in 0..ROUNDS {
            for (kind, times) in &mut times {
                let time: Duration = (0..repeats.max(1)).map(|_| bench.run(*kind, records, size)).sum();
                bench.tidy();
                if round > 0 {
                    times.push(time.as_nanos() as f64 / (repeats.max(1) * TRANSACTION) as f64);
                }
            }
        }
        let medians = times.map(|(kind, mut times)| {
            times.sort_by(f64::total_cmp);
            (kind, times[times.len() / 2])
        });
        let plain = medians[0].1;
        for (kind, nanos) in medians {
            let share = (nanos / plain - 1.0) * 100.0;
            println!(
                "{records:>5} x {size:>4} B  {kind:<14?} {nanos:>10.0} ns of CPU a batch  {share:>+6.1} %"
            );
        }
    }
}
