//! Logs whose pieces are large enough to be written in whole pages, past the page cache.
use std::path::PathBuf;

use log_engine::batch::Codec;
use log_engine::{Offset, SettleOutcome};
use segment_store::{Crash, Fault, LyingDisk, StoreError};

use crate::power_cuts;
use crate::shell::{Entry, START, Shell, batch, read_all};

const PAGE: u64 = 4096;

/// Sizes of records in turn, of which some end within the page that the one before began.
const SIZES: [usize; 5] = [70_000, 90_001, 300, 66_000, 9];
const SETTINGS: [(&str, &str); 1] = [("segment.bytes", "300000")];

fn entry(number: usize) -> Entry {
    let byte = |at: usize| ((number * 31 + at) % 251) as u8;
    let value = (0..SIZES[number % SIZES.len()]).map(byte).collect();
    Entry { timestamp: START.0 + number as i64, value }
}

fn settle_one(shell: &mut Shell, number: usize) -> Result<SettleOutcome, StoreError> {
    let view = shell.partition("t", 0);
    let stop = |_| StoreError::Poisoned("the power is gone".to_owned());
    // One that is larger than the rest of the journal's segment needs the next.
    shell.commit()?;
    shell.journal.make_room()?;
    shell.journal.ensure(100 << 10)?;
    shell.append(&view, batch(&[entry(number)], Codec::None)).map_err(stop)?;
    shell.settle()
}

fn all(shell: &Shell) -> Vec<Entry> {
    let (found, lost) = read_all(&shell.partition("t", 0), Offset(0), 1 << 20);
    assert_eq!(lost, []);
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Bytes of the log files of partition 0, in order.
fn files(disk: &LyingDisk) -> Vec<(PathBuf, u64)> {
    let logs = disk.files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "log"));
    let mut logs: Vec<_> =
        logs.map(|path| (path.clone(), disk.content(&path).unwrap().len() as u64)).collect();
    logs.sort();
    logs
}

#[test]
fn only_the_growing_segment_has_zeros_behind_its_end() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &SETTINGS).partition(0).unwrap().clone();
    let mut most = 0;
    for number in 0..23 {
        settle_one(&mut shell, number).unwrap();
        let expected: Vec<_> = (0..=number).map(entry).collect();
        assert!(all(&shell) == expected, "after {number}");
        let sizes: Vec<u64> = files(&disk).into_iter().map(|(_, len)| len).collect();
        let beyond = sizes.iter().sum::<u64>() - view.size_bytes();
        assert!(beyond < PAGE, "{beyond} bytes in {sizes:?}, after {number}");
        most = most.max(beyond);
    }
    assert!(most > 0, "no page was written whole");
    let (last, len) = files(&disk).pop().unwrap();
    let sealed: u64 = files(&disk).iter().rev().skip(1).map(|(_, len)| len).sum();
    let part = view.size_bytes() - sealed;
    assert!(len >= part && len < part + PAGE);
    let content = disk.content(&last).unwrap();
    assert!(content[part as usize..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_restart_goes_on_behind_the_last_batch_not_behind_the_zeros() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    shell.create("t", 1, &SETTINGS);
    for number in 0..23 {
        settle_one(&mut shell, number).unwrap();
        if number % 3 == 0 {
            shell.checkpoint().unwrap();
            drop(shell);
            shell = Shell::open(&disk).unwrap();
        }
    }
    assert!(all(&shell) == (0..23).map(entry).collect::<Vec<_>>());
}

#[test]
fn a_page_that_cannot_be_known_is_not_gone_on_with() {
    let mut disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    shell.create("t", 1, &SETTINGS);
    let (mut kept, mut failures) = (Vec::new(), 0);
    for (number, after) in (0..40).zip((0..10).cycle()) {
        disk.fail_at(disk.operations() + after, Fault::Error);
        match settle_one(&mut shell, number) {
            Ok(outcome) => {
                failures += outcome.failed.len();
                kept.push(entry(number));
            }
            // The journal failed, and only a restart helps.
            Err(_) => {
                disk = disk.crash_with(Crash::KeepAll);
                shell = Shell::open(&disk).unwrap();
            }
        }
        disk.fail_at(u64::MAX, Fault::Error);
        shell.now.0 += 2000;
        shell.tick().unwrap();
        assert!(shell.settle().unwrap().failed.is_empty(), "after {number}");
        let found = all(&shell);
        assert!(kept.iter().all(|entry| found.contains(entry)), "something is missing after {number}");
        assert!(found.iter().all(|one| (0..=number).any(|number| entry(number) == *one)), "after {number}");
    }
    assert!(failures > 0 && kept.len() < 40, "{failures} pieces failed, {} records were kept", kept.len());
}

/// How many records were appended, and how many acknowledged.
type Noted = (usize, usize);

fn scenario(disk: &LyingDisk, noted: &mut Noted) -> Result<(), StoreError> {
    let mut shell = Shell::open(disk)?;
    shell.try_create("t", 1, &SETTINGS).map_err(|_| StoreError::Poisoned("no topic".to_owned()))?;
    for number in 0..11 {
        noted.0 = number + 1;
        settle_one(&mut shell, number)?;
        noted.1 = number + 1;
        if number == 6 {
            shell.checkpoint()?;
        }
    }
    Ok(())
}

fn check(disk: &LyingDisk, noted: &Noted, what: &str) {
    let mut shell = Shell::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(shell.damage, [], "{what}");
    if noted.1 == 0 {
        return;
    }
    let there = all(&shell).len();
    assert!((noted.1..=noted.0).contains(&there), "{what}: {there} of {noted:?}");
    for number in there..there + 6 {
        settle_one(&mut shell, number).unwrap();
    }
    assert!(all(&shell) == (0..there + 6).map(entry).collect::<Vec<_>>(), "{what}");
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    power_cuts::everywhere(scenario, check);
}
