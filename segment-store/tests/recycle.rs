//! Segments are used again, and whoever still reads them notices.
#![allow(clippy::unwrap_used)]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use segment_store::{Journal, JournalConfig, Lsn, LyingDisk, RealDisk, RecordKind, StoreError};
use world::{SEGMENT, open, payload};

fn push(journal: &mut Journal, number: u64, len: usize) -> Lsn {
    journal.ensure(len + 8).unwrap();
    let at = journal.block().push(RecordKind::LOG, &[&payload(number, len)]);
    journal.flush().unwrap();
    at
}

fn give_up(journal: &mut Journal) {
    let at = journal.end();
    journal.write_checkpoint(at, at).finish().unwrap();
    journal.recycle_before(at).unwrap();
}

#[test]
fn a_recycled_position_is_an_error() {
    let mut journal = open(&LyingDisk::new(2)).unwrap().journal;
    let reader = journal.reader();
    let first = push(&mut journal, 0, 30_000);
    assert_eq!(reader.read(first, 30_008).unwrap(), payload(0, 30_000)[..]);
    for number in 1..20 {
        push(&mut journal, number, 30_000);
    }
    give_up(&mut journal);
    assert!(matches!(reader.read(first, 30_008), Err(StoreError::NotHeld(_))));
    assert!(matches!(journal.reader().read(first, 8), Err(StoreError::NotHeld(_))));
    journal.preparer().run().unwrap();
    let last = push(&mut journal, 20, 30_000);
    assert_eq!(reader.read(last, 30_008).unwrap(), payload(20, 30_000)[..]);
    assert!(reader.read(first, 8).is_err());
}

#[test]
fn positions_not_written_yet_are_an_error() {
    let mut journal = open(&LyingDisk::new(2)).unwrap().journal;
    let reader = journal.reader();
    let at = journal.block().push(RecordKind::LOG, &[b"in the block"]);
    assert!(matches!(reader.read(at, 12), Err(StoreError::NotHeld(_))));
    journal.flush().unwrap();
    assert_eq!(reader.read(at, 12).unwrap(), "in the block");
    assert_eq!(reader.read(at.plus(3), 3).unwrap(), "the");
    for (lsn, len) in [(at, 1000), (Lsn(u64::MAX), 1), (Lsn(0), 8), (Lsn(1 << 50), 0)] {
        assert!(reader.read(lsn, len).is_err(), "{lsn} {len}");
    }
}

#[test]
fn every_record_of_mixed_blocks_can_be_read() {
    let mut journal = open(&LyingDisk::new(2)).unwrap().journal;
    let mut written = Vec::new();
    for number in 0..400u64 {
        let len = [0, 10, 300, 5000, 20_000][number as usize % 5];
        journal.ensure(len + 8).unwrap();
        written.push((journal.block().push(RecordKind::LOG, &[&payload(number, len)]), payload(number, len)));
        if number % 3 == 0 {
            journal.flush().unwrap();
        }
    }
    journal.flush().unwrap();
    let reader = journal.reader();
    let order = (0..written.len()).chain((0..written.len()).rev()).chain((0..written.len()).step_by(7));
    for index in order {
        let (at, bytes) = &written[index];
        assert_eq!(reader.read(*at, bytes.len() as u32).unwrap(), bytes[..], "{index}");
    }
}

#[test]
fn flipped_bits_are_noticed_when_reading() {
    let disk = LyingDisk::new(2);
    let mut journal = open(&disk).unwrap().journal;
    let (first, second) = (push(&mut journal, 0, 100), push(&mut journal, 1, 100));
    disk.flip_bit(&disk.files()[0], second.0 + 50, 1).unwrap();
    let reader = journal.reader();
    assert_eq!(reader.read(first, 108).unwrap(), payload(0, 100)[..]);
    match reader.read(second, 108) {
        Err(StoreError::Corrupt { position, .. }) => assert_eq!(position, second.0 - 45),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_no_checkpoint_covers_is_kept() {
    let mut journal = open(&LyingDisk::new(2)).unwrap().journal;
    for number in 0..10 {
        push(&mut journal, number, 30_000);
    }
    journal.recycle_before(journal.end()).unwrap();
    assert_eq!(journal.oldest(), Lsn(0));
    let at = Lsn(3 * SEGMENT);
    journal.write_checkpoint(at, at).finish().unwrap();
    journal.recycle_before(journal.end()).unwrap();
    assert_eq!(journal.oldest(), at);
    assert_eq!(journal.retained_bytes(), journal.end().0 - at.0);
}

#[test]
fn reopening_many_times_loses_nothing_and_grows_nothing() {
    let disk = LyingDisk::new(2);
    let mut files = 0;
    for round in 0..100 {
        let mut opened = open(&disk).unwrap();
        assert_eq!(opened.records.len(), round);
        assert_eq!(opened.report.epoch, round as u32 + 1);
        push(&mut opened.journal, round as u64, 10);
        if round == 50 {
            files = disk.files().len();
        }
        if round % 2 == 0 {
            opened.journal.close().unwrap();
        }
    }
    assert!(disk.files().len() <= files + 6, "{} files, {files} half way", disk.files().len());
}

#[test]
fn readers_racing_with_recycling_never_see_wrong_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { segment_bytes: SEGMENT, headroom_bytes: 0, ..JournalConfig::default() };
    let disk = Arc::new(RealDisk::new(dir.path()));
    let (mut journal, _) = Journal::open(disk, config, &mut |_| Ok(())).unwrap();
    let positions = parking_lot::Mutex::new(Vec::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for offset in 0..2 {
            let reader = journal.reader();
            let (positions, done) = (&positions, &done);
            scope.spawn(move || {
                let mut turn = offset;
                while !done.load(Ordering::Relaxed) {
                    turn += 1;
                    let pick = {
                        let positions = positions.lock();
                        positions.get(turn * 7 % (positions.len() + 1)).copied()
                    };
                    let Some((number, at)) = pick else { continue };
                    match reader.read(at, 3008) {
                        Ok(bytes) => assert_eq!(bytes, payload(number, 3000)[..]),
                        Err(StoreError::NotHeld(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        for number in 0..3000 {
            let at = push(&mut journal, number, 3000);
            let mut positions = positions.lock();
            positions.push((number, at));
            if positions.len() > 200 {
                positions.remove(0);
            }
            drop(positions);
            if number % 50 == 49 {
                give_up(&mut journal);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
