use log_engine::batch::Codec;
use log_engine::{Committer, Offset, OffsetCommit, TopicPartition};
use message::{Timestamp, TopicName};
use segment_store::{Crash, LyingDisk, StoreError};

use crate::power_cuts;
use crate::shell::{Entry, Shell, batch, entries, group, read_all};

/// What was acknowledged before the power went.
#[derive(Default)]
struct Acknowledged {
    created: bool,
    /// Per partition: everything appended, and how much of it was acknowledged.
    logs: [(Vec<Entry>, usize); 2],
    start: i64,
    committed: i64,
    deleted_other: bool,
}

/// Appends, settles, commits offsets, checkpoints, deletes: until the end or the power failure.
fn scenario(disk: &LyingDisk, done: &mut Acknowledged) -> Result<(), StoreError> {
    let mut shell = Shell::open(disk)?;
    let config = [("segment.bytes", "2000"), ("index.interval.bytes", "500")];
    let stop = |_| StoreError::Poisoned("the power is gone".to_owned());
    shell.try_create("t", 2, &config).map_err(stop)?;
    done.created = true;
    shell.try_create("other", 1, &config).map_err(stop)?;
    for round in 0..4 {
        for number in 0..2 {
            let view = shell.partition("t", number);
            let log = &mut done.logs[number as usize];
            for _ in 0..2 {
                let more = entries(log.0.len(), 5, 120);
                shell.append(&view, batch(&more, Codec::None)).map_err(stop)?;
                log.0.extend(more);
            }
        }
        shell.commit()?;
        done.logs.iter_mut().for_each(|log| log.1 = log.0.len());
        let offset = done.logs[0].1 as i64 - 3;
        let commit = OffsetCommit {
            partition: TopicPartition { topic: TopicName::new("t").unwrap(), partition: 0 },
            offset: Offset(offset),
            metadata: "here".to_owned(),
            leader_epoch: Some(0),
            expires_at: None,
        };
        shell
            .run(|engine, block, now| {
                engine.commit_offsets(block, &group("g"), Committer::Nobody, &[commit], now)
            })
            .map_err(stop)?;
        shell.commit()?;
        done.committed = offset;
        shell.settle()?;
        if round == 1 {
            let view = shell.partition("t", 0);
            shell.run(|engine, block, _| engine.delete_records(block, view.id(), Offset(7))).map_err(stop)?;
            shell.commit()?;
            done.start = 7;
            shell.checkpoint()?;
        }
        if round == 2 {
            let other = TopicName::new("other").unwrap();
            shell.run(|engine, block, _| engine.delete_topic(block, &other)).map_err(stop)?;
            shell.commit()?;
            done.deleted_other = true;
            shell.now = Timestamp(shell.now.0 + 2000);
            shell.tick()?;
            shell.settle()?;
        }
    }
    shell.checkpoint()
}

fn check(disk: &LyingDisk, done: &Acknowledged, what: &str) {
    let mut shell = Shell::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(shell.damage, [], "{what}");
    if !done.created {
        return;
    }
    for (number, (log, acknowledged)) in done.logs.iter().enumerate() {
        let view = shell.partition("t", number as u32);
        let end = view.high_watermark().0 as usize;
        assert!(end >= *acknowledged && end <= log.len(), "{what}: {end} of {acknowledged}..{}", log.len());
        if number == 0 {
            assert!(view.log_start().0 >= done.start, "{what}");
        }
        let (found, lost) = read_all(&view, view.log_start(), 900);
        assert_eq!(lost, [], "{what}");
        let start = view.log_start().0 as usize;
        let expected: Vec<_> = log[start..end].to_vec();
        assert_eq!(found.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), expected, "{what}");
    }
    let committed = shell.engine.committed(&group("g"));
    let offset = committed.first().map_or(0, |(_, committed)| committed.offset.0);
    assert!(offset >= done.committed, "{what}: committed {offset}, acknowledged {}", done.committed);
    if done.deleted_other {
        assert!(shell.engine.topic(&TopicName::new("other").unwrap()).is_none(), "{what}");
    }
    // It goes on as if nothing had happened.
    let view = shell.partition("t", 1);
    let before = view.high_watermark();
    let more = entries(500, 5, 120);
    shell.append(&view, batch(&more, Codec::None)).unwrap();
    shell.commit().unwrap();
    assert!(shell.settle().unwrap().failed.is_empty(), "{what}");
    let (found, lost) = read_all(&view, before, 1 << 20);
    assert_eq!((found.len(), lost), (5, vec![]), "{what}");
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    power_cuts::everywhere(scenario, check);
}

#[test]
fn a_crash_between_settling_and_its_record_settles_again() {
    let disk = LyingDisk::new(7);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &[("segment.bytes", "2000")]);
    let view = topic.partition(0).unwrap();
    let log = entries(0, 60, 120);
    for run in log.chunks(5) {
        shell.append(view, batch(run, Codec::None)).unwrap();
    }
    shell.commit().unwrap();
    shell.engine.settle_below(shell.journal.end());
    let job = shell.engine.take_settle_job(shell.journal.durable(), shell.now).unwrap();
    // The files are written and synced; the record of it never comes.
    drop(job.run());
    let before = disk.files().len();
    drop(shell);
    let disk = disk.crash_with(Crash::KeepAll);
    let mut shell = Shell::open(&disk).unwrap();
    assert!(shell.settle().unwrap().failed.is_empty());
    let (found, lost) = read_all(&shell.partition("t", 0), Offset(0), 1 << 20);
    assert_eq!((found.len(), lost), (60, vec![]));
    assert_eq!(disk.files().iter().filter(|path| path.starts_with("logs")).count() > 0, before > 0);
}
