use std::collections::BTreeMap;

use log_engine::batch::{BatchBuilder, BatchHeader, Codec};
use log_engine::{LogEngineConfig, Offset, TopicConfig};
use message::{Timestamp, TopicName};
use proptest::prelude::*;
use segment_store::{Crash, LyingDisk};

use crate::shell::{Keyed, Shell, keyed, read_keyed, seeded};

/// Segments end soon, and everything that is complete is compacted at every look.
const EAGER: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0"),
    ("segment.bytes", "2000"),
    ("segment.ms", "500"),
    ("index.interval.bytes", "300"),
];

fn record(key: usize, number: usize) -> Keyed {
    (format!("key-{key}"), Some(format!("{number:>40}")))
}

fn append(shell: &mut Shell, records: &[Keyed], codec: Codec) {
    let view = shell.partition("t", 0);
    let batch = keyed(records, codec, shell.now);
    shell.append(&view, batch).unwrap();
    shell.commit().unwrap();
}

/// Lets the segment that grows reach its age, and compacts.
fn settle_and_clean(shell: &mut Shell) -> usize {
    shell.now = Timestamp(shell.now.0 + 1000);
    shell.settle().unwrap();
    shell.clean().unwrap()
}

fn last_of_each(log: &[(i64, Keyed)]) -> Vec<(i64, Keyed)> {
    let mut last = BTreeMap::new();
    for (offset, (key, _)) in log {
        last.insert(key.clone(), *offset);
    }
    log.iter().filter(|(offset, (key, _))| last[key] == *offset).cloned().collect()
}

#[test]
fn the_last_record_of_each_key_stays_at_its_offset() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let disk = LyingDisk::new(1);
        let mut shell = Shell::open(&disk).unwrap();
        shell.create("t", 1, &EAGER);
        for number in 0..40 {
            let records: Vec<_> = (0..5).map(|n| record((number * 5 + n) % 7, number * 5 + n)).collect();
            append(&mut shell, &records, codec);
        }
        let view = shell.partition("t", 0);
        let before = read_keyed(&view, 1 << 20);
        let size = view.size_bytes();
        assert!(settle_and_clean(&mut shell) > 0);
        let expected = last_of_each(&before);
        assert_eq!(expected.len(), 7);
        for max_bytes in [1, 500, 1 << 20] {
            assert_eq!(read_keyed(&view, max_bytes), expected, "{codec:?}");
        }
        assert!(view.size_bytes() < size / 2, "{codec:?}: {} of {size} bytes", view.size_bytes());
        assert_eq!((view.log_start(), view.high_watermark()), (Offset(0), Offset(200)));
        // The old files go once nobody needs them, and a restart finds the new ones.
        shell.tick().unwrap();
        shell.settle().unwrap();
        let logs = disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
        assert!(logs.count() < 4);
        shell.checkpoint().unwrap();
        let now = shell.now;
        drop((view, shell));
        let mut shell = Shell::open(&disk.crash_with(Crash::LoseAll)).unwrap();
        shell.now = now;
        assert_eq!(shell.damage, []);
        assert_eq!(read_keyed(&shell.partition("t", 0), 1 << 20), expected);
        assert_eq!(settle_and_clean(&mut shell), 0, "what is clean is left alone");
    }
}

#[test]
fn readers_keep_the_segments_that_they_read() {
    let disk = LyingDisk::new(2);
    let mut shell = Shell::open(&disk).unwrap();
    shell.create("t", 1, &EAGER);
    for number in 0..40 {
        append(&mut shell, &[record(number % 3, number)], Codec::None);
    }
    let view = shell.partition("t", 0);
    shell.now = Timestamp(shell.now.0 + 1000);
    shell.settle().unwrap();
    shell.now = Timestamp(shell.now.0 + 1000);
    shell.tick().unwrap();
    let job = shell.engine.take_clean_job(shell.now).expect("there is dirt");
    // What is appended and removed while the job is at work is in nobody's way.
    append(&mut shell, &[record(9, 100)], Codec::None);
    shell.run(|engine, block, _| engine.delete_records(block, view.id(), Offset(20))).unwrap();
    shell.commit().unwrap();
    shell.settle().unwrap();
    shell.finish_clean(job.run()).unwrap();
    let found = read_keyed(&view, 1 << 20);
    assert_eq!(found.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [37, 38, 39, 40]);
}

#[test]
fn everything_deleted_while_a_job_was_at_work_stays_deleted() {
    let disk = LyingDisk::new(3);
    let mut shell = Shell::open(&disk).unwrap();
    shell.create("t", 1, &EAGER);
    for number in 0..40 {
        append(&mut shell, &[record(number % 3, number)], Codec::None);
    }
    let view = shell.partition("t", 0);
    shell.now = Timestamp(shell.now.0 + 1000);
    shell.settle().unwrap();
    shell.now = Timestamp(shell.now.0 + 1000);
    shell.tick().unwrap();
    let job = shell.engine.take_clean_job(shell.now).expect("there is dirt");
    shell.run(|engine, block, _| engine.delete_records(block, view.id(), Offset(-1))).unwrap();
    shell.commit().unwrap();
    shell.finish_clean(job.run()).unwrap();
    assert_eq!((view.log_start(), view.size_bytes()), (Offset(40), 0));
    append(&mut shell, &[record(1, 1)], Codec::None);
    shell.settle().unwrap();
    assert_eq!(read_keyed(&view, 1 << 20).len(), 1);
    shell.now = Timestamp(shell.now.0 + 2000);
    shell.tick().unwrap();
    shell.settle().unwrap();
    let logs = disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
    assert_eq!(logs.count(), 1, "{:?}", disk.files());
}

#[test]
fn little_memory_takes_more_passes() {
    let disk = LyingDisk::new(4);
    let config = LogEngineConfig { cleaner_bytes: 24 * 40, ..LogEngineConfig::default() };
    let mut shell = Shell::open_with(&disk, config).unwrap();
    shell.create("t", 1, &EAGER);
    for round in 0..4 {
        for key in 0..100 {
            append(&mut shell, &[record(key, round * 100 + key)], Codec::None);
        }
    }
    let view = shell.partition("t", 0);
    let expected = last_of_each(&read_keyed(&view, 1 << 20));
    // 30 keys a pass.
    assert!(settle_and_clean(&mut shell) >= 10);
    assert_eq!(read_keyed(&view, 1 << 20), expected);
}

#[test]
fn tombstones_stay_for_their_time_and_then_go_with_what_they_deleted() {
    let disk = LyingDisk::new(5);
    let mut shell = Shell::open(&disk).unwrap();
    let mut config = EAGER.to_vec();
    config.push(("delete.retention.ms", "60000"));
    shell.create("t", 1, &config);
    append(&mut shell, &[record(1, 1), record(2, 2)], Codec::Zstd);
    append(&mut shell, &[("key-1".to_owned(), None), record(3, 3)], Codec::Zstd);
    settle_and_clean(&mut shell);
    let view = shell.partition("t", 0);
    let keys = |shell: &Shell| {
        let found = read_keyed(&shell.partition("t", 0), 1 << 20);
        found.into_iter().map(|(offset, (_, value))| (offset, value.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(keys(&shell), [(1, true), (2, false), (3, true)]);
    let batch = view.read(Offset(2), 1).unwrap().batches.remove(0);
    let header = BatchHeader::parse(&batch).unwrap();
    let horizon = header.delete_horizon().expect("a tombstone that stays has a horizon");
    assert!(horizon.0 > shell.now.0 + 50_000 && horizon.0 < shell.now.0 + 60_000);
    assert_eq!(settle_and_clean(&mut shell), 0, "nothing is new and the horizon is far");
    // Also after a restart the horizon alone is reason enough.
    let now = shell.now;
    shell.checkpoint().unwrap();
    drop((view, shell));
    let mut shell = Shell::open(&disk.crash_with(Crash::LoseAll)).unwrap();
    shell.now = now;
    assert_eq!(keys(&shell), [(1, true), (2, false), (3, true)]);
    shell.now = Timestamp(horizon.0 + 1);
    assert_eq!(settle_and_clean(&mut shell), 1);
    assert_eq!(keys(&shell), [(1, true), (3, true)]);
}

#[test]
fn young_records_and_a_log_that_is_clean_enough_are_left_alone() {
    let disk = LyingDisk::new(6);
    let mut shell = Shell::open(&disk).unwrap();
    let mut config = EAGER.to_vec();
    config.extend([("min.compaction.lag.ms", "100000"), ("min.cleanable.dirty.ratio", "0.5")]);
    shell.create("t", 1, &config);
    for number in 0..40 {
        append(&mut shell, &[record(number % 2, number)], Codec::None);
    }
    assert_eq!(settle_and_clean(&mut shell), 0, "all are too young");
    shell.now = Timestamp(shell.now.0 + 100_000);
    assert_eq!(settle_and_clean(&mut shell), 1);
    append(&mut shell, &[record(0, 41)], Codec::None);
    shell.now = Timestamp(shell.now.0 + 100_000);
    shell.settle().unwrap();
    let share = settle_and_clean(&mut shell);
    assert_eq!(share, 0, "a third is dirty, half would be enough");
}

#[test]
fn a_record_that_has_waited_too_long_is_compacted_whatever_the_share() {
    let disk = LyingDisk::new(8);
    let mut shell = Shell::open(&disk).unwrap();
    let mut config = EAGER.to_vec();
    config.extend([("max.compaction.lag.ms", "100000"), ("min.cleanable.dirty.ratio", "1")]);
    shell.create("t", 1, &config);
    for number in 0..40 {
        append(&mut shell, &[record(number % 2, number)], Codec::None);
    }
    assert_eq!(settle_and_clean(&mut shell), 0, "no share is more than all of it");
    shell.now = Timestamp(shell.now.0 + 90_000);
    assert_eq!(settle_and_clean(&mut shell), 0, "not yet");
    shell.now = Timestamp(shell.now.0 + 10_000);
    assert_eq!(settle_and_clean(&mut shell), 1);
    assert_eq!(read_keyed(&shell.partition("t", 0), 1 << 20).len(), 2);
}

#[test]
fn retention_goes_on_beside_compaction() {
    let disk = LyingDisk::new(7);
    let mut shell = Shell::open(&disk).unwrap();
    let mut config = EAGER.to_vec();
    config.retain(|(key, _)| *key != "cleanup.policy");
    config.extend([("cleanup.policy", "compact,delete"), ("retention.ms", "50000")]);
    shell.create("t", 1, &config);
    for number in 0..40 {
        append(&mut shell, &[record(number % 2, number)], Codec::None);
    }
    settle_and_clean(&mut shell);
    let view = shell.partition("t", 0);
    assert_eq!(read_keyed(&view, 1 << 20).len(), 2);
    shell.now = Timestamp(shell.now.0 + 60_000);
    shell.tick().unwrap();
    assert_eq!(view.log_start(), Offset(40), "retention removes compacted segments, too");
}

#[derive(Clone, Debug)]
enum Step {
    Append { keys: Vec<u8>, tombstones: u8, codec: Codec },
    Settle,
    Clean,
    Checkpoint,
    DeleteRecords { share: u8 },
    Restart,
    Pass { ms: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let codec = prop_oneof![3 => Just(Codec::None), 1 => Just(Codec::Lz4), 1 => Just(Codec::Zstd)];
    prop_oneof![
        8 => (proptest::collection::vec(0u8..12, 1..12), any::<u8>(), codec)
            .prop_map(|(keys, tombstones, codec)| Step::Append { keys, tombstones, codec }),
        3 => Just(Step::Settle),
        4 => Just(Step::Clean),
        1 => Just(Step::Checkpoint),
        1 => any::<u8>().prop_map(|share| Step::DeleteRecords { share }),
        2 => Just(Step::Restart),
        1 => (0i64..30_000).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// What is found must be what was appended, in order; and of every key that is not deleted, the last record.
fn check(found: &[(i64, Keyed)], log: &[Keyed], start: i64) {
    assert!(found.is_sorted_by(|a, b| a.0 < b.0));
    for (offset, record) in found {
        assert!(*offset >= start);
        assert_eq!(log.get(*offset as usize), Some(record), "at {offset}");
    }
    let all: Vec<_> = (0..).zip(log.iter().cloned()).collect();
    for last in last_of_each(&all).into_iter().filter(|(offset, _)| *offset >= start) {
        let (offset, (key, value)) = &last;
        if found.contains(&last) {
            continue;
        }
        // A tombstone may go when its time has come, but never before what it deleted.
        assert!(value.is_none(), "the last record of {key}, at {offset}, is missing");
        let back = found.iter().find(|(_, (other, _))| other == key);
        assert_eq!(back, None, "{key} was deleted at {offset}, and is back");
    }
}

proptest! {
    #![proptest_config(seeded(24))]

    /// A compacted log is a vector that forgets what was replaced, whatever happens underneath.
    #[test]
    fn a_compacted_log_keeps_the_last_of_each_key(
        steps in proptest::collection::vec(step(), 1..60),
        seed: u64,
        memory in prop_oneof![Just(24 * 8), Just(1 << 20)],
    ) {
        let mut disk = LyingDisk::new(seed);
        let config = LogEngineConfig { cleaner_bytes: memory, ..LogEngineConfig::default() };
        let mut shell = Shell::open_with(&disk, config.clone()).unwrap();
        let mut settings = EAGER.to_vec();
        settings.push(("delete.retention.ms", "20000"));
        shell.create("t", 1, &settings);
        let (mut log, mut start): (Vec<Keyed>, i64) = (Vec::new(), 0);
        for step in steps {
            let view = shell.partition("t", 0);
            match step {
                Step::Append { keys, tombstones, codec } => {
                    let records: Vec<Keyed> = keys
                        .iter()
                        .enumerate()
                        .map(|(at, key)| {
                            let value = format!("{:>30}", log.len() + at);
                            let lives = tombstones >> (at % 8) & 3 != 3;
                            (format!("key-{key}"), lives.then_some(value))
                        })
                        .collect();
                    append(&mut shell, &records, codec);
                    log.extend(records);
                }
                Step::Settle => {
                    shell.now = Timestamp(shell.now.0 + 1000);
                    prop_assert!(shell.settle().unwrap().failed.is_empty());
                }
                Step::Clean => {
                    shell.clean().unwrap();
                }
                Step::Checkpoint => shell.checkpoint().unwrap(),
                Step::DeleteRecords { share } => {
                    start += (log.len() as i64 - start) * i64::from(share) / 255;
                    shell.run(|engine, block, _| engine.delete_records(block, view.id(), Offset(start))).unwrap();
                    shell.commit().unwrap();
                }
                Step::Pass { ms } => shell.now = Timestamp(shell.now.0 + ms),
                Step::Restart => {
                    shell.commit().unwrap();
                    let now = shell.now;
                    drop((view, shell));
                    disk = disk.crash_with(Crash::Any);
                    shell = Shell::open_with(&disk, config.clone()).unwrap();
                    shell.now = now;
                    prop_assert_eq!(&shell.damage, &[]);
                }
            }
            check(&read_keyed(&shell.partition("t", 0), 1 << 20), &log, start);
        }
        let view = shell.partition("t", 0);
        prop_assert_eq!(view.high_watermark(), Offset(log.len() as i64));
        prop_assert_eq!(view.log_start(), Offset(start));
        prop_assert_eq!(read_keyed(&view, 1), read_keyed(&view, 1 << 20));
        // In the end, when all is compacted, nothing is left that was replaced.
        append(&mut shell, &[record(99, 0)], Codec::None);
        for _ in 0..3 {
            settle_and_clean(&mut shell);
        }
        let found = read_keyed(&view, 1 << 20);
        let live = last_of_each(&found);
        prop_assert_eq!(&found, &live, "every key is there once");
    }
}

#[test]
fn records_without_a_key_from_before_the_log_was_compacted_go() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    shell.create("t", 1, &[("segment.bytes", "2000"), ("segment.ms", "500")]);
    let view = shell.partition("t", 0);
    for number in 0..60 {
        let mut builder = BatchBuilder::new(shell.now);
        builder.push(None, Some(&[b'v'; 60]), &[], None);
        // Some batches have nothing else, and go whole.
        if number % 3 != 0 {
            builder.push(Some(format!("key-{}", number % 4).as_bytes()), Some(&[b'k'; 60]), &[], None);
        }
        shell.append(&view, builder.build()).unwrap();
    }
    shell.commit().unwrap();
    let name = TopicName::new("t").unwrap();
    let compacted = TopicConfig::parse(EAGER).unwrap();
    shell.run(|engine, block, now| engine.alter_config(block, &name, compacted, now)).unwrap();
    let end = view.high_watermark();
    assert!(settle_and_clean(&mut shell) > 0);
    let found = read_keyed(&view, 1 << 20);
    assert_eq!(found.len(), 4, "one for each key, and none without");
    assert_eq!((view.log_start(), view.high_watermark()), (Offset(0), end), "offsets stay");
    drop(shell);
    let shell = Shell::open(&disk.crash_with(Crash::LoseAll)).unwrap();
    assert_eq!(read_keyed(&shell.partition("t", 0), 1 << 20), found);
}
