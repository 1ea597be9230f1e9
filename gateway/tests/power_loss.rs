//! The whole seam over a disk that loses power at every operation: what was acknowledged is there afterwards, what was
//! settled stays settled, what was committed stays committed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod seam;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use message::{ExchangeName, TopicName};
use seam::tight_settings;
use segment_store::{Fault, LyingDisk};
use sluice::refusal::Refusal;
use sluice::topics::{
    Acks, BindingSpec, CommitNote, CommitOffset, DestinationType, ExchangeKind, ExchangeSpec, GroupCommit,
    LogSettings, Outgoing, Place, QueueSettings, Receipt, SettleAction, SettleRequest, TopicSpec, Topics,
};

/// What the outside was told, kept apart from the server.
#[derive(Debug, Default)]
struct Ledger {
    log: BTreeMap<i64, Bytes>,
    queue: BTreeMap<u64, Bytes>,
    /// Sent to be settled; may or may not be, until it is in `settled`.
    settling: BTreeSet<u64>,
    settled: BTreeSet<u64>,
    committed: i64,
    committing: i64,
}

fn message(text: String) -> Outgoing {
    // Large enough that a short scenario rolls, settles and recycles segments.
    let mut body = text.into_bytes();
    body.resize(40 << 10, b'.');
    Outgoing { value: Some(Bytes::from(body)), ..Outgoing::default() }
}

async fn scenario(topics: &Topics, ledger: &mut Ledger) -> Result<(), Refusal> {
    let (log, queue) = (TopicName::new("log").unwrap(), TopicName::new("queue").unwrap());
    topics.create(&log, TopicSpec::Log(LogSettings::default())).await?;
    topics
        .create(
            &queue,
            TopicSpec::Queue(Box::new(QueueSettings {
                lease_ms: 60_000,
                durable: true,
                ..QueueSettings::default()
            })),
        )
        .await?;
    let spec = ExchangeSpec::new(ExchangeKind::Fanout);
    topics.declare_exchange(&ExchangeName::new("both").unwrap(), spec).await?;
    for (destination, destination_type) in [("log", DestinationType::Log), ("queue", DestinationType::Queue)]
    {
        let (source, destination) = ("both".to_owned(), destination.to_owned());
        let (routing_key, arguments) = (String::new(), BTreeMap::new());
        topics.bind(BindingSpec { source, destination, destination_type, routing_key, arguments }).await?;
    }
    for round in 0..40 {
        let body = message(format!("log {round}"));
        let receipts = topics.publish("log", vec![body.clone()], Acks::All, None).await?;
        if let Some(Ok(Receipt::Log { offset, .. })) = receipts.first() {
            ledger.log.insert(*offset, body.value.unwrap());
        }
        let bodies: Vec<Outgoing> = (0..2).map(|n| message(format!("queue {round} {n}"))).collect();
        let receipts = topics.publish("queue", bodies.clone(), Acks::All, None).await?;
        for (receipt, body) in receipts.iter().zip(bodies) {
            if let Ok(Receipt::Queue { id }) = receipt {
                ledger.queue.insert(*id, body.value.unwrap());
            }
        }
        topics
            .publish_to_exchange("both", "", vec![message(format!("both {round}"))], Acks::All, None)
            .await?;
        settle_some(topics, ledger).await?;
        if round % 5 == 4 {
            let offset = ledger.log.keys().next_back().copied().unwrap_or(0);
            ledger.committing = offset;
            let commit =
                CommitOffset { topic: "log".into(), partition: 0, offset, note: CommitNote::default() };
            topics
                .group_commit(
                    "group",
                    GroupCommit { offsets: vec![commit], ..GroupCommit::default() },
                    Acks::All,
                )
                .await?;
            ledger.committed = offset;
        }
    }
    Ok(())
}

async fn settle_some(topics: &Topics, ledger: &mut Ledger) -> Result<(), Refusal> {
    let taken = topics.queue("queue")?.receive(2, Duration::ZERO, None, false).await?;
    let requests: Vec<SettleRequest> = taken
        .iter()
        .filter_map(|delivery| Some(SettleRequest { lease: delivery.lease()?, action: SettleAction::Ack }))
        .collect();
    ledger.settling.extend(taken.iter().map(|delivery| delivery.id()));
    let outcomes = topics.settle(requests, Acks::All).await?;
    for (delivery, outcome) in taken.iter().zip(outcomes) {
        assert!(outcome.is_ok(), "a lease that nobody else had was refused: {outcome:?}");
        ledger.settled.insert(delivery.id());
    }
    Ok(())
}

async fn check(topics: &Topics, ledger: &Ledger) -> Result<(), Refusal> {
    let mut records = BTreeMap::new();
    if !ledger.log.is_empty() {
        let log = topics.log("log")?;
        let mut from = log.bounds(0)?.log_start;
        loop {
            let chunk = log.read(0, from, 1 << 20)?;
            if chunk.is_empty() {
                break;
            }
            chunk.for_each(&mut |view| {
                if let (Place::Log { offset, .. }, Some(value)) = (&view.place, view.value) {
                    records.insert(*offset, Bytes::copy_from_slice(value));
                }
                ControlFlow::Continue(())
            })?;
            from = chunk.next_offset;
        }
    }
    for (offset, body) in &ledger.log {
        assert_eq!(records.get(offset), Some(body), "acknowledged record {offset}");
    }
    if !ledger.queue.is_empty() {
        let mut held = BTreeMap::new();
        let mut after = None;
        let queue = topics.queue("queue")?;
        loop {
            let page = queue.browse(after, 100).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id());
            for delivery in page {
                held.insert(delivery.id(), Bytes::copy_from_slice(delivery.view().value.unwrap_or_default()));
            }
        }
        for (id, body) in &ledger.queue {
            match held.get(id) {
                Some(found) => {
                    assert_eq!(found, body, "message {id}");
                    assert!(!ledger.settled.contains(id), "message {id} was settled and came back");
                }
                None => assert!(ledger.settling.contains(id), "acknowledged message {id} is gone"),
            }
        }
    }
    if ledger.committed > 0 {
        let group = topics.group("group").await?;
        let found = group.offsets.first().and_then(|offset| offset.committed);
        let allowed = [Some(ledger.committed), Some(ledger.committing)];
        assert!(allowed.contains(&found), "committed {found:?}, not one of {allowed:?}");
    }
    Ok(())
}

/// Runs the scenario until the power goes at `operation`, then recovers and checks. Answers how many operations ran.
async fn run(seed: u64, operation: Option<u64>) -> u64 {
    let disk = LyingDisk::new(seed);
    if let Some(operation) = operation {
        disk.fail_at(operation, Fault::PowerLoss);
    }
    let mut ledger = Ledger::default();
    if let Ok((topics, owner)) = Topics::open_on(Arc::new(disk.clone()), tight_settings()) {
        let outcome = scenario(&topics, &mut ledger).await;
        assert!(operation.is_some() || outcome.is_ok(), "without a fault: {outcome:?}");
        if operation.is_none() {
            check(&topics, &ledger).await.unwrap();
        }
        topics.close();
        owner.ended().await.unwrap();
    }
    let operations = disk.operations();
    let left = disk.crash();
    let (topics, owner) = Topics::open_on(Arc::new(left), tight_settings()).unwrap();
    check(&topics, &ledger)
        .await
        .unwrap_or_else(|refusal| panic!("seed {seed}, operation {operation:?}: {refusal}"));
    topics.close();
    owner.ended().await.unwrap();
    operations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_work_survives_power_loss_at_any_operation() {
    let operations = run(1, None).await;
    for operation in 0..operations {
        run(operation, Some(operation)).await;
    }
}
