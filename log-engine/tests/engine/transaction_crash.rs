//! The power goes at every single operation of the disk in the middle of transactions over two partitions and a group.
use std::collections::BTreeSet;

use log_engine::batch::BatchBuilder;
use log_engine::{
    Committer, EndTransaction, Enrolment, InitProducer, Isolation, LogError, Offset, OffsetCommit, Producer,
    TransactionOutcome, TransactionalId,
};
use segment_store::{LyingDisk, StoreError};

use crate::power_cuts;
use crate::shell::{START, Shell, group};
use crate::transactions::values;

const ROUNDS: usize = 5;

/// How far the work came.
#[derive(Default)]
struct Acknowledged {
    created: bool,
    /// Rounds whose commit was answered.
    committed: usize,
    /// Rounds whose commit was asked for.
    asked: usize,
}

fn gone(_: LogError) -> StoreError {
    StoreError::Poisoned("the power is gone".to_owned())
}

fn id() -> TransactionalId {
    TransactionalId::new("mover").unwrap()
}

fn write(shell: &mut Shell, partition: u32, producer: Producer, value: &str) -> Result<(), StoreError> {
    let view = shell.partition("t", partition);
    let mut builder = BatchBuilder::new(START).in_transaction(producer, Some(0));
    builder.push(None, Some(value.as_bytes()), &[], None);
    let id = id();
    let enrolment = Enrolment { id: &id, implicit: true };
    let batch = builder.build();
    shell
        .run(|engine, block, now| engine.append_transactional(block, view.id(), batch, enrolment, now))
        .map_err(gone)?;
    shell.commit()
}

fn end(shell: &mut Shell, producer: Producer, outcome: TransactionOutcome) -> Result<Producer, StoreError> {
    let end = EndTransaction { id: &id(), producer, outcome, bump: true };
    shell.run(|engine, block, now| engine.end_transaction(block, &end, now)).map_err(gone)
}

/// Each round aborts one transaction and commits one: a record in either partition, and the group's offset.
fn scenario(disk: &LyingDisk, done: &mut Acknowledged) -> Result<(), StoreError> {
    let mut shell = Shell::open(disk)?;
    shell.try_create("t", 2, &[("segment.bytes", "1024")]).map_err(gone)?;
    done.created = true;
    let init = InitProducer { id: &id(), timeout: std::time::Duration::from_secs(60), claimed: None };
    let mut producer =
        shell.run(|engine, block, now| engine.init_producer(block, &init, now)).map_err(gone)?;
    shell.commit()?;
    for round in 0..ROUNDS {
        write(&mut shell, 0, producer, "aborted")?;
        write(&mut shell, 1, producer, "aborted")?;
        producer = end(&mut shell, producer, TransactionOutcome::Abort)?;
        shell.commit()?;
        let value = format!("round {round}");
        write(&mut shell, 0, producer, &value)?;
        if round % 2 == 1 {
            shell.settle()?;
            shell.checkpoint()?;
        }
        write(&mut shell, 1, producer, &value)?;
        let partition = shell.partition("t", 0).name().clone();
        let commits = [OffsetCommit::new(partition, Offset(round as i64 + 1))];
        let id = id();
        let enrolment = Enrolment { id: &id, implicit: true };
        shell
            .run(|engine, block, now| {
                let group = group("g");
                engine.commit_offsets_in_transaction(
                    block,
                    enrolment,
                    producer,
                    &group,
                    Committer::Nobody,
                    &commits,
                    now,
                )
            })
            .map_err(gone)?;
        done.asked = round + 1;
        producer = end(&mut shell, producer, TransactionOutcome::Commit)?;
        shell.commit()?;
        done.committed = round + 1;
    }
    Ok(())
}

fn check(disk: &LyingDisk, done: &Acknowledged, what: &str) {
    let mut shell = Shell::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    if !done.created {
        return;
    }
    let look = |shell: &Shell| {
        let [a, b] =
            [0, 1].map(|partition| values(&shell.partition("t", partition), Isolation::ReadCommitted));
        let view = shell.partition("t", 0);
        let offset = shell.engine.committed_offset(&group("g"), view.id()).map_or(0, |one| one.offset.0);
        (a, b, offset)
    };
    let (a, b, offset) = look(&shell);
    let rounds: BTreeSet<_> = (0..a.len()).map(|round| format!("round {round}")).collect();
    assert_eq!(a.iter().cloned().collect::<BTreeSet<_>>(), rounds, "{what}");
    assert_eq!(a, b, "{what}: one partition has what the other has not");
    assert_eq!(a.len() as i64, offset, "{what}: the group's offset and the records differ");
    assert!((done.committed..=done.asked).contains(&a.len()), "{what}: {} of {}", a.len(), done.committed);
    // Whoever comes next under the name is not held back by what the crash left open.
    let init = InitProducer { id: &id(), timeout: std::time::Duration::from_secs(60), claimed: None };
    let producer = shell.run(|engine, block, now| engine.init_producer(block, &init, now)).unwrap();
    shell.commit().unwrap();
    for partition in 0..2 {
        let view = shell.partition("t", partition);
        assert_eq!(view.last_stable_offset(), view.high_watermark(), "{what}");
    }
    assert_eq!(look(&shell), (a, b, offset), "{what}");
    write(&mut shell, 0, producer, "after").unwrap();
    end(&mut shell, producer, TransactionOutcome::Commit).unwrap();
    shell.commit().unwrap();
    assert!(shell.settle().unwrap().failed.is_empty(), "{what}");
    assert_eq!(look(&shell).0.last().map(String::as_str), Some("after"), "{what}");
}

#[test]
fn a_transaction_is_never_there_by_half_wherever_the_power_goes() {
    power_cuts::everywhere(scenario, check);
}
