//! What was on disk once and is not any more: it is noticed, said where, and everything around it is still served.
#![allow(clippy::unwrap_used)]
mod world;

use std::path::{Path, PathBuf};

use segment_store::{Lsn, LyingDisk, RecordKind, RecoveryReport, StoreError};
use world::{open, payload};

/// A journal that was closed in order, and what is in it: (first byte of its block, end, position, payload).
struct Written {
    disk: LyingDisk,
    records: Vec<(Lsn, Lsn, Lsn, Vec<u8>)>,
}

/// Records of these sizes, each in a block of its own.
fn write(sizes: &[usize]) -> Written {
    let disk = LyingDisk::new(3);
    let mut journal = open(&disk).unwrap().journal;
    let mut records = Vec::new();
    for (number, &len) in sizes.iter().enumerate() {
        let bytes = payload(number as u64, len);
        journal.ensure(bytes.len()).unwrap();
        let start = journal.block().start();
        let at = journal.block().push(RecordKind::LOG, &[&bytes]);
        journal.flush().unwrap();
        records.push((start, at.plus(bytes.len() as u64), at, bytes));
    }
    journal.close().unwrap();
    Written { disk, records }
}

fn segment(number: u64) -> PathBuf {
    PathBuf::from(format!("journal/{number:012}.wal"))
}

impl Written {
    /// Opens a damaged copy: every record that comes back is right, and every one whose block does not overlap
    /// `[from, to)` does come back. Answers the numbers of the others.
    fn check(&self, disk: &LyingDisk, from: u64, to: u64) -> (Vec<usize>, RecoveryReport) {
        let opened = open(disk).unwrap();
        let mut missing: Vec<usize> = (0..self.records.len()).collect();
        for (number, lsn, bytes) in &opened.records {
            let (_, _, at, expected) = &self.records[*number as usize];
            assert_eq!((lsn, bytes), (at, expected));
            missing.retain(|&other| other as u64 != *number);
        }
        for &number in &missing {
            let (start, end, _, _) = self.records[number];
            assert!(
                start.0 < to && from < end.0.next_multiple_of(8),
                "{from}: record {number} was not touched"
            );
        }
        let reader = opened.journal.reader();
        for (number, lsn, bytes) in &opened.records {
            assert_eq!(reader.read(*lsn, bytes.len() as u32).unwrap(), bytes[..], "record {number}");
        }
        for &number in &missing {
            let (_, _, at, bytes) = &self.records[number];
            reader.read(*at, bytes.len() as u32).unwrap_err();
        }
        (missing, opened.report)
    }

    fn end(&self) -> u64 {
        self.records.last().unwrap().1.0 + 200
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let written = write(&[0, 1, 100, 13, 600, 40, 7]);
    for byte in (0..64).chain(2040..2110).chain(4096..written.end()) {
        for bit in if byte < 4500 { 0..8 } else { byte as u8 % 8..byte as u8 % 8 + 1 } {
            let disk = written.disk.copy();
            disk.flip_bit(&segment(0), byte, bit).unwrap();
            let (missing, report) = written.check(&disk, byte, byte + 1);
            assert!(missing.is_empty() || !report.damage.is_empty(), "byte {byte} bit {bit}: {report:?}");
            if let Some(damage) = report.damage.first() {
                assert_eq!(damage.file, segment(0));
                assert!(
                    (damage.position..damage.position + damage.length).contains(&byte),
                    "{byte}: {damage}"
                );
            }
        }
    }
}

#[test]
fn every_lost_sector_is_noticed() {
    let sizes = [700, 3000, 20, 20, 20, 9000, 100, 40_000, 30_000, 500, 500, 20_000, 60];
    let written = write(&sizes);
    let ways: [fn(&LyingDisk, &Path, u64); 3] = [
        |disk, path, at| disk.overwrite(path, at, &[0; 512]).unwrap(),
        |disk, path, at| disk.overwrite(path, at, &[0xdb; 512]).unwrap(),
        |disk, path, at| disk.break_sector(path, at).unwrap(),
    ];
    for damage in ways {
        for file in 0..=1 {
            for sector in 0..world::SEGMENT / 512 {
                let disk = written.disk.copy();
                damage(&disk, &segment(file), sector * 512);
                let from = file * world::SEGMENT + sector * 512;
                let (missing, report) = written.check(&disk, from, from + 512);
                assert!(missing.is_empty() || !report.damage.is_empty(), "{file} {sector}: {missing:?}");
            }
        }
    }
}

#[test]
fn recovers_from_truncation_at_every_byte() {
    let written = write(&[0, 1, 100, 13, 600, 40, 7]);
    for len in (0..600).step_by(37).chain(4000..written.end()) {
        let disk = written.disk.copy();
        disk.truncate(&segment(0), len).unwrap();
        let mut opened = open(&disk).unwrap();
        let whole = written.records.iter().filter(|record| record.1.0.next_multiple_of(8) <= len).count();
        assert_eq!(opened.records.len(), whole, "cut at {len}");
        opened.journal.block().push(RecordKind::LOG, &[&payload(99, 10)]);
        opened.journal.close().unwrap();
        let numbers: Vec<u64> = open(&disk).unwrap().records.iter().map(|record| record.0).collect();
        let expected: Vec<u64> = (0..whole as u64).chain([99]).collect();
        assert_eq!(numbers, expected, "cut at {len}");
    }
}

#[test]
fn a_missing_segment_is_reported_and_the_next_is_served() {
    let written = write(&[25_000; 6]);
    for lost in 0..3 {
        let disk = written.disk.copy();
        segment_store::Disk::remove(&disk, &segment(lost)).unwrap();
        let from = lost * world::SEGMENT;
        let (missing, report) = written.check(&disk, from, from + world::SEGMENT);
        assert_eq!(missing, [2 * lost as usize, 2 * lost as usize + 1]);
        assert_eq!(report.damage.len(), 1, "{report:?}");
        assert_eq!(report.damage[0].file, segment(lost));
    }
}

#[test]
fn damage_is_reported_until_its_segment_is_given_up() {
    let written = write(&[100, 100, 100]);
    let at = written.records[1].2;
    written.disk.flip_bit(&segment(0), at.0 + 5, 3).unwrap();
    for _ in 0..3 {
        let (missing, report) = written.check(&written.disk, at.0 + 5, at.0 + 6);
        assert_eq!(missing, [1]);
        assert_eq!(report.damage.len(), 1);
        assert_eq!(report.damage[0].position, written.records[1].0.0);
        assert_eq!(report.damage[0].length, written.records[2].0.0 - written.records[1].0.0);
    }
}

#[test]
fn a_journal_without_any_header_is_put_aside() {
    let written = write(&[100, 100]);
    for number in 0..2 {
        let _ = written.disk.overwrite(&segment(number), 0, &[0xee; 4096]);
    }
    let opened = open(&written.disk).unwrap();
    assert_eq!(opened.records, []);
    assert_eq!(opened.report.damage.len(), 1, "{:?}", opened.report);
    assert!(written.disk.files().contains(&PathBuf::from("journal/000000000000.wal.damaged")));
    drop(opened);
    assert_eq!(open(&written.disk).unwrap().report.damage, []);
}

#[test]
fn blocks_of_another_journal_are_not_taken_for_ours() {
    let ours = write(&[100, 100, 100]);
    let theirs = write(&[100, 100, 100]);
    let other = theirs.disk.content(&segment(0)).unwrap();
    let (start, end) = (ours.records[1].0.0 as usize, ours.records[2].0.0 as usize);
    ours.disk.overwrite(&segment(0), start as u64, &other[start..end]).unwrap();
    let (missing, report) = ours.check(&ours.disk, start as u64, end as u64);
    assert_eq!(missing, [1]);
    assert_eq!(report.damage.len(), 1);
}

#[test]
fn a_block_cut_off_once_never_comes_back() {
    let disk = LyingDisk::new(9);
    let mut journal = open(&disk).unwrap().journal;
    let mut positions = Vec::new();
    for number in 0..3 {
        positions.push(journal.block().start());
        journal.block().push(RecordKind::LOG, &[&payload(number, 6000)]);
        journal.flush().unwrap();
    }
    drop(journal);
    // The first never reached the disk; those behind it did.
    disk.overwrite(&segment(0), positions[0].0, &[0; 512]).unwrap();
    let opened = open(&disk).unwrap();
    assert_eq!((opened.records.len(), &opened.report.damage[..]), (0, &[][..]));
    assert_eq!(opened.report.torn_tail.unwrap().blocks_behind, 2);
    // The new incarnation's blocks end exactly where the old third one begins.
    let mut journal = opened.journal;
    let gap = (positions[2].0 - journal.end().0) as usize;
    journal.block().push(RecordKind::LOG, &[&payload(7, gap - 40 - 5 - 8)]);
    assert_eq!(journal.flush().unwrap(), positions[2]);
    drop(journal);
    let numbers: Vec<u64> = open(&disk).unwrap().records.iter().map(|record| record.0).collect();
    assert_eq!(numbers, [7]);
}

#[test]
fn another_segment_size_is_refused() {
    let written = write(&[100]);
    let config = segment_store::JournalConfig { segment_bytes: 2 * world::SEGMENT, ..world::config() };
    match world::open_with(&written.disk, config) {
        Err(StoreError::Config(message)) => assert!(message.contains("65536"), "{message}"),
        other => panic!("{:?}", other.map(|opened| opened.report)),
    }
}
