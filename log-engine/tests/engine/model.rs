use log_engine::batch::Codec;
use log_engine::{LogError, Offset};
use message::Timestamp;
use proptest::prelude::*;
use segment_store::{Crash, LyingDisk};

use crate::shell::{Entry, Shell, batch, read_all, seeded};

#[derive(Clone, Debug)]
enum Step {
    Append { records: usize, size: usize, codec: Codec },
    Commit,
    Settle,
    Checkpoint,
    DeleteRecords { share: u8 },
    Pass { ms: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let codec = prop_oneof![3 => Just(Codec::None), 1 => Just(Codec::Lz4), 1 => Just(Codec::Zstd)];
    prop_oneof![
        8 => (1usize..20, 1usize..400, codec)
            .prop_map(|(records, size, codec)| Step::Append { records, size, codec }),
        3 => Just(Step::Commit),
        3 => Just(Step::Settle),
        1 => Just(Step::Checkpoint),
        1 => any::<u8>().prop_map(|share| Step::DeleteRecords { share }),
        1 => (0i64..4000).prop_map(|ms| Step::Pass { ms }),
        2 => Just(Step::Restart),
    ]
}

/// Everything ever appended, by offset, and where the log starts.
#[derive(Default)]
struct Model {
    log: Vec<Entry>,
    start: usize,
}

fn check(shell: &Shell, model: &Model) {
    let view = shell.partition("t", 0);
    assert_eq!(view.high_watermark(), Offset(model.log.len() as i64));
    assert_eq!(view.log_start(), Offset(model.start as i64));
    for max_bytes in [1, 700, 1 << 20] {
        let (found, lost) = read_all(&view, view.log_start(), max_bytes);
        assert_eq!(lost, []);
        let found: Vec<_> = found.into_iter().map(|(offset, entry)| (offset.0 as usize, entry)).collect();
        let expected: Vec<_> = model.log.iter().cloned().enumerate().skip(model.start).collect();
        assert_eq!(found, expected);
    }
    for offset in model.start..model.log.len() {
        let read = view.read(Offset(offset as i64), 1).unwrap();
        assert_eq!(read.batches.len(), 1, "at {offset}");
    }
    for outside in [model.start as i64 - 1, model.log.len() as i64 + 1] {
        assert!(matches!(view.read(Offset(outside), 1), Err(LogError::OffsetOutOfRange { .. })));
    }
}

proptest! {
    #![proptest_config(seeded(24))]

    /// A log is a vector that forgets its front, whatever happens underneath.
    #[test]
    fn a_log_is_a_vector(steps in proptest::collection::vec(step(), 1..50), seed: u64) {
        let mut disk = LyingDisk::new(seed);
        let mut shell = Shell::open(&disk).unwrap();
        shell.create("t", 1, &[
            ("segment.bytes", "3000"), ("index.interval.bytes", "600"), ("retention.ms", "5000"),
        ]);
        let mut model = Model::default();
        for step in steps {
            let view = shell.partition("t", 0);
            match step {
                Step::Append { records, size, codec } => {
                    let first = model.log.len();
                    let entries: Vec<_> = (first..first + records)
                        .map(|number| Entry {
                            timestamp: shell.now.0,
                            value: format!("{number:>size$}").into_bytes(),
                        })
                        .collect();
                    let appended = shell.append(&view, batch(&entries, codec)).unwrap();
                    prop_assert_eq!(appended.base_offset, Offset(first as i64));
                    model.log.extend(entries);
                }
                Step::Commit => shell.commit().unwrap(),
                Step::Settle => {
                    let outcome = shell.settle().unwrap();
                    prop_assert!(outcome.failed.is_empty());
                }
                Step::Checkpoint => shell.checkpoint().unwrap(),
                Step::DeleteRecords { share } => {
                    shell.commit().unwrap();
                    let target = model.start + (model.log.len() - model.start) * usize::from(share) / 255;
                    let target = Offset(target as i64);
                    shell.run(|engine, block, _| engine.delete_records(block, view.id(), target)).unwrap();
                    model.start = target.0 as usize;
                }
                Step::Pass { ms } => {
                    shell.commit().unwrap();
                    shell.now = Timestamp(shell.now.0 + ms);
                    shell.tick().unwrap();
                    // Retention removes whole segments: the front that is left is its business, what is young is not.
                    let start = view.log_start().0 as usize;
                    prop_assert!(start >= model.start);
                    prop_assert!(model.log[model.start..start].iter().all(|e| e.timestamp < shell.now.0 - 5000));
                    model.start = start;
                }
                Step::Restart => {
                    shell.commit().unwrap();
                    let now = shell.now;
                    drop(shell);
                    disk = disk.crash_with(Crash::Any);
                    shell = Shell::open(&disk).unwrap();
                    shell.now = now;
                    prop_assert_eq!(&shell.damage, &[]);
                }
            }
        }
        shell.commit().unwrap();
        check(&shell, &model);
    }
}
