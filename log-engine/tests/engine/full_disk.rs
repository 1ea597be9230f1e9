use log_engine::batch::Codec;
use log_engine::{LogEngineConfig, LogError, Offset};
use message::Timestamp;
use segment_store::{Fault, LyingDisk};

use crate::shell::{Shell, batch, entries, read_all};

#[test]
fn settling_that_fails_anywhere_loses_nothing_and_is_tried_again() {
    let run = |fault: Option<(u64, Fault)>| {
        let disk = LyingDisk::new(11);
        let mut shell = Shell::open(&disk).unwrap();
        let topic = shell.create("t", 1, &[("segment.bytes", "2000"), ("index.interval.bytes", "300")]);
        let view = topic.partition(0).unwrap();
        for run in entries(0, 20, 100).chunks(4) {
            shell.append(view, batch(run, Codec::None)).unwrap();
        }
        assert!(shell.settle().unwrap().failed.is_empty());
        for run in entries(20, 40, 100).chunks(4) {
            shell.append(view, batch(run, Codec::None)).unwrap();
        }
        shell.commit().unwrap();
        shell.engine.settle_below(shell.journal.end());
        let job = shell.engine.take_settle_job(shell.journal.durable(), shell.now).unwrap();
        let before = disk.operations();
        if let Some((after, fault)) = fault {
            disk.fail_at(before + after, fault);
        }
        let result = job.run();
        let operations = disk.operations() - before;
        shell.journal.ensure(4096).unwrap();
        let outcome = shell.engine.settled(shell.journal.block(), result, shell.now);
        shell.commit().unwrap();
        let (found, lost) = read_all(view, Offset(0), 1 << 20);
        assert_eq!((found.len(), lost), (60, vec![]), "{fault:?}");
        if !outcome.failed.is_empty() {
            assert!(!shell.engine.wants_settle(), "it pauses after a failure");
            shell.now = Timestamp(shell.now.0 + 5000);
            shell.tick().unwrap();
            assert!(shell.engine.wants_settle());
            assert!(shell.settle().unwrap().failed.is_empty(), "{fault:?}");
        }
        assert_eq!(shell.engine.unsettled_bytes(), 0, "{fault:?}");
        assert_eq!(shell.engine.oldest_needed(), None);
        drop(shell);
        let disk = disk.crash();
        let shell = Shell::open(&disk).unwrap();
        let (found, lost) = read_all(&shell.partition("t", 0), Offset(0), 1 << 20);
        assert_eq!((found.len(), lost), (60, vec![]), "{fault:?}");
        (operations, outcome.failed.len())
    };
    let (operations, _) = run(None);
    let mut failures = 0;
    for after in 0..operations {
        for fault in [Fault::Full, Fault::Error] {
            failures += run(Some((after, fault))).1;
        }
    }
    assert!(failures > 10);
}

#[test]
fn appends_are_refused_while_too_much_waits_and_taken_again_after_settling() {
    let disk = LyingDisk::new(12);
    let config = LogEngineConfig { unsettled_bytes_max: 4000, ..LogEngineConfig::default() };
    let mut shell = Shell::open_with(&disk, config).unwrap();
    let topic = shell.create("t", 1, &[]);
    let view = topic.partition(0).unwrap();
    let mut refused = None;
    for run in entries(0, 80, 100).chunks(4) {
        if let Err(error) = shell.append(view, batch(run, Codec::None)) {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(LogError::Overloaded(_))), "{refused:?}");
    assert!(shell.engine.wants_settle());
    shell.settle().unwrap();
    shell.append(view, batch(&entries(0, 4, 100), Codec::None)).unwrap();
}
