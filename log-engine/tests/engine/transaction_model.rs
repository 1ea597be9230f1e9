//! Producers and transactions against a model that keeps everything in lists and looks at all of it.
use std::collections::BTreeMap;

use log_engine::batch::{Batch, BatchBuilder};
use log_engine::{
    Committer, EndTransaction, Enrolment, InitProducer, Isolation, LogError, Offset, OffsetCommit, Producer,
    TransactionOutcome, TransactionalId,
};
use message::ErrorCode;
use proptest::prelude::*;
use segment_store::{Crash, LyingDisk};

use crate::shell::{START, Shell, group, seeded};
use crate::transactions::values;

const PARTITIONS: u32 = 3;
const IDS: usize = 3;
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// What the producers and the world around them do.
#[derive(Clone, Debug)]
enum Step {
    /// A producer (re)starts: it fences its predecessor.
    Init {
        id: usize,
    },
    /// A producer writes its next batch to a partition within its transaction.
    Write {
        id: usize,
        partition: u32,
    },
    /// It sends its last batch to that partition once more.
    Again {
        id: usize,
        partition: u32,
    },
    /// A predecessor that does not know that it was fenced writes.
    Zombie {
        id: usize,
        partition: u32,
    },
    /// Somebody writes without any transaction.
    Plain {
        partition: u32,
    },
    /// The transaction is to move the group's offset.
    Offset {
        id: usize,
    },
    End {
        id: usize,
        commit: bool,
    },
    /// Its last end is asked for once more.
    EndAgain {
        id: usize,
    },
    Settle,
    Checkpoint,
    /// Open transactions time out.
    Wait,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (id, partition) = (0..IDS, 0..PARTITIONS);
    let both = || (0..IDS, 0..PARTITIONS);
    prop_oneof![
        2 => id.clone().prop_map(|id| Step::Init { id }),
        12 => both().prop_map(|(id, partition)| Step::Write { id, partition }),
        3 => both().prop_map(|(id, partition)| Step::Again { id, partition }),
        2 => both().prop_map(|(id, partition)| Step::Zombie { id, partition }),
        2 => partition.prop_map(|partition| Step::Plain { partition }),
        2 => id.clone().prop_map(|id| Step::Offset { id }),
        8 => (id.clone(), any::<bool>()).prop_map(|(id, commit)| Step::End { id, commit }),
        2 => id.prop_map(|id| Step::EndAgain { id }),
        2 => Just(Step::Settle),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Wait),
        3 => Just(Step::Restart),
    ]
}

/// What became of a written record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Plain,
    Open(usize),
    Committed,
    Aborted,
}

/// The naive model: every record ever written, and what became of it.
#[derive(Default)]
struct Model {
    records: [Vec<(String, Fate)>; PARTITIONS as usize],
    /// What is committed for the group, and what each open transaction would make of it.
    offset: Option<i64>,
    pending: BTreeMap<usize, i64>,
}

impl Model {
    fn end(&mut self, id: usize, commit: bool) {
        for (_, fate) in self.records.iter_mut().flatten() {
            if *fate == Fate::Open(id) {
                *fate = if commit { Fate::Committed } else { Fate::Aborted };
            }
        }
        let pending = self.pending.remove(&id);
        if commit && pending.is_some() {
            self.offset = pending;
        }
    }

    fn visible(&self, partition: u32, isolation: Isolation) -> Vec<String> {
        let records = &self.records[partition as usize];
        let open = |(_, fate): &&(String, Fate)| matches!(fate, Fate::Open(_));
        let stable = records.iter().position(|record| open(&record)).unwrap_or(records.len());
        let shown = |fate: Fate, at: usize| match isolation {
            Isolation::ReadUncommitted => true,
            Isolation::ReadCommitted => at < stable && fate != Fate::Aborted,
        };
        let all = records.iter().enumerate();
        all.filter(|(at, (_, fate))| shown(*fate, *at)).map(|(_, (value, _))| value.clone()).collect()
    }
}

/// What a producer knows of itself.
#[derive(Clone, Default)]
struct Client {
    producer: Option<Producer>,
    /// Whom its predecessors took themselves for.
    before: Option<Producer>,
    /// Its last end, to be asked for again.
    ended: Option<(Producer, TransactionOutcome)>,
    sequences: BTreeMap<u32, i32>,
    last: BTreeMap<u32, (i32, String, Offset)>,
    open: bool,
}

impl Client {
    fn goes_on_as(&mut self, producer: Producer) {
        self.producer = Some(producer);
        self.sequences.clear();
        self.last.clear();
        self.open = false;
    }
}

struct World {
    disk: LyingDisk,
    shell: Shell,
    model: Model,
    clients: Vec<Client>,
    written: usize,
}

fn name(id: usize) -> TransactionalId {
    TransactionalId::new(&format!("client-{id}")).unwrap()
}

fn batch(producer: Producer, sequence: i32, value: &str) -> Batch {
    let mut builder = BatchBuilder::new(START).in_transaction(producer, Some(sequence));
    builder.push(None, Some(value.as_bytes()), &[], None);
    builder.build()
}

impl World {
    fn new(seed: u64) -> World {
        let disk = LyingDisk::new(seed);
        let mut shell = Shell::open(&disk).unwrap();
        shell.create("t", PARTITIONS, &[("segment.bytes", "1024"), ("index.interval.bytes", "300")]);
        World { disk, shell, model: Model::default(), clients: vec![Client::default(); IDS], written: 0 }
    }

    fn append(&mut self, id: usize, partition: u32, batch: Batch) -> Result<(Offset, bool), LogError> {
        let view = self.shell.partition("t", partition);
        let (id, now_known) = (name(id), Enrolment { id: &name(id), implicit: true }.implicit);
        let enrolment = Enrolment { id: &id, implicit: now_known };
        let appended = self
            .shell
            .run(|engine, block, now| engine.append_transactional(block, view.id(), batch, enrolment, now))?;
        Ok((appended.base_offset, appended.is_duplicate))
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Init { id } => {
                let init = InitProducer { id: &name(id), timeout: TIMEOUT, claimed: None };
                let producer =
                    self.shell.run(|engine, block, now| engine.init_producer(block, &init, now)).unwrap();
                self.model.end(id, false);
                let client = &mut self.clients[id];
                client.before = client.producer;
                client.ended = None;
                client.goes_on_as(producer);
            }
            Step::Write { id, partition } => {
                let Some(producer) = self.clients[id].producer else { return };
                let sequence = self.clients[id].sequences.get(&partition).copied().unwrap_or(0);
                let value = format!("{id}/{}", self.written);
                self.written += 1;
                let (offset, duplicate) =
                    self.append(id, partition, batch(producer, sequence, &value)).unwrap();
                assert!(!duplicate);
                self.model.records[partition as usize].push((value.clone(), Fate::Open(id)));
                let client = &mut self.clients[id];
                client.open = true;
                client.sequences.insert(partition, sequence + 1);
                client.last.insert(partition, (sequence, value, offset));
            }
            Step::Again { id, partition } => {
                let Some(producer) = self.clients[id].producer else { return };
                let Some((sequence, value, offset)) = self.clients[id].last.get(&partition).cloned() else {
                    return;
                };
                let again = self.append(id, partition, batch(producer, sequence, &value)).unwrap();
                assert_eq!(again, (offset, true));
            }
            Step::Zombie { id, partition } => {
                let Some(before) = self.clients[id].before else { return };
                let late = self.append(id, partition, batch(before, 0, "late"));
                assert_eq!(late.unwrap_err().code(), ErrorCode::InvalidProducerEpoch);
                let end = EndTransaction {
                    id: &name(id),
                    producer: before,
                    outcome: TransactionOutcome::Commit,
                    bump: true,
                };
                let ended = self.shell.run(|engine, block, now| engine.end_transaction(block, &end, now));
                assert_eq!(ended.unwrap_err().code(), ErrorCode::ProducerFenced);
            }
            Step::Plain { partition } => {
                let value = format!("plain/{}", self.written);
                self.written += 1;
                let mut builder = BatchBuilder::new(START);
                builder.push(None, Some(value.as_bytes()), &[], None);
                let view = self.shell.partition("t", partition);
                self.shell.append(&view, builder.build()).unwrap();
                self.model.records[partition as usize].push((value, Fate::Plain));
            }
            Step::Offset { id } => {
                let Some(producer) = self.clients[id].producer else { return };
                let view = self.shell.partition("t", 0);
                let offset = view.log_end();
                let commit = OffsetCommit::new(view.name().clone(), offset);
                let id_name = name(id);
                let enrolment = Enrolment { id: &id_name, implicit: true };
                self.shell
                    .run(|engine, block, now| {
                        let commits = [commit];
                        engine.commit_offsets_in_transaction(
                            block,
                            enrolment,
                            producer,
                            &group("g"),
                            Committer::Nobody,
                            &commits,
                            now,
                        )
                    })
                    .unwrap();
                self.model.pending.insert(id, offset.0);
                self.clients[id].open = true;
            }
            Step::End { id, commit } => {
                let Some(producer) = self.clients[id].producer.filter(|_| self.clients[id].open) else {
                    return;
                };
                let outcome = if commit { TransactionOutcome::Commit } else { TransactionOutcome::Abort };
                let end = EndTransaction { id: &name(id), producer, outcome, bump: true };
                let next =
                    self.shell.run(|engine, block, now| engine.end_transaction(block, &end, now)).unwrap();
                self.model.end(id, commit);
                let client = &mut self.clients[id];
                client.ended = Some((producer, outcome));
                client.goes_on_as(next);
            }
            Step::EndAgain { id } => {
                let client = &self.clients[id];
                let (Some((producer, outcome)), false) = (client.ended, client.open) else { return };
                let end = EndTransaction { id: &name(id), producer, outcome, bump: true };
                let next =
                    self.shell.run(|engine, block, now| engine.end_transaction(block, &end, now)).unwrap();
                assert_eq!(Some(next), client.producer);
            }
            Step::Settle => assert!(self.shell.settle().unwrap().failed.is_empty()),
            Step::Checkpoint => self.shell.checkpoint().unwrap(),
            Step::Wait => {
                self.shell.now = self.shell.now.plus(TIMEOUT);
                self.shell.tick().unwrap();
                for id in 0..IDS {
                    if self.clients[id].open {
                        self.model.end(id, false);
                        let described = self.shell.engine.describe_transaction(&name(id)).unwrap();
                        let client = &mut self.clients[id];
                        client.ended = client.producer.map(|producer| (producer, TransactionOutcome::Abort));
                        client.goes_on_as(described.producer);
                    }
                }
            }
            Step::Restart => self.restart(),
        }
    }

    fn restart(&mut self) {
        self.shell.commit().unwrap();
        let now = self.shell.now;
        self.disk = self.disk.crash_with(Crash::Any);
        self.shell = Shell::open(&self.disk).unwrap();
        self.shell.now = now;
        assert_eq!(self.shell.damage, []);
    }

    fn check(&mut self) {
        self.shell.commit().unwrap();
        for partition in 0..PARTITIONS {
            let view = self.shell.partition("t", partition);
            for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
                assert_eq!(
                    values(&view, isolation),
                    self.model.visible(partition, isolation),
                    "partition {partition}, {isolation:?}"
                );
            }
            let open = |(_, fate): &(String, Fate)| matches!(fate, Fate::Open(_));
            let all_ended = !self.model.records[partition as usize].iter().any(open);
            assert_eq!(view.last_stable_offset() == view.high_watermark(), all_ended);
        }
        let view = self.shell.partition("t", 0);
        let committed = self.shell.engine.committed_offset(&group("g"), view.id());
        assert_eq!(committed.map(|committed| committed.offset.0), self.model.offset);
        let pending = self.shell.engine.has_pending_offset(&group("g"), view.id());
        assert_eq!(pending, !self.model.pending.is_empty());
    }
}

proptest! {
    #![proptest_config(seeded(64))]

    /// Whatever happens, in whatever order, with restarts in between: readers see what the model says.
    #[test]
    fn transactions_are_what_the_model_says(steps in proptest::collection::vec(step(), 1..80), seed: u64) {
        let mut world = World::new(seed);
        for (at, step) in steps.iter().enumerate() {
            world.apply(step);
            if at % 8 == 7 || matches!(step, Step::Restart | Step::Wait) {
                world.check();
            }
        }
        world.check();
        world.restart();
        world.check();
    }
}
