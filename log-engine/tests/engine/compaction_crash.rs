use log_engine::batch::Codec;
use message::Timestamp;
use segment_store::{Fault, LyingDisk, StoreError};

use crate::power_cuts;
use crate::shell::{Keyed, START, Shell, keyed, read_keyed};

const SETTINGS: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0"),
    ("segment.bytes", "1500"),
    ("segment.ms", "500"),
    ("delete.retention.ms", "4000"),
];

/// What was appended, and how much of it was acknowledged.
#[derive(Default)]
struct Log {
    records: Vec<Keyed>,
    acknowledged: usize,
    now: i64,
}

/// Appends, settles, compacts and checkpoints until the end or the power failure.
fn scenario(disk: &LyingDisk, log: &mut Log) -> Result<(), StoreError> {
    let stop = |_| StoreError::Poisoned("the power is gone".to_owned());
    let mut shell = Shell::open(disk)?;
    shell.try_create("t", 1, &SETTINGS).map_err(stop)?;
    for round in 0..4 {
        for batch in 0..3 {
            let number = log.records.len();
            let record = |n: usize| {
                let value = format!("{:>60}", number + n);
                (format!("key-{}", (batch + n) % 5), ((number + n) % 11 != 3).then_some(value))
            };
            let records: Vec<Keyed> = (0..6).map(record).collect();
            let view = shell.partition("t", 0);
            shell.append(&view, keyed(&records, Codec::None, shell.now)).map_err(stop)?;
            log.records.extend(records);
        }
        shell.commit()?;
        log.acknowledged = log.records.len();
        shell.now = Timestamp(shell.now.0 + 1000);
        log.now = shell.now.0;
        shell.settle()?;
        shell.clean()?;
        if round == 2 {
            shell.checkpoint()?;
        }
        // The files that compaction replaced go.
        shell.settle()?;
    }
    shell.checkpoint()
}

fn check(disk: &LyingDisk, log: &Log, what: &str) {
    let mut shell = Shell::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(shell.damage, [], "{what}");
    if log.acknowledged == 0 {
        return;
    }
    let view = shell.partition("t", 0);
    let end = view.high_watermark().0 as usize;
    assert!(end >= log.acknowledged && end <= log.records.len(), "{what}: {end}");
    let verify = |found: &[(i64, Keyed)]| {
        for (offset, record) in found {
            assert_eq!(log.records.get(*offset as usize), Some(record), "{what}: at {offset}");
        }
        for key in 0..5 {
            let key = format!("key-{key}");
            let last = log.records[..end].iter().rposition(|(other, _)| *other == key);
            let Some(last) = last.filter(|last| log.records[*last].1.is_some()) else { continue };
            assert!(
                found.iter().any(|(offset, _)| *offset == last as i64),
                "{what}: {key} at {last} is lost"
            );
        }
    };
    verify(&read_keyed(&view, 1 << 20));
    // It goes on as if nothing had happened, and leaves no file behind that nobody knows.
    shell.now = Timestamp(START.0 + 100_000);
    assert!(shell.settle().unwrap().failed.is_empty(), "{what}");
    shell.clean().unwrap_or_else(|error| panic!("{what}: {error}"));
    verify(&read_keyed(&view, 1 << 20));
    shell.clean().unwrap();
    shell.settle().unwrap();
    drop(view);
    shell.now = Timestamp(shell.now.0 + 5000);
    shell.tick().unwrap();
    shell.settle().unwrap();
    let logs = disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log")).count();
    assert!(logs <= 6, "{what}: {:?}", disk.files());
}

#[test]
fn no_key_is_lost_wherever_the_power_goes() {
    power_cuts::everywhere(scenario, check);
}

#[test]
fn a_job_that_fails_or_finds_damage_changes_nothing() {
    for fault in [Fault::Error, Fault::Full] {
        let disk = LyingDisk::new(5);
        let mut shell = Shell::open(&disk).unwrap();
        shell.create("t", 1, &SETTINGS);
        let view = shell.partition("t", 0);
        for number in 0..40 {
            let record = (format!("key-{}", number % 3), Some(format!("{number:>60}")));
            shell.append(&view, keyed(&[record], Codec::None, shell.now)).unwrap();
        }
        shell.now = Timestamp(shell.now.0 + 1000);
        shell.settle().unwrap();
        let before = read_keyed(&view, 1 << 20);
        shell.now = Timestamp(shell.now.0 + 1000);
        shell.tick().unwrap();
        let job = shell.engine.take_clean_job(shell.now).unwrap();
        disk.fail_at(disk.operations() + 2, fault);
        assert!(shell.finish_clean(job.run()).is_err());
        assert_eq!(read_keyed(&view, 1 << 20), before);
        shell.now = Timestamp(shell.now.0 + 61_000);
        assert_eq!(shell.clean().unwrap(), 1, "after a pause it is tried again");
        assert_eq!(read_keyed(&view, 1 << 20).len(), 3);
    }
    let disk = LyingDisk::new(6);
    let mut shell = Shell::open(&disk).unwrap();
    shell.create("t", 1, &SETTINGS);
    let view = shell.partition("t", 0);
    for number in 0..40 {
        let record = (format!("key-{}", number % 3), Some(format!("{number:>60}")));
        shell.append(&view, keyed(&[record], Codec::None, shell.now)).unwrap();
    }
    shell.now = Timestamp(shell.now.0 + 1000);
    shell.settle().unwrap();
    let log = disk.files().into_iter().find(|path| path.extension().is_some_and(|e| e == "log")).unwrap();
    disk.flip_bit(&log, 300, 3).unwrap();
    assert!(shell.clean().is_err());
    assert!(matches!(
        view.read(log_engine::Offset(0), 1 << 20),
        Ok(_) | Err(log_engine::LogError::Damaged { .. })
    ));
}
