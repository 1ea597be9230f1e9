//! What must not get lost, on a real journal over a disk that lies: dead letters that wait until they are taken, messages
//! that a delayed-message exchange holds back, transactions. Whatever operation the power goes at, everything confirmed
//! is in exactly one place, and of a transaction there is all or nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lying_shard;

use std::collections::BTreeSet;

use lying_shard::{NOW, Shard, topic};
use message::{ExchangeName, HeaderTable, HeaderValue, Timestamp};
use queue_engine::{
    BindingTarget, DeadLetterStrategy, Destination, ExchangeKind, ExchangeOptions, LeaseFor, NewMessage,
    Policy, PolicyDefinition, PolicyKind, QueueOptions, Settle, SettleAction, Transaction,
    TransactionPublish,
};
use segment_store::{Fault, LyingDisk, StoreError};

const LATER: Timestamp = Timestamp(NOW.0 + 120_000);

fn exchange(name: &str) -> ExchangeName {
    ExchangeName::new(name).unwrap()
}

fn message(body: &str) -> NewMessage {
    NewMessage { body: bytes::Bytes::copy_from_slice(body.as_bytes()), ..NewMessage::default() }
}

impl Shard {
    fn publish(&mut self, name: &str, routing_key: &str, message: NewMessage) -> Result<(), StoreError> {
        self.journal.ensure(4000)?;
        let to = Destination::Exchange { name, routing_key };
        self.engine.publish(self.journal.block(), to, message, NOW).unwrap();
        Ok(())
    }

    fn reject(&mut self, queue: &str) -> Result<(), StoreError> {
        self.journal.ensure(4000)?;
        let lease = LeaseFor::QueueDefault;
        let taken = self.engine.receive(self.journal.block(), &topic(queue), 9, lease, NOW).unwrap();
        let settles = taken.iter().map(|d| Settle { lease: d.lease.unwrap(), action: SettleAction::Reject });
        let settles: Vec<Settle> = settles.collect();
        assert!(self.engine.settle(self.journal.block(), &settles, NOW).iter().all(Result::is_ok));
        Ok(())
    }
}

/// What was confirmed.
#[derive(Default)]
struct Promises {
    kept: BTreeSet<String>,
    open: BTreeSet<String>,
    /// Transactions that were confirmed, and how many were begun.
    committed: usize,
    begun: usize,
}

impl Promises {
    fn confirm(&mut self) {
        self.kept.append(&mut self.open);
        self.committed = self.begun;
    }
}

fn define(shard: &mut Shard) -> Result<(), StoreError> {
    shard.journal.ensure(20_000)?;
    let (engine, block) = (&mut shard.engine, shard.journal.block());
    engine.create_virtual_host(block, "v").unwrap();
    for name in ["v/work", "v/dead", "tasks", "one", "two", "late"] {
        engine.declare_queue(block, &topic(name), QueueOptions::default(), NOW).unwrap();
    }
    let definition = PolicyDefinition {
        dead_letter_exchange: Some("letters".into()),
        dead_letter_strategy: Some(DeadLetterStrategy::AtLeastOnce),
        ..PolicyDefinition::default()
    };
    let policy = Policy { pattern: "^work$".into(), apply_to: Default::default(), priority: 0, definition };
    engine.set_policy(block, PolicyKind::User, "v", "careful", policy, NOW).unwrap();
    let delayed = ExchangeOptions { delayed_kind: Some(ExchangeKind::Fanout), ..ExchangeOptions::default() };
    engine.declare_exchange(block, &exchange("wait"), ExchangeKind::Delayed, delayed).unwrap();
    let late = BindingTarget::Queue(topic("late"));
    engine.bind(block, &exchange("wait"), &late, "", &HeaderTable::default(), NOW).unwrap();
    shard.commit()
}

/// Gives the dead letters somewhere to go.
fn open_the_way(shard: &mut Shard) -> Result<(), StoreError> {
    shard.journal.ensure(20_000)?;
    let (engine, block) = (&mut shard.engine, shard.journal.block());
    if engine.has_queue(&topic("v/dead")) {
        let letters = exchange("v/letters");
        engine.declare_exchange(block, &letters, ExchangeKind::Fanout, ExchangeOptions::default()).unwrap();
        let dead = BindingTarget::Queue(topic("v/dead"));
        engine.bind(block, &letters, &dead, "", &HeaderTable::default(), NOW).unwrap();
    }
    shard.commit()
}

fn scenario(disk: &LyingDisk, promises: &mut Promises) -> Result<(), StoreError> {
    let mut shard = Shard::open(disk)?;
    define(&mut shard)?;
    for round in 0..4 {
        for n in 0..4 {
            let word = format!("letter{round}-{n}");
            shard.publish("v/", "work", message(&format!("{word} {}", "x".repeat(600 * n))))?;
            promises.open.insert(word);
            let word = format!("held{round}-{n}");
            let headers = [("x-delay".to_owned(), HeaderValue::Int(1000 + n as i64))].into_iter().collect();
            shard.publish("wait", "", NewMessage { headers, ..message(&word) })?;
            promises.open.insert(word);
        }
        shard.publish("", "tasks", message(&format!("task{round}")))?;
        shard.commit()?;
        promises.confirm();
        shard.reject("v/work")?;
        shard.commit()?;
        promises.begun = round + 1;
        transact(&mut shard, round)?;
        promises.committed = round + 1;
        if round == 2 {
            open_the_way(&mut shard)?;
            shard.tick(NOW)?;
        }
        if round % 2 == 1 {
            shard.reclaim()?;
        }
    }
    Ok(())
}

/// Takes a task and leaves a word in two queues.
fn transact(shard: &mut Shard, round: usize) -> Result<(), StoreError> {
    shard.journal.ensure(4000)?;
    let lease = LeaseFor::QueueDefault;
    let task = shard.engine.receive(shard.journal.block(), &topic("tasks"), 1, lease, NOW).unwrap();
    let settle = Settle { lease: task[0].lease.unwrap(), action: SettleAction::Ack };
    let publish = |queue: &str| TransactionPublish {
        exchange: String::new(),
        routing_key: queue.to_owned(),
        message: message(&format!("done{round}")),
    };
    let transaction = Transaction { publishes: vec![publish("one"), publish("two")], settles: vec![settle] };
    shard.journal.ensure(shard.engine.transaction_bytes(&transaction))?;
    shard.engine.commit(shard.journal.block(), transaction, NOW).unwrap();
    shard.commit()
}

fn check(disk: &LyingDisk, promises: &Promises) {
    let mut shard = Shard::open(disk).unwrap();
    let done = shard.content("one");
    assert_eq!(done, shard.content("two"), "a transaction is whole");
    assert!((promises.committed..=promises.begun).contains(&done.len()), "{} done", done.len());
    let tasks = shard.content("tasks");
    assert!(done.iter().all(|done| !tasks.contains(&done.replace("done", "task"))), "{done:?} {tasks:?}");
    for when in [NOW, LATER] {
        if when == LATER {
            open_the_way(&mut shard).unwrap();
            shard.tick(LATER).unwrap();
        }
        let places = ["v/work", "v/dead", "late"].map(|queue| shard.content(queue));
        let all: BTreeSet<&String> = places.iter().flatten().collect();
        assert_eq!(
            all.len(),
            places.iter().map(Vec::len).sum::<usize>(),
            "nothing is in two places: {places:?}"
        );
        let letters = promises.kept.iter().filter(|word| when == LATER || word.starts_with("letter"));
        let missing: Vec<_> = letters.filter(|word| !all.contains(word)).collect();
        assert!(missing.is_empty(), "confirmed and lost: {missing:?}");
    }
    let left = shard.engine.queue_info(&topic("v/work")).map_or(0, |info| info.dying);
    assert_eq!(left, 0, "every dead letter found its way in the end");
}

#[test]
fn the_scenario_ends_well_without_faults() {
    let disk = LyingDisk::new(1);
    let mut promises = Promises::default();
    scenario(&disk, &mut promises).unwrap();
    assert_eq!((promises.kept.len(), promises.committed), (32, 4));
    check(&disk.copy(), &promises);
    check(&disk.crash(), &promises);
}

#[test]
fn whatever_operation_the_power_goes_at_or_fails() {
    for fault in [Fault::PowerLoss, Fault::Error, Fault::Full] {
        every_operation_fails(fault);
    }
}

fn every_operation_fails(fault: Fault) {
    let healthy = LyingDisk::new(1);
    scenario(&healthy, &mut Promises::default()).unwrap();
    for operation in 0..healthy.operations() {
        let disk = LyingDisk::new(operation);
        disk.fail_at(operation, fault);
        let mut promises = Promises::default();
        // Not every failure ends the scenario; the power goes where it ends.
        let _ = scenario(&disk, &mut promises);
        check(&disk.crash(), &promises);
    }
}
