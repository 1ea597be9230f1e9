use std::path::Path;

use log_engine::batch::Codec;
use log_engine::{LogEngineConfig, Offset};
use message::{Timestamp, TopicName};
use segment_store::{Disk, LyingDisk};

use crate::shell::{Shell, batch, entries, read_all};

#[test]
fn ids_are_never_given_twice() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let old = shell.create("a", 2, &[]);
    shell.run(|engine, block, _| engine.delete_topic(block, old.name())).unwrap();
    shell.commit().unwrap();
    shell.checkpoint().unwrap();
    drop(shell);
    let mut shell = Shell::open(&disk).unwrap();
    let new = shell.create("a", 2, &[]);
    assert!(new.id() > old.id());
    assert!(new.partitions().iter().all(|view| view.id() > old.partitions()[1].id()));
}

#[test]
fn unsettled_batches_below_the_checkpoint_come_back() {
    let disk = LyingDisk::new(2);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 2, &[]);
    for view in topic.partitions() {
        shell.append(view, batch(&entries(0, 10, 50), Codec::None)).unwrap();
    }
    shell.commit().unwrap();
    shell.checkpoint().unwrap();
    shell.append(&topic.partitions()[1], batch(&entries(10, 5, 50), Codec::None)).unwrap();
    shell.commit().unwrap();
    drop(shell);
    let shell = Shell::open(&disk).unwrap();
    assert_eq!(shell.damage, []);
    assert_eq!(read_all(&shell.partition("t", 0), Offset(0), 1 << 20).0.len(), 10);
    assert_eq!(read_all(&shell.partition("t", 1), Offset(0), 1 << 20).0.len(), 15);
    assert!(shell.engine.unsettled_bytes() > 0);
}

#[test]
fn starting_opens_no_partition_and_leftovers_go_while_settling() {
    let disk = LyingDisk::new(3);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &[]);
    let view = topic.partition(0).unwrap();
    shell.append(view, batch(&entries(0, 10, 50), Codec::None)).unwrap();
    shell.settle().unwrap();
    shell.checkpoint().unwrap();
    drop(shell);
    let orphan = Path::new("logs/gone.77/0");
    disk.create_dir_all(orphan).unwrap();
    disk.open(&orphan.join("00000000000000000000.log"), segment_store::OpenMode::Create).unwrap();
    let stray = Path::new("logs/t.0/0/00000000000000000900.log");
    disk.open(stray, segment_store::OpenMode::Create).unwrap();
    let operations = disk.operations();
    let mut shell = Shell::open(&disk).unwrap();
    let opened = disk.operations() - operations;
    assert!(opened < 40, "opening changed {opened} things");
    assert!(shell.engine.wants_settle());
    shell.settle().unwrap();
    assert!(disk.content(stray).is_err());
    assert!(disk.content(&orphan.join("00000000000000000000.log")).is_err());
    assert_eq!(read_all(&shell.partition("t", 0), Offset(0), 1 << 20).0.len(), 10);
}

#[test]
fn old_batches_of_a_quiet_log_settle_by_age() {
    let disk = LyingDisk::new(4);
    let mut shell = Shell::open_with(&disk, LogEngineConfig::default()).unwrap();
    let topic = shell.create("t", 1, &[("segment.ms", "60000")]);
    let view = topic.partition(0).unwrap();
    for round in 0..2 {
        shell.append(view, batch(&entries(round, 1, 50), Codec::None)).unwrap();
        shell.commit().unwrap();
        shell.tick().unwrap();
        assert!(!shell.engine.wants_settle(), "round {round}");
        shell.now = Timestamp(shell.now.0 + 61_000);
        shell.tick().unwrap();
        assert!(shell.engine.wants_settle());
        shell.settle().unwrap();
    }
    let logs = disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log")).count();
    assert_eq!(logs, 2, "each round began a segment, because the one before was too old");
    assert!(shell.engine.topic(&TopicName::new("t").unwrap()).is_some());
}
