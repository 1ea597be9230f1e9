//! A full disk stops those who may wait, never those who make room, and ends when there is space again.
#![allow(clippy::unwrap_used)]
mod world;

use segment_store::{Disk, Journal, LyingDisk, RecordKind, StoreError};
use world::{SEGMENT, config, open, payload};

/// Publishes until the journal has no more room for it, and answers how many records it took.
fn fill(journal: &mut Journal, first: u64) -> u64 {
    let mut number = first;
    loop {
        if journal.room() < 1008 && journal.make_room().is_err() {
            return number - first;
        }
        journal.ensure(1008).unwrap();
        journal.block().push(RecordKind::QUEUE, &[&payload(number, 1000)]);
        journal.flush().unwrap();
        number += 1;
    }
}

#[test]
fn a_reserve_stays_for_what_makes_room() {
    let disk = LyingDisk::new(5);
    disk.set_capacity(6 * SEGMENT);
    let mut journal = open(&disk).unwrap().journal;
    let taken = fill(&mut journal, 0);
    assert!(taken > 4 * SEGMENT / 1100, "{taken}");
    assert!(matches!(journal.make_room(), Err(StoreError::DiskFull)));
    // A segment's worth of settles still goes in.
    let mut settles = 0;
    while settles < SEGMENT / 200 {
        journal.ensure(100).unwrap();
        journal.block().push(RecordKind::QUEUE, &[&payload(taken + settles, 92)]);
        journal.flush().unwrap();
        settles += 1;
    }
    journal.syncer().sync(journal.end()).unwrap();
    drop(journal);
    let opened = open(&disk.crash()).unwrap();
    assert_eq!(opened.records.len() as u64, taken + settles);
}

#[test]
fn a_full_journal_takes_records_again_after_recycling() {
    let disk = LyingDisk::new(5);
    disk.set_capacity(6 * SEGMENT + 8192);
    let mut config = world::config();
    config.headroom_bytes = 8192;
    let mut journal = world::open_with(&disk, config.clone()).unwrap().journal;
    let mut number = 0;
    for round in 0..5 {
        let taken = fill(&mut journal, number);
        assert!(taken > 3 * SEGMENT / 1100, "round {round}: {taken}");
        number += taken;
        // Everything was consumed: the checkpoint fits the headroom, and the segments are free again.
        let at = journal.flush().unwrap();
        let mut writer = journal.write_checkpoint(at, at);
        writer.push(RecordKind::QUEUE, &[&number.to_le_bytes()]).unwrap();
        writer.finish().unwrap();
        journal.recycle_before(at).unwrap();
        journal.preparer().run().unwrap();
        assert!(journal.room() > SEGMENT, "round {round}");
        assert!(journal.retained_bytes() <= SEGMENT);
    }
    drop(journal);
    let opened = world::open_with(&disk, config).unwrap();
    assert_eq!(opened.checkpoint, Some(number));
}

#[test]
fn space_made_elsewhere_ends_it_too() {
    let disk = LyingDisk::new(5);
    disk.set_capacity(4 * SEGMENT);
    let mut journal = open(&disk).unwrap().journal;
    let taken = fill(&mut journal, 0);
    disk.set_capacity(8 * SEGMENT);
    assert!(fill(&mut journal, taken) >= taken);
}

#[test]
fn a_journal_opens_on_a_full_disk() {
    let disk = LyingDisk::new(5);
    disk.set_capacity(4 * SEGMENT);
    let mut journal = open(&disk).unwrap().journal;
    let taken = fill(&mut journal, 0);
    drop(journal);
    disk.set_capacity(0);
    for _ in 0..40 {
        let opened = open(&disk).unwrap();
        assert_eq!(opened.records.len() as u64, taken);
    }
}

#[test]
fn the_disk_is_not_filled_to_the_brim() {
    let disk = LyingDisk::new(5);
    disk.set_capacity(20 * SEGMENT);
    let config = segment_store::JournalConfig { headroom_bytes: 5 * SEGMENT, ..world::config() };
    let mut journal = world::open_with(&disk, config).unwrap().journal;
    fill(&mut journal, 0);
    assert!(disk.space().unwrap().free >= 5 * SEGMENT);
}

#[test]
fn idle_segments_are_few() {
    let disk = LyingDisk::new(5);
    let mut journal = open(&disk).unwrap().journal;
    for number in 0..200 {
        journal.ensure(20_008).unwrap();
        journal.block().push(RecordKind::QUEUE, &[&payload(number, 20_000)]);
        journal.flush().unwrap();
    }
    let before = disk.files().len();
    let at = journal.end();
    journal.write_checkpoint(at, at).finish().unwrap();
    journal.recycle_before(at).unwrap();
    journal.preparer().run().unwrap();
    let after = disk.files().len();
    // Beside the spares: the segment in use, the one that is ready for it, and the checkpoint.
    let few = config().spare_segments + 3;
    assert!(before > 60 && after <= few, "{before} files, then {after}");
}
