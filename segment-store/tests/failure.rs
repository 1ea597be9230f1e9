//! After a failed write or sync nothing is accepted any more, and nothing is lost; reads go on.
#![allow(clippy::unwrap_used)]
mod world;

use segment_store::{Crash, Fault, Journal, Lsn, LyingDisk, RecordKind, StoreError, Syncer};
use world::{open, payload};

/// A journal with one synced record and one more in the block.
fn begin(disk: &LyingDisk) -> (Journal, Syncer, Lsn) {
    let mut journal = open(disk).unwrap().journal;
    let at = journal.block().push(RecordKind::LOG, &[&payload(0, 100)]);
    let end = journal.flush().unwrap();
    let syncer = journal.syncer();
    syncer.sync(end).unwrap();
    journal.block().push(RecordKind::LOG, &[&payload(1, 100)]);
    (journal, syncer, at)
}

fn assert_stopped(journal: &mut Journal, syncer: &Syncer, at: Lsn) {
    let durable = journal.durable();
    assert!(matches!(journal.flush(), Err(StoreError::Poisoned(_))));
    assert!(matches!(journal.ensure(1), Err(StoreError::Poisoned(_))));
    assert!(matches!(journal.make_room(), Err(StoreError::Poisoned(_))));
    assert!(matches!(journal.recycle_before(Lsn(0)), Err(StoreError::Poisoned(_))));
    assert!(matches!(syncer.sync(Lsn(u64::MAX)), Err(StoreError::Poisoned(_))));
    assert!(matches!(syncer.sync(Lsn(0)), Err(StoreError::Poisoned(_))));
    assert!(matches!(journal.write_checkpoint(journal.end(), Lsn(0)).finish(), Err(StoreError::Poisoned(_))));
    assert_eq!(journal.durable(), durable, "a retry does not pretend that it worked");
    assert_eq!(journal.reader().read(at, 108).unwrap(), payload(0, 100)[..]);
}

#[test]
fn a_failed_write_stops_the_store() {
    let disk = LyingDisk::new(1);
    let (mut journal, syncer, at) = begin(&disk);
    disk.fail_at(disk.operations(), Fault::Error);
    let error = journal.flush().unwrap_err();
    assert!(error.to_string().contains("journal/000000000000.wal"), "{error}");
    assert_eq!(error.code(), message::ErrorCode::StorageFailed);
    assert_stopped(&mut journal, &syncer, at);
    drop(journal);
    assert_eq!(open(&disk.crash()).unwrap().records.len(), 1);
}

#[test]
fn a_failed_sync_stops_the_store() {
    let disk = LyingDisk::new(1);
    let (mut journal, syncer, at) = begin(&disk);
    let end = journal.flush().unwrap();
    disk.fail_at(disk.operations(), Fault::Error);
    syncer.sync(end).unwrap_err();
    assert_stopped(&mut journal, &syncer, at);
}

#[test]
fn what_a_failed_sync_left_in_memory_is_written_again_by_the_next_start() {
    let disk = LyingDisk::new(1);
    let (mut journal, syncer, _) = begin(&disk);
    let end = journal.flush().unwrap();
    disk.fail_at(disk.operations(), Fault::Error);
    syncer.sync(end).unwrap_err();
    assert_eq!(open(&disk.crash_with(Crash::LoseAll)).unwrap().records.len(), 1, "it is not on the disk");
    drop(journal);
    // The restarted process reads the second record from memory and takes it over, so it has to be durable then.
    assert_eq!(open(&disk).unwrap().records.len(), 2);
    assert_eq!(open(&disk.crash_with(Crash::LoseAll)).unwrap().records.len(), 2);
}

#[test]
fn a_sync_covers_the_segment_before_a_roll() {
    let disk = LyingDisk::new(1);
    let mut journal = open(&disk).unwrap().journal;
    for number in 0..3 {
        journal.ensure(40_008).unwrap();
        journal.block().push(RecordKind::LOG, &[&payload(number, 40_000)]);
        journal.flush().unwrap();
    }
    assert!(journal.end().0 > 2 * world::SEGMENT);
    assert!(journal.durable().0 < world::SEGMENT);
    let durable = journal.syncer().sync(journal.end()).unwrap();
    assert_eq!(durable, journal.end());
    assert_eq!(open(&disk.crash_with(Crash::LoseAll)).unwrap().records.len(), 3);
}

#[test]
fn callers_that_wait_for_the_same_sync_share_it() {
    let disk = LyingDisk::new(1);
    let (mut journal, syncer, _) = begin(&disk);
    let end = journal.flush().unwrap();
    let before = disk.operations();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let syncer = syncer.clone();
            scope.spawn(move || assert!(syncer.sync(end).unwrap() >= end));
        }
    });
    assert_eq!(disk.operations() - before, 1);
}

#[test]
fn the_second_owner_of_a_directory_is_refused() {
    let disk = LyingDisk::new(1);
    let first = open(&disk).unwrap();
    assert!(matches!(open(&disk), Err(StoreError::Locked(_))));
    drop(first);
    open(&disk).unwrap();
}

#[test]
fn a_record_that_no_segment_takes_is_refused() {
    let disk = LyingDisk::new(1);
    let mut journal = open(&disk).unwrap().journal;
    let largest = journal.largest_record();
    match journal.ensure(largest + 1) {
        Err(error @ StoreError::TooLarge { .. }) => assert_eq!(error.code(), message::ErrorCode::TooLarge),
        other => panic!("{other:?}"),
    }
    for _ in 0..3 {
        journal.ensure(largest).unwrap();
        let at = journal.block().push(RecordKind::LOG, &[&vec![9; largest]]);
        journal.flush().unwrap();
        assert_eq!(journal.reader().read(at, largest as u32).unwrap(), vec![9; largest]);
    }
}

#[test]
fn impossible_settings_are_refused() {
    for segment_bytes in [0, 4096, 65_537, 1 << 40] {
        let config = segment_store::JournalConfig { segment_bytes, ..world::config() };
        let opened = world::open_with(&LyingDisk::new(1), config);
        assert!(matches!(opened, Err(StoreError::Config(_))), "{segment_bytes}");
    }
}
