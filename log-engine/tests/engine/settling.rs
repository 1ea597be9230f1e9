//! How much settles at a time, and when a shell is to wait for it.
use log_engine::batch::Codec;
use log_engine::{LogEngineConfig, Offset, PartitionView, SettleJob};
use message::Timestamp;
use segment_store::{Fault, LyingDisk};

use crate::shell::{Entry, Shell, batch, read_all};

const BATCH: usize = 40 << 10;

/// Records settle from 1 MiB on.
fn settling_early(seed: u64) -> (LyingDisk, Shell) {
    let disk = LyingDisk::new(seed);
    let config = LogEngineConfig { settle_bytes: 1 << 20, ..LogEngineConfig::default() };
    let shell = Shell::open_with(&disk, config).unwrap();
    (disk, shell)
}

/// Appends one batch after the other until `bytes` are there.
fn fill(shell: &mut Shell, view: &PartitionView, bytes: usize) {
    let entry = Entry { timestamp: 1, value: vec![7; BATCH] };
    for _ in 0..bytes.div_ceil(BATCH) {
        shell.append(view, batch(std::slice::from_ref(&entry), Codec::None)).unwrap();
    }
    shell.commit().unwrap();
}

fn take(shell: &mut Shell) -> SettleJob {
    shell.engine.take_settle_job(shell.journal.durable(), shell.now).expect("there is work")
}

/// Runs a settle job, and answers how many partitions could not be written.
fn run(shell: &mut Shell, job: SettleJob) -> usize {
    let result = job.run();
    shell.journal.make_room().unwrap();
    shell.journal.ensure(16 << 10).unwrap();
    let failed = shell.engine.settled(shell.journal.block(), result, shell.now).failed.len();
    shell.commit().unwrap();
    failed
}

/// Runs the next settle job, and answers how many bytes it wrote.
fn settle_once(shell: &mut Shell) -> u64 {
    let job = take(shell);
    let bytes = job.bytes();
    assert_eq!(run(shell, job), 0);
    bytes
}

/// The partitions that have a log file.
fn with_files(disk: &LyingDisk) -> Vec<u32> {
    let files = disk.files();
    let logs = files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "log"));
    logs.filter_map(|path| path.parent()?.file_name()?.to_str()?.parse().ok()).collect()
}

#[test]
fn a_long_tail_settles_in_pieces_which_leave_memory_one_by_one() {
    let (_disk, mut shell) = settling_early(3);
    let topic = shell.create("t", 1, &[]);
    let view = topic.partition(0).unwrap();
    fill(&mut shell, view, 40 << 20);
    let records = view.log_end();
    let mut pieces = Vec::new();
    while shell.engine.wants_settle() {
        let before = shell.engine.unsettled_bytes();
        let bytes = settle_once(&mut shell);
        assert!(before - shell.engine.unsettled_bytes() >= bytes, "what settled left memory");
        pieces.push(bytes >> 20);
    }
    assert_eq!(pieces, [16, 16, 8]);
    let (found, lost) = read_all(view, Offset(0), 1 << 20);
    assert_eq!((found.len() as i64, lost), (records.0, vec![]));
}

#[test]
fn few_partitions_have_a_shell_wait_long_before_the_limit_and_many_later() {
    let overrun_at = |partitions: u32| {
        let (_disk, mut shell) = settling_early(4);
        let topic = shell.create("t", partitions, &[]);
        let grow = |shell: &mut Shell| topic.partitions().iter().for_each(|view| fill(shell, view, 1));
        while !shell.engine.wants_settle() {
            grow(&mut shell);
        }
        assert!(!shell.engine.is_overrun(), "nothing is under way that could be waited for");
        let job = take(&mut shell);
        while !shell.engine.is_overrun() {
            grow(&mut shell);
        }
        let at = shell.engine.unsettled_bytes();
        run(&mut shell, job);
        assert!(!shell.engine.is_overrun(), "it goes on when the job has ended");
        at
    };
    let (few, many) = (overrun_at(1), overrun_at(40));
    assert!((2 << 20..3 << 20).contains(&few), "{few}");
    assert!((12 << 20..14 << 20).contains(&many), "{many}");
}

#[test]
fn of_many_partitions_those_that_hold_most_settle_first_and_few_at_a_time() {
    let (disk, mut shell) = settling_early(5);
    let topic = shell.create("t", 40, &[]);
    // The last have most, and none has so much that it would be a job by itself.
    while !shell.engine.wants_settle() {
        for (at, view) in topic.partitions().iter().enumerate() {
            fill(&mut shell, view, (1 + at / 10) * BATCH);
        }
    }
    let all = shell.engine.unsettled_bytes();
    let first = settle_once(&mut shell);
    assert!((2 << 20..all / 2).contains(&first), "{first} of {all} bytes in the first job");
    assert!(shell.engine.unsettled_bytes() <= all - first, "what settled left memory");
    let settled = with_files(&disk);
    assert!(!settled.is_empty() && settled.iter().all(|partition| *partition >= 30), "{settled:?}");
}

#[test]
fn a_partition_that_cannot_be_written_keeps_no_other_from_settling() {
    let (disk, mut shell) = settling_early(6);
    let topic = shell.create("t", 2, &[("retention.ms", "-1")]);
    let [broken, other] = topic.partitions() else { panic!("two partitions") };
    fill(&mut shell, broken, 3 << 20);
    fill(&mut shell, other, 1 << 20);
    let job = take(&mut shell);
    assert!((3 << 20..4 << 20).contains(&job.bytes()), "what holds most is a job by itself");
    disk.fail_at(disk.operations() + 2, Fault::Error);
    assert_eq!(run(&mut shell, job), 1);
    shell.now = Timestamp(shell.now.0 + 2000);
    shell.tick().unwrap();
    // It may fail again, and for ever.
    assert!(take(&mut shell).bytes() >= 4 << 20, "the other one goes with it");
}
