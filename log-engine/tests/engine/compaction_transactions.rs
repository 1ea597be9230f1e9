use std::time::Duration;

use log_engine::batch::{BatchBuilder, BatchHeader, ControlRecord};
use log_engine::{
    EndTransaction, Enrolment, InitProducer, Isolation, Offset, PartitionView, Producer, TransactionOutcome,
    TransactionalId,
};
use message::Timestamp;
use segment_store::LyingDisk;

use crate::shell::Shell;
use crate::transactions::values;

const SETTINGS: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0"),
    ("segment.bytes", "2000"),
    ("segment.ms", "500"),
    ("delete.retention.ms", "60000"),
];

fn id() -> TransactionalId {
    TransactionalId::new("mover").unwrap()
}

fn begin(shell: &mut Shell) -> Producer {
    let init = InitProducer { id: &id(), timeout: Duration::from_secs(600), claimed: None };
    shell.run(|engine, block, now| engine.init_producer(block, &init, now)).unwrap()
}

/// Writes one batch of keyed records in a transaction.
fn write(
    shell: &mut Shell,
    view: &PartitionView,
    producer: Producer,
    sequence: i32,
    records: &[(&str, &str)],
) {
    let mut builder = BatchBuilder::new(shell.now).in_transaction(producer, Some(sequence));
    for (key, value) in records {
        builder.push(Some(key.as_bytes()), Some(value.as_bytes()), &[], None);
    }
    let (batch, id) = (builder.build(), id());
    let enrolment = Enrolment { id: &id, implicit: true };
    shell
        .run(|engine, block, now| engine.append_transactional(block, view.id(), batch, enrolment, now))
        .unwrap();
    shell.commit().unwrap();
}

fn end(shell: &mut Shell, producer: Producer, outcome: TransactionOutcome) -> Producer {
    let id = id();
    let end = EndTransaction { id: &id, producer, outcome, bump: true };
    let next = shell.run(|engine, block, now| engine.end_transaction(block, &end, now)).unwrap();
    shell.commit().unwrap();
    next
}

fn clean(shell: &mut Shell) -> usize {
    shell.now = Timestamp(shell.now.0 + 1000);
    shell.settle().unwrap();
    shell.clean().unwrap()
}

/// Every batch: its first offset, how many records it has, and whether it is a marker.
fn batches(view: &PartitionView) -> Vec<(i64, i32, bool)> {
    let (mut found, mut at) = (Vec::new(), view.log_start());
    while at < view.high_watermark() {
        let read = view.read(at, 1).unwrap();
        for batch in &read.batches {
            let header = BatchHeader::parse(batch).unwrap();
            assert_eq!(header.is_control(), ControlRecord::read(batch).is_some());
            found.push((header.base_offset.0, header.count, header.is_control()));
        }
        at = read.next_offset;
    }
    found
}

#[test]
fn aborted_records_go_at_once_and_replace_nothing() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &SETTINGS);
    let view = topic.partition(0).unwrap();
    let producer = begin(&mut shell);
    write(&mut shell, view, producer, 0, &[("a", "a1"), ("b", "b1")]);
    let producer = end(&mut shell, producer, TransactionOutcome::Commit);
    write(&mut shell, view, producer, 0, &[("a", "a2, aborted"), ("c", "c1, aborted")]);
    let producer = end(&mut shell, producer, TransactionOutcome::Abort);
    write(&mut shell, view, producer, 0, &[("b", "b2")]);
    let producer = end(&mut shell, producer, TransactionOutcome::Commit);
    assert!(clean(&mut shell) > 0);
    for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
        assert_eq!(values(view, isolation), ["a1", "b2"]);
    }
    assert_eq!(view.high_watermark(), Offset(8));
    // The aborted batch is gone and its marker waits for its time; the last marker is the producer's last word.
    let markers =
        |view| batches(view).into_iter().filter(|batch| batch.2).map(|batch| batch.0).collect::<Vec<_>>();
    assert_eq!(markers(view), [2, 5, 7]);
    shell.now = Timestamp(shell.now.0 + 30_000);
    clean(&mut shell);
    assert_eq!(markers(view), [2, 5, 7]);
    for _ in 0..2 {
        shell.now = Timestamp(shell.now.0 + 61_000);
        clean(&mut shell);
    }
    assert_eq!(markers(view), [2, 7], "the marker of what was aborted has gone");
    assert_eq!(values(view, Isolation::ReadCommitted), ["a1", "b2"]);
    // The producer goes on as if nothing had happened.
    write(&mut shell, view, producer, 0, &[("d", "d1")]);
}

#[test]
fn an_open_transaction_stops_compaction_where_it_begins() {
    let disk = LyingDisk::new(2);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &SETTINGS);
    let view = topic.partition(0).unwrap();
    let big = "x".repeat(900);
    let producer = begin(&mut shell);
    for (sequence, key) in ["a", "a", "a"].iter().enumerate() {
        write(&mut shell, view, producer, sequence as i32, &[(key, &big)]);
    }
    let producer = end(&mut shell, producer, TransactionOutcome::Commit);
    clean(&mut shell);
    write(&mut shell, view, producer, 0, &[("a", "open")]);
    for _ in 0..4 {
        let mut builder = BatchBuilder::new(shell.now);
        builder.push(Some(b"a"), Some(big.as_bytes()), &[], None);
        shell.append(view, builder.build()).unwrap();
    }
    clean(&mut shell);
    let committed = values(view, Isolation::ReadCommitted);
    assert_eq!(
        committed,
        std::slice::from_ref(&big),
        "what lies before the open transaction is not replaced by what lies behind"
    );
    end(&mut shell, producer, TransactionOutcome::Abort);
    clean(&mut shell);
    assert_eq!(values(view, Isolation::ReadCommitted), [big]);
    assert_eq!(values(view, Isolation::ReadUncommitted).len(), 1);
}

#[test]
fn a_producers_last_batch_stays_even_when_it_is_empty() {
    let disk = LyingDisk::new(3);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &SETTINGS);
    let view = topic.partition(0).unwrap();
    let producer = begin(&mut shell);
    for sequence in 0..3 {
        let mut builder = BatchBuilder::new(shell.now).produced_by(producer, sequence);
        builder.push(Some(b"a"), Some(b"from the producer"), &[], None);
        shell.append(view, builder.build()).unwrap();
    }
    let mut builder = BatchBuilder::new(shell.now);
    builder.push(Some(b"a"), Some(b"from somebody else"), &[], None);
    shell.append(view, builder.build()).unwrap();
    shell.commit().unwrap();
    assert!(clean(&mut shell) > 0);
    assert_eq!(values(view, Isolation::ReadUncommitted), ["from somebody else"]);
    let left: Vec<_> = batches(view);
    assert!(left.contains(&(2, 0, false)), "{left:?}");
    assert!(left.contains(&(0, 0, false)), "a filler for what went: {left:?}");
}
