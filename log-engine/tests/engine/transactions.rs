use std::time::Duration;

use log_engine::batch::{Batch, BatchBuilder, ControlRecord, RecordSet};
use log_engine::{
    Attendance, ClientOrigin, Committer, EndTransaction, Enrolment, InitProducer, Isolation, LogEngineConfig,
    LogError, MemberId, Offset, OffsetCommit, PartitionView, Producer, ProducerEpoch, TransactionOutcome,
    TransactionState, TransactionalId,
};
use message::ErrorCode;
use segment_store::{Crash, LyingDisk};

use crate::shell::{START, Shell, group};

const TIMEOUT: Duration = Duration::from_secs(60);

fn id(name: &str) -> TransactionalId {
    TransactionalId::new(name).unwrap()
}

fn code<T>(outcome: Result<T, LogError>) -> Option<ErrorCode> {
    outcome.err().map(|error| error.code())
}

fn init(shell: &mut Shell, name: &str, claimed: Option<Producer>) -> Result<Producer, LogError> {
    let init = InitProducer { id: &id(name), timeout: TIMEOUT, claimed };
    shell.run(|engine, block, now| engine.init_producer(block, &init, now))
}

fn end(
    shell: &mut Shell,
    name: &str,
    producer: Producer,
    outcome: TransactionOutcome,
    bump: bool,
) -> Result<Producer, LogError> {
    let end = EndTransaction { id: &id(name), producer, outcome, bump };
    let ended = shell.run(|engine, block, now| engine.end_transaction(block, &end, now));
    shell.commit().unwrap();
    ended
}

fn batch(producer: Producer, sequence: i32, values: &[&str]) -> Batch {
    let mut builder = BatchBuilder::new(START).in_transaction(producer, Some(sequence));
    for value in values {
        builder.push(None, Some(value.as_bytes()), &[], None);
    }
    builder.build()
}

fn write(
    shell: &mut Shell,
    name: &str,
    view: &PartitionView,
    batch: Batch,
    implicit: bool,
) -> Result<Offset, LogError> {
    let id = id(name);
    let enrolment = Enrolment { id: &id, implicit };
    let appended = shell
        .run(|engine, block, now| engine.append_transactional(block, view.id(), batch, enrolment, now))?;
    shell.commit().unwrap();
    Ok(appended.base_offset)
}

/// The values that a reader sees.
pub fn values(view: &PartitionView, isolation: Isolation) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = view.log_start();
    while at < view.readable_end(isolation) {
        let mut read = view.read_isolated(at, 300, isolation).unwrap();
        if isolation == Isolation::ReadCommitted {
            read.drop_aborted();
        }
        for batch in &read.batches {
            let set = RecordSet::open(batch, 1 << 20).unwrap();
            if set.header().is_control() {
                continue;
            }
            for record in set.iter_from(at) {
                found.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
            }
        }
        assert!(read.next_offset > at);
        at = read.next_offset;
    }
    found
}

#[test]
fn committed_records_are_seen_and_aborted_ones_are_not() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 2, &[]);
    let (a, b) = (topic.partition(0).unwrap(), topic.partition(1).unwrap());
    let producer = init(&mut shell, "mover", None).unwrap();
    write(&mut shell, "mover", a, batch(producer, 0, &["a1", "a2"]), true).unwrap();
    write(&mut shell, "mover", b, batch(producer, 0, &["b1"]), true).unwrap();
    assert_eq!((a.high_watermark(), a.last_stable_offset()), (Offset(2), Offset(0)));
    assert_eq!(values(a, Isolation::ReadCommitted), [""; 0]);
    assert_eq!(values(a, Isolation::ReadUncommitted), ["a1", "a2"]);

    let next = end(&mut shell, "mover", producer, TransactionOutcome::Commit, true).unwrap();
    assert_eq!(next, Producer { epoch: ProducerEpoch(1), ..producer });
    assert_eq!((a.high_watermark(), a.last_stable_offset()), (Offset(3), Offset(3)));
    assert_eq!(values(a, Isolation::ReadCommitted), ["a1", "a2"]);
    assert_eq!(values(b, Isolation::ReadCommitted), ["b1"]);

    write(&mut shell, "mover", a, batch(next, 0, &["a3"]), true).unwrap();
    let last = end(&mut shell, "mover", next, TransactionOutcome::Abort, true).unwrap();
    assert_eq!(values(a, Isolation::ReadCommitted), ["a1", "a2"]);
    assert_eq!(values(a, Isolation::ReadUncommitted), ["a1", "a2", "a3"]);
    let aborted = a.aborted_transactions(Offset(0), Offset(5)).unwrap();
    assert_eq!(aborted.len(), 1);
    assert_eq!((aborted[0].first, aborted[0].last, aborted[0].stable), (Offset(3), Offset(4), Offset(5)));

    let read = a.read(Offset(4), 1).unwrap();
    assert_eq!(ControlRecord::read(&read.batches[0]), Some(ControlRecord::Abort));
    // The marker has the next epoch, which fences what comes late from the transaction before.
    assert_eq!(code(shell.append(a, batch(next, 1, &["late"]))), Some(ErrorCode::InvalidTransactionState));
    let late = write(&mut shell, "mover", a, batch(next, 1, &["late"]), true);
    assert_eq!(code(late), Some(ErrorCode::InvalidProducerEpoch));
    write(&mut shell, "mover", b, batch(last, 0, &["b2"]), true).unwrap();
    assert_eq!(values(b, Isolation::ReadCommitted), ["b1"]);
}

#[test]
fn a_marker_is_no_record_that_could_be_behind() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let producer = init(&mut shell, "mover", None).unwrap();
    write(&mut shell, "mover", &view, batch(producer, 0, &["a"]), true).unwrap();
    let next = end(&mut shell, "mover", producer, TransactionOutcome::Commit, true).unwrap();
    assert_eq!(view.timestamp_from(Offset(0)).unwrap(), Some(START.0));
    assert_eq!(view.timestamp_from(Offset(1)).unwrap(), None, "only a marker is left");
    write(&mut shell, "mover", &view, batch(next, 0, &["b"]), true).unwrap();
    assert_eq!(view.timestamp_from(Offset(1)).unwrap(), Some(START.0), "behind the marker");
}

#[test]
fn the_last_stable_offset_waits_for_the_oldest_open_transaction() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let one = init(&mut shell, "one", None).unwrap();
    let two = init(&mut shell, "two", None).unwrap();
    write(&mut shell, "one", &view, batch(one, 0, &["1a"]), true).unwrap();
    write(&mut shell, "two", &view, batch(two, 0, &["2a"]), true).unwrap();
    write(&mut shell, "one", &view, batch(one, 1, &["1b"]), true).unwrap();
    end(&mut shell, "two", two, TransactionOutcome::Abort, true).unwrap();
    assert_eq!(view.last_stable_offset(), Offset(0));
    end(&mut shell, "one", one, TransactionOutcome::Commit, true).unwrap();
    assert_eq!(view.last_stable_offset(), Offset(5));
    assert_eq!(values(&view, Isolation::ReadCommitted), ["1a", "1b"]);
    // The one that was aborted first knew that the other one was still open.
    let aborted = view.aborted_transactions(Offset(0), Offset(5)).unwrap();
    assert_eq!((aborted[0].first, aborted[0].stable), (Offset(1), Offset(0)));
}

#[test]
fn beginning_again_fences_whoever_had_the_id_and_aborts_what_was_open() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let old = init(&mut shell, "mover", None).unwrap();
    write(&mut shell, "mover", &view, batch(old, 0, &["old"]), true).unwrap();
    let new = init(&mut shell, "mover", None).unwrap();
    shell.commit().unwrap();
    assert_eq!(new, Producer { epoch: ProducerEpoch(1), ..old });
    assert_eq!(view.last_stable_offset(), view.high_watermark());
    let late = write(&mut shell, "mover", &view, batch(old, 1, &["late"]), true);
    assert_eq!(code(late), Some(ErrorCode::InvalidProducerEpoch));
    for bump in [false, true] {
        let ended = end(&mut shell, "mover", old, TransactionOutcome::Commit, bump);
        assert_eq!(code(ended), Some(ErrorCode::ProducerFenced));
    }
    assert_eq!(code(init(&mut shell, "mover", Some(old))), Some(ErrorCode::ProducerFenced));
    // One that goes on after an error gets the next epoch, and the same again if it asks again.
    let next = init(&mut shell, "mover", Some(new)).unwrap();
    assert_eq!(next.epoch, ProducerEpoch(2));
    assert_eq!(init(&mut shell, "mover", Some(new)).unwrap(), next);
    write(&mut shell, "mover", &view, batch(next, 0, &["new"]), true).unwrap();
    end(&mut shell, "mover", next, TransactionOutcome::Commit, true).unwrap();
    assert_eq!(values(&view, Isolation::ReadCommitted), ["new"]);
}

#[test]
fn an_older_client_adds_partitions_and_keeps_its_epoch() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let producer = init(&mut shell, "mover", None).unwrap();
    let unasked = write(&mut shell, "mover", &view, batch(producer, 0, &["x"]), false);
    assert_eq!(code(unasked), Some(ErrorCode::InvalidTransactionState));
    let add = |shell: &mut Shell| {
        shell.run(|engine, block, now| {
            engine.add_partitions_to_transaction(block, &id("mover"), producer, &[view.id()], now)
        })
    };
    add(&mut shell).unwrap();
    add(&mut shell).unwrap();
    write(&mut shell, "mover", &view, batch(producer, 0, &["x"]), false).unwrap();
    for _ in 0..2 {
        let same = end(&mut shell, "mover", producer, TransactionOutcome::Commit, false).unwrap();
        assert_eq!(same, producer);
    }
    let other = end(&mut shell, "mover", producer, TransactionOutcome::Abort, false);
    assert_eq!(code(other), Some(ErrorCode::InvalidTransactionState));
    // What comes late is not stored: the transaction is over (KIP-890).
    let late = write(&mut shell, "mover", &view, batch(producer, 1, &["late"]), false);
    assert_eq!(code(late), Some(ErrorCode::InvalidTransactionState));
    add(&mut shell).unwrap();
    write(&mut shell, "mover", &view, batch(producer, 1, &["y"]), false).unwrap();
    end(&mut shell, "mover", producer, TransactionOutcome::Commit, false).unwrap();
    assert_eq!(values(&view, Isolation::ReadCommitted), ["x", "y"]);
}

#[test]
fn asking_twice_how_it_ended_is_answered_twice() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let producer = init(&mut shell, "mover", None).unwrap();
    write(&mut shell, "mover", &view, batch(producer, 0, &["x"]), true).unwrap();
    let next = end(&mut shell, "mover", producer, TransactionOutcome::Commit, true).unwrap();
    assert_eq!(end(&mut shell, "mover", producer, TransactionOutcome::Commit, true).unwrap(), next);
    let other = end(&mut shell, "mover", producer, TransactionOutcome::Abort, true);
    assert_eq!(code(other), Some(ErrorCode::InvalidTransactionState));
    // Nothing was begun under the next epoch: there is nothing to commit, but giving up is fine.
    let empty = end(&mut shell, "mover", next, TransactionOutcome::Commit, true);
    assert_eq!(code(empty), Some(ErrorCode::InvalidTransactionState));
    let after = end(&mut shell, "mover", next, TransactionOutcome::Abort, true).unwrap();
    assert_eq!(after.epoch, ProducerEpoch(2));
    let lost = end(&mut shell, "mover", next, TransactionOutcome::Commit, true);
    assert_eq!(code(lost), Some(ErrorCode::TransactionAborted));
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    for timeout in [Duration::ZERO, Duration::from_secs(16 * 60)] {
        let init = InitProducer { id: &id("slow"), timeout, claimed: None };
        let refused = shell.run(|engine, block, now| engine.init_producer(block, &init, now));
        assert_eq!(code(refused), Some(ErrorCode::InvalidTransactionTimeout));
    }
    let producer = init(&mut shell, "slow", None).unwrap();
    write(&mut shell, "slow", &view, batch(producer, 0, &["x"]), true).unwrap();
    shell.now = shell.now.plus(TIMEOUT - Duration::from_millis(1));
    let due = shell.tick().unwrap().unwrap();
    assert!(due <= shell.now.plus(Duration::from_millis(1)));
    assert_eq!(view.last_stable_offset(), Offset(0));
    shell.now = due;
    shell.tick().unwrap();
    assert_eq!(view.last_stable_offset(), Offset(2));
    assert_eq!(values(&view, Isolation::ReadCommitted), [""; 0]);
    let late = write(&mut shell, "slow", &view, batch(producer, 1, &["late"]), true);
    assert_eq!(code(late), Some(ErrorCode::InvalidProducerEpoch));
    let lost = end(&mut shell, "slow", producer, TransactionOutcome::Commit, true);
    assert_eq!(code(lost), Some(ErrorCode::TransactionAborted));
    // Nobody took its place, so it may go on.
    let next = end(&mut shell, "slow", producer, TransactionOutcome::Abort, true).unwrap();
    assert_eq!(init(&mut shell, "slow", Some(producer)).unwrap(), next);
}

#[test]
fn offsets_of_a_group_move_with_the_transaction() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("in", 1, &[]);
    let input = topic.partition(0).unwrap();
    let mut builder = BatchBuilder::new(START);
    (0..9).for_each(|n| builder.push(None, Some(&[n]), &[], None));
    shell.append(input, builder.build()).unwrap();
    shell.commit().unwrap();
    let commit = |offset: i64| OffsetCommit {
        metadata: "here".to_owned(),
        ..OffsetCommit::new(input.name().clone(), Offset(offset))
    };
    let mut producer = init(&mut shell, "mover", None).unwrap();
    for (offset, outcome, expected) in [
        (3, TransactionOutcome::Commit, Some(3)),
        (5, TransactionOutcome::Abort, Some(3)),
        (7, TransactionOutcome::Commit, Some(7)),
    ] {
        let id = id("mover");
        let stage = |shell: &mut Shell, implicit| {
            let enrolment = Enrolment { id: &id, implicit };
            shell.run(|engine, block, now| {
                let commits = [commit(offset)];
                let (group, member) = (group("g"), Committer::Nobody);
                engine
                    .commit_offsets_in_transaction(block, enrolment, producer, &group, member, &commits, now)
            })
        };
        assert_eq!(code(stage(&mut shell, false)), Some(ErrorCode::InvalidTransactionState));
        if offset == 3 {
            shell
                .run(|engine, block, now| {
                    engine.add_group_to_transaction(block, &id, producer, &group("g"), now)
                })
                .unwrap();
            stage(&mut shell, false).unwrap();
        } else {
            stage(&mut shell, true).unwrap();
        }
        assert!(shell.engine.has_pending_offset(&group("g"), input.id()));
        let before = shell.engine.committed_offset(&group("g"), input.id()).map(|c| c.offset.0);
        assert_ne!(before, Some(offset));
        producer = end(&mut shell, "mover", producer, outcome, true).unwrap();
        assert!(!shell.engine.has_pending_offset(&group("g"), input.id()));
        let after = shell.engine.committed_offset(&group("g"), input.id()).map(|c| c.offset.0);
        assert_eq!(after, expected);
    }
}

#[test]
fn a_producer_may_move_the_offsets_of_a_group_whose_member_it_does_not_name() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let partition = shell.create("in", 1, &[]).partition(0).unwrap().name().clone();
    let member = Attendance {
        member: None,
        new_member: MemberId::new("one"),
        origin: ClientOrigin::default(),
        topics: [partition.topic.clone()].into(),
        session_timeout: TIMEOUT,
        holds: Vec::new(),
    };
    let now = shell.now;
    shell.engine.attend(&group("g"), member, now).unwrap();
    let producer = init(&mut shell, "mover", None).unwrap();
    let id = id("mover");
    let mut stage = |committer: Committer<'_>| {
        let enrolment = Enrolment { id: &id, implicit: true };
        let commits = [OffsetCommit::new(partition.clone(), Offset(0))];
        shell.run(|engine, block, now| {
            let group = group("g");
            engine.commit_offsets_in_transaction(block, enrolment, producer, &group, committer, &commits, now)
        })
    };
    assert_eq!(code(stage(Committer::Nobody)), Some(ErrorCode::InUse));
    stage(Committer::Producer).unwrap();
}

#[test]
fn everything_about_transactions_survives_a_restart() {
    let mut disk = LyingDisk::new(1);
    for with_checkpoint in [false, true] {
        let mut shell = Shell::open(&disk).unwrap();
        if !with_checkpoint {
            shell.create("t", 2, &[("segment.bytes", "1024")]);
        }
        let (a, b) = (shell.partition("t", 0), shell.partition("t", 1));
        let before = values(&a, Isolation::ReadCommitted);
        let name = format!("mover-{with_checkpoint}");
        let producer = init(&mut shell, &name, None).unwrap();
        write(&mut shell, &name, &a, batch(producer, 0, &["aborted"]), true).unwrap();
        let producer = end(&mut shell, &name, producer, TransactionOutcome::Abort, true).unwrap();
        write(&mut shell, &name, &a, batch(producer, 0, &["open"]), true).unwrap();
        write(&mut shell, &name, &b, batch(producer, 0, &["open"]), true).unwrap();
        if with_checkpoint {
            shell.settle().unwrap();
            shell.checkpoint().unwrap();
        }
        let stable = a.last_stable_offset();
        assert!(stable < a.high_watermark());
        drop(shell);
        disk = disk.crash_with(Crash::LoseAll);
        let mut shell = Shell::open(&disk).unwrap();
        let a = shell.partition("t", 0);
        assert_eq!(a.last_stable_offset(), stable);
        assert_eq!(values(&a, Isolation::ReadCommitted), before);
        let described = shell.engine.describe_transaction(&id(&name)).unwrap();
        assert_eq!((described.state, described.partitions.len()), (TransactionState::Ongoing, 2));
        assert_eq!(described.producer, producer);
        write(&mut shell, &name, &a, batch(producer, 1, &["more"]), true).unwrap();
        end(&mut shell, &name, producer, TransactionOutcome::Commit, true).unwrap();
        let committed = values(&a, Isolation::ReadCommitted);
        assert_eq!(committed[before.len()..], ["open", "more"]);
        shell.settle().unwrap();
        assert_eq!(values(&a, Isolation::ReadCommitted), committed);
    }
}

#[test]
fn a_lost_transaction_index_is_made_anew() {
    let disk = LyingDisk::new(1);
    let config = LogEngineConfig { open_segments_max: 1, ..LogEngineConfig::default() };
    let mut shell = Shell::open_with(&disk, config.clone()).unwrap();
    let view = shell.create("t", 1, &[("segment.bytes", "1024")]).partition(0).unwrap().clone();
    let mut producers: Vec<_> = (0..3).map(|n| init(&mut shell, &format!("p{n}"), None).unwrap()).collect();
    for round in 0..30 {
        let name = format!("p{}", round % 3);
        let producer = producers[round % 3];
        let value = format!("{round:>40}");
        write(&mut shell, &name, &view, batch(producer, 0, &[&value]), true).unwrap();
        // Two rounds later, so that transactions overlap.
        if round >= 2 {
            let at = (round + 1) % 3;
            let outcome = if round % 4 == 0 { TransactionOutcome::Commit } else { TransactionOutcome::Abort };
            producers[at] = end(&mut shell, &format!("p{at}"), producers[at], outcome, true).unwrap();
        }
        if round % 7 == 0 {
            shell.settle().unwrap();
        }
    }
    shell.settle().unwrap();
    let end_offset = view.last_stable_offset();
    let aborted = view.aborted_transactions(Offset(0), end_offset).unwrap();
    let committed = values(&view, Isolation::ReadCommitted);
    assert!(aborted.len() > 10 && !committed.is_empty());
    let indexes: Vec<_> =
        disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "txnindex")).collect();
    assert!(indexes.len() > 1);
    drop(shell);
    for (number, index) in indexes.iter().enumerate() {
        match number % 2 {
            0 => disk.flip_bit(index, 12, 3).unwrap(),
            _ => disk.truncate(index, 20).unwrap(),
        }
    }
    let shell = Shell::open_with(&disk, config).unwrap();
    let view = shell.partition("t", 0);
    assert_eq!(view.aborted_transactions(Offset(0), end_offset).unwrap(), aborted);
    assert_eq!(values(&view, Isolation::ReadCommitted), committed);
}

#[test]
fn ids_that_nobody_uses_are_forgotten() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    init(&mut shell, "mover", None).unwrap();
    shell.now = shell.now.plus(Duration::from_secs(7 * 24 * 3600));
    shell.tick().unwrap();
    assert_eq!(code(shell.engine.describe_transaction(&id("mover"))), Some(ErrorCode::UnknownTransaction));
    // A producer that comes back is a new one.
    assert_eq!(init(&mut shell, "mover", None).unwrap().epoch, ProducerEpoch(0));
}
