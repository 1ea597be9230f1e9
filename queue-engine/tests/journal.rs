//! The engine on a real journal over a disk that lies: whatever operation the power goes at, everything confirmed is
//! there, nothing settled returns, of what was in flight only the beginning happened, and dead letters are in exactly one
//! place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lying_shard;

use std::collections::BTreeSet;
use std::time::Duration;

use lying_shard::{NOW, SEGMENT, Shard, first_word, topic};
use queue_engine::{
    ConsumerOptions, Delivery, Destination, LeaseFor, NewMessage, OpenLeases, OwnerId, QueueDeclaration,
    QueueError, QueueOptions, QueueType, Settle, SettleAction, Settled,
};
use segment_store::{Fault, LyingDisk, StoreError};

impl Shard {
    fn publish(&mut self, queue: &str, body: String) -> Result<(), StoreError> {
        self.journal.ensure(body.len() + 2000)?;
        let message = NewMessage { body: body.into(), ..NewMessage::default() };
        let queue = topic(queue);
        self.engine.publish(self.journal.block(), Destination::Queue(&queue), message, NOW).unwrap();
        Ok(())
    }

    /// Takes up to `max` messages out.
    fn take(&mut self, queue: &str, max: usize) -> Result<Vec<Delivery>, StoreError> {
        self.journal.ensure(8000)?;
        let lease = LeaseFor::QueueDefault;
        let taken = self.engine.receive(self.journal.block(), &topic(queue), max, lease, NOW).unwrap();
        self.commit()?;
        Ok(taken)
    }

    fn settle(&mut self, taken: &[Delivery], action: SettleAction) -> Result<(), StoreError> {
        let settles: Vec<Settle> =
            taken.iter().map(|delivery| Settle { lease: delivery.lease.unwrap(), action }).collect();
        self.journal.ensure(8000)?;
        let results = self.engine.settle(self.journal.block(), &settles, NOW);
        assert!(results.iter().all(Result::is_ok));
        Ok(())
    }

    fn take_and_settle(&mut self, queue: &str, max: usize, action: SettleAction) -> Result<(), StoreError> {
        let taken = self.take(queue, max)?;
        self.settle(&taken, action)
    }

    /// A consumer gets up to `max` messages and falls.
    fn consume_and_fall(&mut self, queue: &str, max: u64) -> Result<(), StoreError> {
        self.journal.ensure(8000)?;
        let options = ConsumerOptions {
            credit_messages: u64::MAX,
            prefetch: Some(max),
            lease: LeaseFor::UntilSettled,
            ..ConsumerOptions::default()
        };
        let block = self.journal.block();
        let id = self.engine.subscribe(block, &topic(queue), options, NOW).unwrap();
        self.commit()?;
        self.journal.ensure(8000)?;
        self.engine.cancel(self.journal.block(), id, OpenLeases::Return, NOW).unwrap();
        self.commit()
    }
}

/// What was promised while the scenario ran.
#[derive(Default)]
struct Promises {
    /// Confirmed, and not settled for good as far as anybody was told.
    kept: BTreeSet<String>,
    /// Told to be settled for good.
    gone: BTreeSet<String>,
    /// In flight when it ended, in order: the first so many of it happened, perhaps none.
    open: Vec<InFlight>,
}

/// What was asked for and not confirmed.
enum InFlight {
    Publish(String),
    Ack(String),
}

impl InFlight {
    fn word(&self) -> &String {
        let (InFlight::Publish(word) | InFlight::Ack(word)) = self;
        word
    }

    fn happened(&self, there: &BTreeSet<String>) -> bool {
        match self {
            InFlight::Publish(word) => there.contains(word),
            InFlight::Ack(word) => !there.contains(word),
        }
    }
}

impl Promises {
    fn confirm(&mut self) {
        for one in self.open.drain(..) {
            match one {
                InFlight::Publish(word) => self.kept.insert(word),
                InFlight::Ack(word) => self.gone.insert(word),
            };
        }
    }
}

/// What goes on in the queue `work` of one type, with everything that may happen to a message.
fn scenario(disk: &LyingDisk, kind: QueueType, promises: &mut Promises) -> Result<(), StoreError> {
    let mut shard = Shard::open(disk)?;
    let dying = QueueOptions {
        kind,
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".to_owned()),
        ..QueueOptions::default()
    };
    for (name, options) in [("work", dying), ("dead", QueueOptions::default())] {
        shard.engine.declare_queue(shard.journal.block(), &topic(name), options, NOW).unwrap();
    }
    let owned = QueueDeclaration { owner: Some(OwnerId(1)), ..QueueDeclaration::default() };
    shard.engine.declare(shard.journal.block(), &topic("private"), owned, NOW).unwrap();
    shard.commit()?;
    for round in 0..6 {
        for n in 0..8 {
            let word = format!("m{round}-{n}");
            promises.open.push(InFlight::Publish(word.clone()));
            shard.publish("work", format!("{word} {}", "x".repeat(700 * n)))?;
        }
        shard.commit()?;
        promises.confirm();
        // What is about to be acked may be gone or not until that is confirmed.
        let taken = shard.take("work", 3)?;
        let held: Vec<String> = taken.iter().map(|one| first_word(&one.message.body)).collect();
        promises.kept.retain(|word| !held.contains(word));
        promises.open.extend(held.into_iter().map(InFlight::Ack));
        shard.settle(&taken, SettleAction::Ack)?;
        shard.commit()?;
        promises.confirm();
        shard.take_and_settle("work", 2, SettleAction::Reject)?;
        shard.commit()?;
        shard.take_and_settle("work", 2, SettleAction::Nack { delay: Duration::ZERO })?;
        shard.commit()?;
        shard.take_and_settle("work", 1, SettleAction::Fail)?;
        shard.consume_and_fall("work", 2)?;
        shard.publish("private", format!("private{round}"))?;
        shard.commit()?;
        shard.tick(NOW)?;
        if round % 2 == 1 {
            shard.reclaim()?;
        }
    }
    Ok(())
}

/// Answers how much of what was in flight happened.
fn check(disk: &LyingDisk, promises: &Promises) -> usize {
    let mut shard = Shard::open(disk).unwrap();
    shard.tick(NOW).unwrap();
    assert!(!shard.engine.has_queue(&topic("private")), "its owner is gone");
    let work = shard.content("work");
    let dead = shard.content("dead");
    let all: BTreeSet<String> = work.iter().chain(&dead).cloned().collect();
    assert_eq!(all.len(), work.len() + dead.len(), "nothing is in two places: {work:?} {dead:?}");
    let missing: Vec<_> = promises.kept.difference(&all).collect();
    assert!(missing.is_empty(), "confirmed and lost: {missing:?}");
    let back: Vec<_> = promises.gone.intersection(&all).collect();
    assert!(back.is_empty(), "settled and back: {back:?}");
    let in_flight: BTreeSet<&String> = promises.open.iter().map(InFlight::word).collect();
    let known = |word: &String| promises.kept.contains(word) || in_flight.contains(word);
    assert!(all.iter().all(known), "{all:?}");
    let happened: Vec<bool> = promises.open.iter().map(|one| one.happened(&all)).collect();
    let first = happened.iter().take_while(|happened| **happened).count();
    let later = happened[first..].iter().any(|happened| *happened);
    assert!(!later, "something happened that came after what did not: {happened:?}");
    // It goes on from there.
    if shard.engine.has_queue(&topic("work")) {
        shard.publish("work", "afterwards".to_owned()).unwrap();
        shard.commit().unwrap();
        assert_eq!(shard.content("work").last().map(String::as_str), Some("afterwards"));
    }
    first
}

#[test]
fn the_scenario_ends_well_without_faults() {
    let disk = LyingDisk::new(1);
    let mut promises = Promises::default();
    scenario(&disk, QueueType::Classic, &mut promises).unwrap();
    assert_eq!((promises.gone.len(), promises.kept.len()), (18, 30));
    check(&disk.copy(), &promises);
    check(&disk.crash(), &promises);
}

#[test]
fn whatever_operation_the_power_goes_at_or_fails() {
    for kind in [QueueType::Classic, QueueType::Quorum] {
        for fault in [Fault::PowerLoss, Fault::Error, Fault::Full] {
            every_operation_fails(kind, fault);
        }
    }
}

fn every_operation_fails(kind: QueueType, fault: Fault) {
    let healthy = LyingDisk::new(1);
    scenario(&healthy, kind, &mut Promises::default()).unwrap();
    // How much of what was in flight was found to have happened: nothing, all, or a part.
    let (mut nothing, mut all, mut part) = (0, 0, 0);
    for operation in 0..healthy.operations() {
        let disk = LyingDisk::new(operation);
        disk.fail_at(operation, fault);
        let mut promises = Promises::default();
        // Not every failure ends the scenario; the power goes where it ends.
        let _ = scenario(&disk, kind, &mut promises);
        match check(&disk.crash(), &promises) {
            _ if promises.open.is_empty() => {}
            0 => nothing += 1,
            some if some == promises.open.len() => all += 1,
            _ => part += 1,
        }
    }
    assert!(nothing > 0 && part > 0, "{kind:?}, {fault:?}: {nothing} {all} {part}");
    assert!(all > 0 || fault != Fault::PowerLoss, "{kind:?}: {nothing} {all} {part}");
}

#[test]
fn dead_letters_that_do_not_fit_one_block_go_on_in_the_next() {
    let disk = LyingDisk::new(7);
    let mut promises = Promises::default();
    let mut shard = Shard::open(&disk).unwrap();
    let dying = QueueOptions {
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("dead".to_owned()),
        ..QueueOptions::default()
    };
    for (name, options) in [("work", dying), ("dead", QueueOptions::default())] {
        shard.engine.declare_queue(shard.journal.block(), &topic(name), options, NOW).unwrap();
    }
    for n in 0..12 {
        let word = format!("m{n}");
        shard.publish("work", format!("{word} {}", "x".repeat(15_000))).unwrap();
        promises.kept.insert(word);
    }
    shard.commit().unwrap();
    let taken = shard.take("work", 12).unwrap();
    assert_eq!(taken.len(), 12);
    shard.settle(&taken, SettleAction::Reject).unwrap();
    shard.commit().unwrap();
    let info = shard.engine.queue_info(&topic("work")).unwrap();
    assert!(info.dying > 0 && info.ready == 0 && info.leased == 0, "{info:?}");
    let interrupted = disk.crash();
    shard.tick(NOW).unwrap();
    assert_eq!((shard.content("work").len(), shard.content("dead").len()), (0, 12));
    check(&disk.crash(), &promises);
    // The same, with the power going in between: a rejected message does not come back to life.
    let mut shard = Shard::open(&interrupted).unwrap();
    let info = shard.engine.queue_info(&topic("work")).unwrap();
    assert!(info.dying > 0 && info.ready == 0, "{info:?}");
    shard.tick(NOW).unwrap();
    assert_eq!((shard.content("work").len(), shard.content("dead").len()), (0, 12));
}

#[test]
fn a_full_block_refuses_and_changes_nothing() {
    let disk = LyingDisk::new(9);
    let mut shard = Shard::open(&disk).unwrap();
    let (block, queue) = (shard.journal.block(), topic("q"));
    shard.engine.declare_queue(block, &queue, QueueOptions::default(), NOW).unwrap();
    let message = |len: usize| NewMessage { body: vec![b'x'; len].into(), ..NewMessage::default() };
    let to = Destination::Queue(&queue);
    shard.engine.publish(block, to, message(1000), NOW).unwrap();
    let full = shard.engine.publish(block, to, message(SEGMENT as usize), NOW);
    assert_eq!(full, Err(QueueError::BlockFull));
    let pair = [message(30_000), message(34_000)];
    assert!(!block.fits(shard.engine.publish_bytes(to, &pair)));
    let full = shard.engine.publish_batch(block, to, vec![message(30_000), message(40_000)], NOW);
    assert_eq!(full, Err(QueueError::BlockFull));
    assert_eq!(shard.engine.queue_info(&queue).unwrap().ready, 1);
    let lease = LeaseFor::QueueDefault;
    let taken = shard.engine.receive(block, &queue, 1, lease, NOW).unwrap();
    let settle = Settle { lease: taken[0].lease.unwrap(), action: SettleAction::Ack };
    assert_eq!(shard.engine.settle(block, &[settle], NOW), [Ok(Settled::Acked)]);
}
