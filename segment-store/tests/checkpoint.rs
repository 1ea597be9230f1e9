//! Checkpoints: the newest whole one counts, and a damaged one takes as little along as possible.
#![allow(clippy::unwrap_used)]
mod world;

use std::path::PathBuf;
use std::sync::Arc;

use segment_store::{
    Crash, Disk, Fault, Journal, Lsn, LyingDisk, RecordKind, RecoveryReport, Source, StoreError,
};

/// Replayed records as (source, first payload byte), with the report.
fn replay(disk: &LyingDisk) -> (Vec<(Source, u8)>, RecoveryReport) {
    let mut seen = Vec::new();
    let (_, report) = Journal::open(Arc::new(disk.clone()), world::config(), &mut |record| {
        seen.push((record.source, record.payload[0]));
        assert_eq!(
            record.checkpoint_lsn == Lsn(0),
            !seen.iter().any(|(source, _)| *source == Source::Checkpoint)
        );
        Ok(())
    })
    .unwrap();
    (seen, report)
}

/// A journal with checkpoints of these contents, one record in the journal after each.
fn write(disk: &LyingDisk, checkpoints: &[&[u8]]) -> Vec<Lsn> {
    let mut journal = world::open(disk).unwrap().journal;
    let mut at = Vec::new();
    for (index, content) in checkpoints.iter().enumerate() {
        let mut writer = journal.write_checkpoint(journal.end(), Lsn(0));
        for &byte in *content {
            writer.push(RecordKind::QUEUE, &[&[byte], &vec![byte; 100_000]]).unwrap();
        }
        at.push(writer.finish().unwrap());
        journal.block().push(RecordKind::LOG, &[&[100 + index as u8]]);
        journal.flush().unwrap();
    }
    journal.close().unwrap();
    at
}

fn path(lsn: Lsn) -> PathBuf {
    PathBuf::from(format!("checkpoint/{:020}.ckpt", lsn.0))
}

use Source::{Checkpoint as C, Journal as J};

#[test]
fn the_newest_is_replayed_before_the_journal() {
    let disk = LyingDisk::new(4);
    let at = write(&disk, &[&[1, 2], &[3, 4, 5]]);
    let (seen, report) = replay(&disk);
    assert_eq!(seen, [(C, 3), (C, 4), (C, 5), (J, 100), (J, 101)]);
    assert_eq!((report.checkpoint, report.checkpoint_records), (Some(at[1]), 3));
    assert_eq!(report.damage, []);
}

#[test]
fn an_old_one_goes_when_two_newer_ones_are_there() {
    let disk = LyingDisk::new(4);
    let at = write(&disk, &[&[1], &[2], &[3], &[4]]);
    let kept: Vec<_> = disk.files().into_iter().filter(|file| file.starts_with("checkpoint")).collect();
    assert_eq!(kept, [path(at[2]), path(at[3])]);
}

#[test]
fn a_damaged_newest_gives_way_to_the_one_before_while_the_journal_reaches_back() {
    let disk = LyingDisk::new(4);
    let at = write(&disk, &[&[1, 2], &[3, 4, 5]]);
    for byte in [3, 30, 4096, 4100, 150_000, 250_000] {
        let disk = disk.copy();
        disk.flip_bit(&path(at[1]), byte, 4).unwrap();
        let (seen, report) = replay(&disk);
        assert_eq!(seen, [(C, 1), (C, 2), (J, 100), (J, 101)], "byte {byte}");
        assert_eq!(report.checkpoint, Some(at[0]));
        assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
        assert_eq!(report.damage[0].file, path(at[1]));
    }
}

#[test]
fn without_a_way_back_what_can_be_read_of_a_damaged_one_is_replayed() {
    let disk = LyingDisk::new(4);
    write(&disk, &[&[1, 2]]);
    let mut journal = world::open(&disk).unwrap().journal;
    for _ in 0..4 {
        journal.ensure(50_000).unwrap();
        journal.block().push(RecordKind::LOG, &[&[9; 50_000]]);
        journal.flush().unwrap();
    }
    let mut writer = journal.write_checkpoint(journal.end(), Lsn(0));
    for byte in 1..=12 {
        writer.push(RecordKind::QUEUE, &[&[byte], &vec![byte; 100_000]]).unwrap();
    }
    let at = writer.finish().unwrap();
    journal.recycle_before(at).unwrap();
    journal.preparer().run().unwrap();
    drop(journal);
    disk.flip_bit(&path(at), 450_000, 0).unwrap();
    let (mut seen, report) = replay(&disk);
    seen.retain(|(source, _)| *source == C);
    assert_eq!(
        seen,
        [1, 2, 3, 7, 8, 9, 10, 11, 12].map(|byte| (C, byte)),
        "one block of three records is gone"
    );
    assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
    assert!(
        (report.damage[0].position..report.damage[0].position + report.damage[0].length).contains(&450_000)
    );
}

#[test]
fn an_unfinished_one_counts_for_nothing_and_is_cleared_away() {
    let disk = LyingDisk::new(4);
    write(&disk, &[&[1]]);
    let journal = world::open(&disk).unwrap().journal;
    let mut writer = journal.write_checkpoint(journal.end(), Lsn(0));
    for _ in 0..10 {
        writer.push(RecordKind::QUEUE, &[&[7; 100_000]]).unwrap();
    }
    let unfinished =
        |disk: &LyingDisk| disk.files().iter().any(|file| file.extension().is_some_and(|e| e == "tmp"));
    assert!(unfinished(&disk));
    let torn = disk.crash();
    drop(writer);
    assert!(!unfinished(&disk));
    assert_eq!(replay(&torn).0, [(C, 1), (J, 100)]);
    assert!(!unfinished(&torn));
}

#[test]
fn a_failed_one_leaves_the_journal_working() {
    for fault in [Fault::Error, Fault::Full] {
        let disk = LyingDisk::new(4);
        let mut journal = world::open(&disk).unwrap().journal;
        journal.block().push(RecordKind::LOG, &[&[1]]);
        let at = journal.flush().unwrap();
        journal.syncer().sync(at).unwrap();
        let mut writer = journal.write_checkpoint(at, Lsn(0));
        writer.push(RecordKind::QUEUE, &[&[2]]).unwrap();
        disk.fail_at(disk.operations() + 2, fault);
        match (fault, writer.finish()) {
            (Fault::Full, Err(StoreError::DiskFull)) | (Fault::Error, Err(StoreError::Io { .. })) => {}
            (_, other) => panic!("{other:?}"),
        }
        journal.recycle_before(at).unwrap();
        journal.block().push(RecordKind::LOG, &[&[3]]);
        journal.close().unwrap();
        assert_eq!(replay(&disk).0, [(J, 1), (J, 3)]);
    }
}

#[test]
fn a_journal_that_is_gone_behind_its_checkpoint_is_reported_and_positions_go_on() {
    let disk = LyingDisk::new(4);
    let mut journal = world::open(&disk).unwrap().journal;
    for _ in 0..4 {
        journal.ensure(50_000).unwrap();
        journal.block().push(RecordKind::LOG, &[&[9; 50_000]]);
        journal.flush().unwrap();
    }
    let at = journal.write_checkpoint(journal.end(), Lsn(0)).finish().unwrap();
    journal.close().unwrap();
    for file in disk.files().iter().filter(|file| file.starts_with("journal")) {
        disk.remove(file).unwrap();
    }
    let mut opened = world::open(&disk).unwrap();
    assert!(opened.journal.end() > at, "positions below the checkpoint would be skipped by the next start");
    assert_eq!(opened.report.damage.len(), 1, "{:?}", opened.report);
    opened.journal.block().push(RecordKind::LOG, &[&world::payload(5, 5)]);
    opened.journal.close().unwrap();
    assert_eq!(world::open(&disk).unwrap().records.len(), 1);
}

/// A journal of eight records, most of a segment each and none synced, and where they are.
fn eight_records(disk: &LyingDisk) -> (Journal, Vec<Lsn>) {
    let mut journal = world::open(disk).unwrap().journal;
    let mut at = Vec::new();
    for number in 0..8 {
        let bytes = world::payload(number, 40_000);
        journal.ensure(bytes.len()).unwrap();
        at.push(journal.block().push(RecordKind::LOG, &[&bytes]));
        journal.flush_cached().unwrap();
    }
    (journal, at)
}

#[test]
fn what_a_checkpoint_makes_needless_is_not_synced_and_not_missed() {
    for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Any] {
        let disk = LyingDisk::new(4);
        let (journal, at) = eight_records(&disk);
        let (end, needed) = (journal.end(), at[6]);
        journal.write_checkpoint(end, needed).finish().unwrap();
        assert_eq!(journal.durable(), end);
        let disk = disk.crash_with(crash);
        let opened = world::open(&disk).unwrap();
        assert_eq!(opened.report.damage, []);
        let left: Vec<u64> = opened.records.iter().map(|(number, ..)| *number).collect();
        assert!(left == [6, 7] || left == [5, 6, 7], "{crash:?}: {left:?}");
        assert!(opened.journal.oldest() <= needed);
        assert!(opened.journal.retained_bytes() <= 4 * world::SEGMENT);
    }
}

#[test]
fn segments_that_a_checkpoint_needs_are_missed() {
    let disk = LyingDisk::new(4);
    let (journal, at) = eight_records(&disk);
    journal.write_checkpoint(journal.end(), at[3]).finish().unwrap();
    journal.close().unwrap();
    let needed = at[3].0 / world::SEGMENT;
    for (number, damages) in [(0, 0), (needed, 1)] {
        disk.remove(&PathBuf::from(format!("journal/{number:012}.wal"))).unwrap();
        let report = world::open(&disk).unwrap().report;
        assert_eq!(report.damage.len(), damages, "without segment {number}: {:?}", report.damage);
    }
}

/// The disk after a crash that lost the only block of the first segment and left that of the second.
fn second_segment_left(seed: u64) -> Option<LyingDisk> {
    let disk = LyingDisk::new(seed);
    let mut journal = world::open(&disk).unwrap().journal;
    for (number, len) in [(0, 40_000), (1, 64)] {
        journal.block().push(RecordKind::LOG, &[&world::payload(number, len)]);
        journal.flush().unwrap();
        journal.ensure(40_000).unwrap();
    }
    let disk = disk.crash_with(Crash::Any);
    let file = disk.content(&PathBuf::from("journal/000000000001.wal")).unwrap();
    let is_left = file.windows(72).any(|window| window == world::payload(1, 64));
    (is_left && world::open(&disk.copy()).unwrap().records.is_empty()).then_some(disk)
}

#[test]
fn leftovers_are_not_taken_for_what_follows_a_checkpoint() {
    let left: Vec<_> = (0..20).filter_map(second_segment_left).collect();
    assert!(!left.is_empty(), "no crash left what this is about");
    for disk in left {
        let mut journal = world::open(&disk).unwrap().journal;
        journal.block().push(RecordKind::LOG, &[&world::payload(7, 40_000)]);
        journal.flush().unwrap();
        journal.ensure(40_000).unwrap();
        let at = journal.end();
        assert_eq!(at.0 / world::SEGMENT, 1, "where the leftover is");
        // The checkpoint needs nothing before, and nothing behind it reaches the disk.
        journal.write_checkpoint(at, at).finish().unwrap();
        journal.block().push(RecordKind::LOG, &[&world::payload(8, 9000)]);
        journal.flush().unwrap();
        let opened = world::open(&disk.crash_with(Crash::LoseAll)).unwrap();
        assert_eq!(opened.records, [], "what a crash cut off stays away");
        assert_eq!(opened.report.damage, []);
    }
}
