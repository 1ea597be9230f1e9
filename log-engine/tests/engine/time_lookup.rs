use log_engine::batch::Codec;
use log_engine::{Offset, TimedOffset};
use proptest::prelude::*;
use segment_store::LyingDisk;

use crate::shell::{Entry, START, Shell, batch, seeded};

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::None),
        Just(Codec::Gzip),
        Just(Codec::Snappy),
        Just(Codec::Lz4),
        Just(Codec::Zstd)
    ]
}

proptest! {
    #![proptest_config(seeded(24))]

    /// The answer is the first record in offset order that is new enough, also when times run backwards.
    #[test]
    fn a_time_is_found_exactly(
        batches in proptest::collection::vec((proptest::collection::vec(0i64..200, 1..8), codec()), 1..40),
        settle_after in 0usize..40,
        start in 0usize..20,
    ) {
        let disk = LyingDisk::new(1);
        let mut shell = Shell::open(&disk).unwrap();
        let topic = shell.create("t", 1, &[("segment.bytes", "1500"), ("index.interval.bytes", "100")]);
        let view = topic.partition(0).unwrap();
        let mut times = Vec::new();
        for (number, (batch_times, codec)) in batches.iter().enumerate() {
            // Time goes on, with jitter that is larger than the step.
            let step = number as i64 * 20;
            let entry = |time: &i64| Entry { timestamp: START.0 + step + time, value: vec![7; 20] };
            let entries: Vec<_> = batch_times.iter().map(entry).collect();
            times.extend(entries.iter().map(|entry| entry.timestamp));
            shell.append(view, batch(&entries, *codec)).unwrap();
            if number == settle_after {
                shell.settle().unwrap();
            }
        }
        shell.commit().unwrap();
        let start = start.min(times.len() - 1);
        shell.run(|engine, block, _| engine.delete_records(block, view.id(), Offset(start as i64))).unwrap();
        let last = times.iter().copied().max().unwrap();
        for wanted in (START.0 - 1..=last + 1).step_by(13).chain([last, last + 1]) {
            let expected = times.iter().enumerate().skip(start).find(|(_, time)| **time >= wanted);
            let expected =
                expected.map(|(offset, time)| TimedOffset { offset: Offset(offset as i64), timestamp: *time });
            prop_assert_eq!(view.offset_for_time(wanted).unwrap(), expected, "for {}", wanted - START.0);
        }
    }
}

#[test]
fn the_brokers_time_counts_where_the_topic_says_so() {
    let disk = LyingDisk::new(2);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let view = topic.partition(0).unwrap();
    let entry = Entry { timestamp: 5, value: b"x".to_vec() };
    let appended = shell.append(view, batch(&[entry.clone(), entry], Codec::None)).unwrap();
    shell.commit().unwrap();
    assert_eq!(appended.timestamp, START);
    let found = view.offset_for_time(START.0).unwrap();
    assert_eq!(found, Some(TimedOffset { offset: Offset(0), timestamp: START.0 }));
    assert_eq!(view.offset_for_time(START.0 + 1).unwrap(), None);
}

#[test]
fn a_record_tells_its_time_inside_batches_and_segments() {
    let disk = LyingDisk::new(3);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &[("segment.bytes", "1500")]);
    let view = topic.partition(0).unwrap();
    let times: Vec<i64> = (0..60).map(|n| START.0 + (n * 37) % 50).collect();
    for (number, run) in times.chunks(5).enumerate() {
        let entries: Vec<_> = run.iter().map(|time| Entry { timestamp: *time, value: vec![1; 30] }).collect();
        let codec = if number % 2 == 0 { Codec::None } else { Codec::Zstd };
        shell.append(view, batch(&entries, codec)).unwrap();
        if number == 7 {
            shell.settle().unwrap();
        }
    }
    shell.commit().unwrap();
    for (offset, time) in times.iter().enumerate() {
        assert_eq!(view.timestamp_from(Offset(offset as i64)).unwrap(), Some(*time), "offset {offset}");
    }
    assert_eq!(view.timestamp_from(Offset(60)).unwrap(), None);
    shell.run(|engine, block, _| engine.delete_records(block, view.id(), Offset(31))).unwrap();
    assert_eq!(view.timestamp_from(Offset(0)).unwrap(), Some(times[31]), "the first that is left");
}
