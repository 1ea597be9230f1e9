use std::path::PathBuf;

use log_engine::batch::Codec;
use log_engine::{Offset, TimedOffset};
use segment_store::{Disk, LyingDisk};

use crate::shell::{Entry, START, Shell, batch, entries, read_all};

fn settled() -> (LyingDisk, Vec<Entry>) {
    settled_of(entries(0, 120, 60), &[("segment.bytes", "6000"), ("index.interval.bytes", "300")])
}

fn settled_of(log: Vec<Entry>, config: &[(&str, &str)]) -> (LyingDisk, Vec<Entry>) {
    let disk = LyingDisk::new(5);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, config);
    for run in log.chunks(3) {
        shell.append(topic.partition(0).unwrap(), batch(run, Codec::None)).unwrap();
    }
    assert!(shell.settle().unwrap().failed.is_empty());
    shell.checkpoint().unwrap();
    (disk, log)
}

fn check(disk: &LyingDisk, log: &[Entry], what: &str) {
    let mut shell = Shell::open(disk).unwrap();
    let view = shell.partition("t", 0);
    for offset in (0..log.len()).rev().step_by(5) {
        let (found, lost) = read_all(&view, Offset(offset as i64), 400);
        assert_eq!(lost, [], "{what}");
        assert_eq!(found.len(), log.len() - offset, "{what} from {offset}");
        let timestamp = START.0 + offset as i64;
        let expected = TimedOffset { offset: Offset(offset as i64), timestamp };
        assert_eq!(view.offset_for_time(timestamp).unwrap(), Some(expected), "{what}");
    }
    // The segment that is still growing takes more.
    let more = entries(log.len(), 9, 60);
    shell.append(&view, batch(&more, Codec::None)).unwrap();
    assert!(shell.settle().unwrap().failed.is_empty(), "{what}");
    let (found, lost) = read_all(&view, Offset(0), 400);
    assert_eq!((found.len(), lost), (log.len() + 9, vec![]), "{what}");
}

fn indexes(disk: &LyingDisk) -> Vec<PathBuf> {
    let is_index = |path: &PathBuf| path.extension().is_some_and(|e| e == "index" || e == "timeindex");
    disk.files().into_iter().filter(is_index).collect()
}

#[test]
fn indexes_that_are_missing_cut_or_garbage_are_made_anew() {
    let (disk, log) = settled();
    assert!(indexes(&disk).len() >= 4);
    damaged_in_every_way(&disk, &log);
}

/// Where batches are large, a read begins with the entry behind what it wants.
#[test]
fn damaged_indexes_of_large_batches_are_made_anew() {
    let sizes = [7_000, 60, 60, 12_000];
    let log: Vec<_> = (0..36).flat_map(|at| entries(at, 1, sizes[at / 3 % sizes.len()])).collect();
    let (disk, log) = settled_of(log, &[("segment.bytes", "200000"), ("index.interval.bytes", "4096")]);
    damaged_in_every_way(&disk, &log);
}

fn damaged_in_every_way(disk: &LyingDisk, log: &[Entry]) {
    check(&disk.copy(), log, "sound");
    for path in indexes(disk) {
        let len = disk.content(&path).unwrap().len();
        let what = |how: &str| format!("{} {how}", path.display());
        let copy = disk.copy();
        copy.remove(&path).unwrap();
        check(&copy, log, &what("missing"));
        for cut in [0, 1, len / 2, len - 1] {
            let copy = disk.copy();
            copy.truncate(&path, cut as u64).unwrap();
            check(&copy, log, &what("cut"));
        }
        for garbage in [vec![0; len], vec![0xff; len], (0..len).map(|i| (i * 37) as u8).collect()] {
            let copy = disk.copy();
            copy.overwrite(&path, 0, &garbage).unwrap();
            check(&copy, log, &what("garbage"));
        }
        for byte in 0..len {
            let copy = disk.copy();
            copy.flip_bit(&path, byte as u64, (byte * 3 % 8) as u8).unwrap();
            check(&copy, log, &what(&format!("with byte {byte} flipped")));
        }
    }
}

#[test]
fn a_rebuilt_index_of_a_sealed_segment_is_written_back() {
    let (disk, log) = settled();
    let path = indexes(&disk).into_iter().find(|path| path.ends_with("00000000000000000000.index")).unwrap();
    disk.remove(&path).unwrap();
    let shell = Shell::open(&disk).unwrap();
    let (found, _) = read_all(&shell.partition("t", 0), Offset(20), 400);
    assert_eq!(found.len(), log.len() - 20);
    assert!(disk.content(&path).is_ok_and(|content| !content.is_empty()));
}
