use log_engine::batch::Codec;
use log_engine::{LogError, Offset, TopicConfig};
use message::Timestamp;
use segment_store::LyingDisk;

use crate::shell::{START, Shell, batch, entries, read_all};

fn log_files(disk: &LyingDisk) -> usize {
    disk.files().iter().filter(|path| path.extension().is_some_and(|e| e == "log")).count()
}

fn filled(disk: &LyingDisk, config: &[(&str, &str)]) -> Shell {
    let mut shell = Shell::open(disk).unwrap();
    let topic = shell.create("t", 1, config);
    for run in entries(0, 100, 100).chunks(5) {
        shell.append(topic.partition(0).unwrap(), batch(run, Codec::None)).unwrap();
    }
    shell.settle().unwrap();
    shell
}

#[test]
fn bytes_beyond_the_limit_go_by_whole_segments() {
    let disk = LyingDisk::new(1);
    let mut shell = filled(&disk, &[("segment.bytes", "2500"), ("retention.bytes", "6000")]);
    let view = shell.partition("t", 0);
    let (size, files) = (view.size_bytes(), log_files(&disk));
    shell.tick().unwrap();
    let left = view.size_bytes();
    assert!((6000..8500).contains(&left) && left < size, "{left}");
    let start = view.log_start();
    assert!(start > Offset(0));
    assert!(
        matches!(view.read(Offset(0), 1), Err(LogError::OffsetOutOfRange { start: s, .. }) if s == start)
    );
    assert_eq!(read_all(&view, start, 1 << 20).0.len() as i64, 100 - start.0);
    // Files go once the record of it is durable.
    shell.settle().unwrap();
    assert!(log_files(&disk) < files);
    drop(shell);
    let shell = Shell::open(&disk.crash()).unwrap();
    assert_eq!(shell.partition("t", 0).log_start(), start);
}

#[test]
fn time_removes_everything_old_and_the_log_goes_on() {
    let disk = LyingDisk::new(2);
    let mut shell = filled(&disk, &[("segment.bytes", "2500"), ("retention.ms", "10000")]);
    let view = shell.partition("t", 0);
    shell.now = Timestamp(START.0 + 9_000);
    shell.tick().unwrap();
    assert_eq!(view.log_start(), Offset(0));
    shell.now = Timestamp(START.0 + 11_000);
    shell.tick().unwrap();
    assert_eq!((view.log_start(), view.size_bytes()), (Offset(100), 0));
    shell.settle().unwrap();
    assert_eq!(log_files(&disk), 0);
    let appended = shell.append(&view, batch(&entries(20_000, 3, 10), Codec::None)).unwrap();
    assert_eq!(appended.base_offset, Offset(100));
    shell.settle().unwrap();
    drop(shell);
    let shell = Shell::open(&disk.crash()).unwrap();
    let view = shell.partition("t", 0);
    assert_eq!(read_all(&view, view.log_start(), 1 << 20).0.len(), 3);
}

#[test]
fn what_has_not_settled_goes_by_time_too() {
    let disk = LyingDisk::new(3);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &[("retention.ms", "1000")]);
    let view = topic.partition(0).unwrap();
    shell.append(view, batch(&entries(0, 5, 10), Codec::None)).unwrap();
    shell.commit().unwrap();
    shell.now = Timestamp(START.0 + 5000);
    shell.tick().unwrap();
    assert_eq!(view.log_start(), Offset(5));
    assert_eq!(shell.engine.unsettled_bytes(), 0);
    drop(shell);
    let shell = Shell::open(&disk.crash()).unwrap();
    let view = shell.partition("t", 0);
    assert_eq!((view.log_start(), view.high_watermark()), (Offset(5), Offset(5)));
}

/// Batches of five records of 100 bytes, one every ten milliseconds a record, that stay in memory.
fn unsettled(disk: &LyingDisk, config: &[(&str, &str)]) -> Shell {
    let mut shell = Shell::open(disk).unwrap();
    let topic = shell.create("t", 1, config);
    for run in entries(0, 100, 100).chunks(5) {
        shell.append(topic.partition(0).unwrap(), batch(run, Codec::None)).unwrap();
    }
    shell.commit().unwrap();
    shell
}

#[test]
fn bytes_beyond_the_limit_go_before_they_settle() {
    let disk = LyingDisk::new(6);
    let mut shell = unsettled(&disk, &[("segment.bytes", "2500"), ("retention.bytes", "6000")]);
    let view = shell.partition("t", 0);
    assert_eq!(log_files(&disk), 0);
    shell.tick().unwrap();
    let left = view.size_bytes();
    assert!((6000..8500).contains(&left), "{left}");
    let start = view.log_start();
    assert_eq!(start.0 % 5, 0, "whole batches go");
    assert_eq!(read_all(&view, start, 1 << 20).0.len() as i64, 100 - start.0);
    drop(shell);
    let mut shell = Shell::open(&disk.crash()).unwrap();
    let view = shell.partition("t", 0);
    assert_eq!(view.log_start(), start);
    // The segment that is being filled stays, however little the log may keep.
    let config = TopicConfig::parse([("segment.bytes", "2500"), ("retention.bytes", "0")]).unwrap();
    let name = view.topic().clone();
    shell.run(|engine, block, now| engine.alter_config(block, &name, config, now)).unwrap();
    shell.tick().unwrap();
    assert!((1..2500).contains(&view.size_bytes()), "{}", view.size_bytes());
}

#[test]
fn of_what_has_not_settled_the_old_goes_and_the_new_stays() {
    let disk = LyingDisk::new(7);
    let mut shell = unsettled(&disk, &[("segment.bytes", "2500"), ("retention.ms", "1000")]);
    let view = shell.partition("t", 0);
    shell.append(&view, batch(&entries(1_900, 20, 100), Codec::None)).unwrap();
    shell.commit().unwrap();
    shell.now = Timestamp(START.0 + 2_500);
    shell.tick().unwrap();
    let start = view.log_start().0;
    assert!((80..=100).contains(&start), "{start}");
    assert_eq!(read_all(&view, view.log_start(), 1 << 20).0.len() as i64, 120 - start);
}

#[test]
fn a_reader_keeps_its_files_and_a_changed_limit_works_at_once() {
    let disk = LyingDisk::new(4);
    let mut shell = filled(&disk, &[("segment.bytes", "2500")]);
    let view = shell.partition("t", 0);
    shell.tick().unwrap();
    assert_eq!(view.log_start(), Offset(0));
    let config = TopicConfig::parse([("segment.bytes", "2500"), ("retention.bytes", "0")]).unwrap();
    let name = view.topic().clone();
    shell.run(|engine, block, now| engine.alter_config(block, &name, config, now)).unwrap();
    shell.now = Timestamp(START.0 + 2000);
    shell.tick().unwrap();
    assert_eq!(view.log_start(), Offset(100));
}

#[test]
fn deleting_records_is_exact_and_checked() {
    let disk = LyingDisk::new(5);
    let mut shell = filled(&disk, &[("segment.bytes", "2500")]);
    let view = shell.partition("t", 0);
    let id = view.id();
    for bad in [-2, 101] {
        let refused = shell.run(|engine, block, _| engine.delete_records(block, id, Offset(bad)));
        assert!(matches!(refused, Err(LogError::OffsetOutOfRange { .. })), "{bad}");
    }
    shell.run(|engine, block, _| engine.delete_records(block, id, Offset(43))).unwrap();
    assert_eq!(read_all(&view, Offset(43), 1 << 20).0.len(), 57);
    assert!(view.read(Offset(42), 1).is_err());
    shell.run(|engine, block, _| engine.delete_records(block, id, Offset(-1))).unwrap();
    assert_eq!(view.log_start(), Offset(100));
}

#[test]
fn files_and_journal_stay_until_giving_them_up_is_durable() {
    let disk = LyingDisk::new(6);
    let mut shell = filled(&disk, &[("segment.bytes", "2500")]);
    let view = shell.partition("t", 0);
    let files = log_files(&disk);
    let durable = shell.journal.durable();
    shell.run(|engine, block, _| engine.delete_records(block, view.id(), Offset(60))).unwrap();
    let job = shell.engine.take_settle_job(durable, shell.now);
    assert!(job.is_none(), "the record of the deletion is not written yet");
    assert_eq!(log_files(&disk), files);
    shell.settle().unwrap();
    shell.tick().unwrap();
    shell.settle().unwrap();
    assert!(log_files(&disk) < files);
}
