//! Power loss at every operation of the disk: what was settled in a share group stays settled, nothing else is lost.
use log_engine::batch::Codec;
use log_engine::{AcknowledgeType, Acknowledgement, LogError};
use message::Timestamp;
use segment_store::{Crash, Fault, LyingDisk, StoreError};

use crate::shares::config;
use crate::shell::{Shell, batch, entries, group};

/// What was promised: the topic with so many records, the group in it, and records that never come again.
#[derive(Default)]
struct Promised {
    shared: bool,
    records: i64,
    finished: Vec<i64>,
    /// Finished if the last group of commands got through.
    maybe: Vec<i64>,
}

fn stop(error: LogError) -> StoreError {
    StoreError::Io { context: error.to_string(), source: std::io::Error::other("engine") }
}

fn scenario(disk: &LyingDisk, done: &mut Promised) -> Result<(), StoreError> {
    let name = group("shared");
    let mut shell = Shell::open_with(disk, config())?;
    let view = shell.try_create("t", 1, &[]).map_err(stop)?;
    let view = view.partition(0).map(std::sync::Arc::clone).unwrap();
    shell
        .run(|engine, block, _| engine.alter_share_offset(block, &name, view.id(), log_engine::Offset(0)))
        .map_err(stop)?;
    shell.commit()?;
    done.shared = true;
    for round in 0..6 {
        shell.append(&view, batch(&entries(done.records as usize, 5, 60), Codec::None)).map_err(stop)?;
        shell.commit()?;
        done.records += 5;
        let taken = shell.acquire(&name, "m", view.id(), 4);
        let offsets: Vec<i64> = taken.records.iter().flat_map(|run| run.first.0..=run.last.0).collect();
        for (number, offset) in offsets.into_iter().enumerate() {
            let kind =
                [AcknowledgeType::Accept, AcknowledgeType::Release, AcknowledgeType::Reject][number % 3];
            let at = log_engine::Offset(offset);
            let one = Acknowledgement::new(at, at, vec![kind]).unwrap();
            shell.acknowledge(&name, "m", view.id(), one).unwrap();
            if kind != AcknowledgeType::Release {
                done.maybe.push(offset);
            }
        }
        shell.commit()?;
        done.finished.append(&mut done.maybe);
        if round % 2 == 1 {
            shell.checkpoint()?;
        }
        shell.now = Timestamp(shell.now.0 + 1000);
        shell.tick()?;
    }
    shell.settle()?;
    shell.checkpoint()
}

fn check(disk: &LyingDisk, done: &Promised, what: &str) {
    let name = group("shared");
    let mut shell = Shell::open_with(disk, config()).unwrap_or_else(|error| panic!("{what}: {error}"));
    if !done.shared {
        return;
    }
    let partition = shell.partition("t", 0).id();
    let end = shell.partition("t", 0).high_watermark().0;
    assert!(end >= done.records, "{what}");
    let mut again = Vec::new();
    loop {
        let taken = shell.acquire(&name, "other", partition, 100);
        if taken.records.is_empty() {
            break;
        }
        for run in taken.records {
            again.extend(run.first.0..=run.last.0);
            let one = Acknowledgement::new(run.first, run.last, vec![AcknowledgeType::Accept]).unwrap();
            shell.acknowledge(&name, "other", partition, one).unwrap();
        }
    }
    again.sort_unstable();
    for offset in 0..end {
        let came = again.iter().filter(|one| **one == offset).count();
        match (done.finished.contains(&offset), done.maybe.contains(&offset)) {
            (true, _) => assert_eq!(came, 0, "{what}: {offset} was settled and came again"),
            (false, true) => assert!(came <= 1, "{what}: {offset} came {came} times"),
            (false, false) => assert_eq!(came, 1, "{what}: {offset} came {came} times"),
        }
    }
}

#[test]
fn what_was_settled_stays_settled_wherever_the_power_goes() {
    let disk = LyingDisk::new(1);
    let mut done = Promised::default();
    scenario(&disk, &mut done).unwrap();
    assert!(done.finished.len() > 10, "{:?}", done.finished);
    check(&disk.crash_with(Crash::Any), &done, "no power loss");
    for operation in 0..disk.operations() {
        let disk = LyingDisk::new(operation);
        disk.fail_at(operation, Fault::PowerLoss);
        let mut done = Promised::default();
        if scenario(&disk, &mut done).is_ok() {
            continue;
        }
        for crash in [Crash::Any, Crash::LoseAll, Crash::KeepAll] {
            check(&disk.crash_with(crash), &done, &format!("power loss at operation {operation}, {crash:?}"));
        }
    }
}
