use std::path::PathBuf;

use log_engine::batch::Codec;
use log_engine::{LogError, Offset};
use segment_store::LyingDisk;

use crate::shell::{Entry, Shell, batch, entries, read_all};

const PER_BATCH: usize = 4;

/// A settled log of several segments, and the log file of the first.
fn settled() -> (LyingDisk, Vec<Entry>, PathBuf) {
    settled_of(entries(0, 80, 60), &[("segment.bytes", "4000"), ("index.interval.bytes", "1000")])
}

fn settled_of(log: Vec<Entry>, config: &[(&str, &str)]) -> (LyingDisk, Vec<Entry>, PathBuf) {
    let disk = LyingDisk::new(3);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, config);
    for run in log.chunks(PER_BATCH) {
        shell.append(topic.partition(0).unwrap(), batch(run, Codec::None)).unwrap();
    }
    assert!(shell.settle().unwrap().failed.is_empty());
    shell.checkpoint().unwrap();
    drop(shell);
    let file = disk.files().into_iter().find(|path| path.ends_with("00000000000000000000.log")).unwrap();
    (disk, log, file)
}

/// Reads the damaged log from every offset, and answers what is lost.
fn lost(disk: &LyingDisk, log: &[Entry], what: &str) -> Vec<(i64, i64)> {
    let shell = Shell::open(disk).unwrap();
    let view = shell.partition("t", 0);
    let (found, lost) = read_all(&view, Offset(0), 1 << 20);
    let is_lost = |offset: usize| lost.iter().any(|(first, next)| (*first..*next).contains(&(offset as i64)));
    let expected: Vec<_> = (0..log.len()).filter(|offset| !is_lost(*offset)).collect();
    assert_eq!(found.iter().map(|(offset, _)| offset.0 as usize).collect::<Vec<_>>(), expected, "{what}");
    for (offset, entry) in &found {
        assert_eq!(*entry, log[offset.0 as usize], "{what}");
    }
    // However small the steps and wherever it begins, the same is lost.
    let (again, lost_again) = read_all(&view, Offset(0), 1);
    assert_eq!((again.len(), &lost_again), (found.len(), &lost), "{what}");
    for (first, next) in &lost {
        for offset in *first..*next {
            match view.read(Offset(offset), 1 << 20) {
                Err(LogError::Damaged { first: from, next: to, .. }) => {
                    assert_eq!((from.0, to.0), (*first, *next), "{what}");
                }
                other => panic!("{what}: {other:?}"),
            }
        }
    }
    lost
}

#[test]
fn a_flipped_bit_costs_its_batch_and_nothing_else() {
    let (disk, log, file) = settled();
    let len = disk.content(&file).unwrap().len() as u64;
    let batch_len = len / (len / (len / 10));
    assert!(batch_len > 100);
    for byte in (0..len).step_by(7).chain(300..380) {
        let copy = disk.copy();
        copy.flip_bit(&file, byte, (byte % 8) as u8).unwrap();
        let what = format!("bit {} of byte {byte}", byte % 8);
        match lost(&copy, &log, &what).as_slice() {
            // The leader epoch matters to nobody here, and the checksum does not cover it.
            [] => {}
            [(first, next)] => assert_eq!(next - first, PER_BATCH as i64, "{what}"),
            more => panic!("{what}: lost {more:?}"),
        }
    }
}

/// Reads step over a large batch by the index alone; one that is damaged is still found out.
#[test]
fn damage_beside_large_batches_costs_no_other() {
    let sizes = [5_000, 60, 60, 60, 8_000];
    let log: Vec<_> = (0..60).flat_map(|at| entries(at, 1, sizes[at / PER_BATCH % sizes.len()])).collect();
    let config = [("segment.bytes", "400000"), ("index.interval.bytes", "4096")];
    let (disk, log, file) = settled_of(log, &config);
    assert_eq!(lost(&disk, &log, "sound"), []);
    let len = disk.content(&file).unwrap().len() as u64;
    for byte in (0..len).step_by(9_973) {
        let copy = disk.copy();
        copy.flip_bit(&file, byte, (byte % 8) as u8).unwrap();
        let what = format!("byte {byte}");
        let [(first, next)] = lost(&copy, &log, &what)[..] else { panic!("{what}: one batch is lost") };
        assert_eq!(next - first, PER_BATCH as i64, "{what}");
    }
}

#[test]
fn a_cut_file_costs_what_was_cut_off() {
    let (disk, log, file) = settled();
    let len = disk.content(&file).unwrap().len() as u64;
    for cut in (0..len).step_by(97) {
        let copy = disk.copy();
        copy.truncate(&file, cut).unwrap();
        let lost = lost(&copy, &log, &format!("cut at {cut}"));
        assert_eq!(lost.len(), 1, "cut at {cut}: {lost:?}");
        assert_eq!(lost[0].0 % PER_BATCH as i64, 0);
    }
}

#[test]
fn a_missing_file_costs_its_segment() {
    let (disk, log, file) = settled();
    segment_store::Disk::remove(&disk, &file).unwrap();
    let lost = lost(&disk, &log, "no file");
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].0, 0);
}

#[test]
fn a_whole_damaged_stretch_is_one_loss() {
    let (disk, log, file) = settled();
    disk.overwrite(&file, 500, &[0xa5; 900]).unwrap();
    let lost = lost(&disk, &log, "900 bytes");
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(lost[0].1 - lost[0].0 >= 2 * PER_BATCH as i64);
}
