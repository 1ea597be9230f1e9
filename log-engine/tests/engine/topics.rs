use log_engine::batch::Codec;
use log_engine::{LogError, Offset, TopicConfig};
use message::{ErrorCode, TopicName};
use segment_store::LyingDisk;

use crate::shell::{Shell, batch, entries, read_all};

#[test]
fn refuses_bad_names_counts_and_batches() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let code = |result: Result<_, LogError>| result.err().map(|error| error.code());
    assert_eq!(code(shell.try_create("a b", 1, &[])), Some(ErrorCode::InvalidName));
    assert_eq!(code(shell.try_create("a", 0, &[])), Some(ErrorCode::InvalidConfig));
    let topic = shell.create("a", 1, &[("max.message.bytes", "200")]);
    assert_eq!(code(shell.try_create("a", 1, &[])), Some(ErrorCode::AlreadyExists));
    let large = shell.append(topic.partition(0).unwrap(), batch(&entries(0, 1, 300), Codec::None));
    assert_eq!(large.unwrap_err().code(), ErrorCode::TooLarge);
    assert!(topic.partition(1).is_none());
    let name = TopicName::new("a").unwrap();
    let fewer = shell.run(|engine, block, now| engine.add_partitions(block, &name, 1, now));
    assert_eq!(fewer.unwrap_err().code(), ErrorCode::ConflictingSettings);
}

#[test]
fn a_topic_made_again_is_another() {
    let disk = LyingDisk::new(2);
    let mut shell = Shell::open(&disk).unwrap();
    let old = shell.create("a", 1, &[]);
    let view = old.partition(0).unwrap();
    shell.append(view, batch(&entries(0, 10, 20), Codec::None)).unwrap();
    shell.settle().unwrap();
    let name = TopicName::new("a").unwrap();
    shell.run(|engine, block, _| engine.delete_topic(block, &name)).unwrap();
    let gone = shell.append(view, batch(&entries(0, 1, 20), Codec::None));
    assert_eq!(gone.unwrap_err().code(), ErrorCode::UnknownPartition);
    assert_eq!(view.read(Offset(0), 1).unwrap_err().code(), ErrorCode::UnknownPartition);
    let new = shell.create("a", 1, &[]);
    let view = new.partition(0).unwrap();
    assert_eq!(view.high_watermark(), Offset(0));
    shell.append(view, batch(&entries(50, 3, 20), Codec::None)).unwrap();
    shell.settle().unwrap();
    shell.settle().unwrap();
    assert_eq!(read_all(view, Offset(0), 1 << 20).0.len(), 3);
    let logs = disk.files().into_iter().filter(|path| path.starts_with("logs"));
    assert_eq!(logs.filter(|path| path.extension().is_some_and(|e| e == "log")).count(), 1);
}

#[test]
fn configuration_and_partitions_survive_a_restart() {
    let disk = LyingDisk::new(3);
    let mut shell = Shell::open(&disk).unwrap();
    shell.create("a", 2, &[("retention.ms", "99000")]);
    let name = TopicName::new("a").unwrap();
    shell.run(|engine, block, now| engine.add_partitions(block, &name, 5, now)).unwrap();
    let config = TopicConfig::parse([("segment.bytes", "5000")]).unwrap();
    shell.run(|engine, block, now| engine.alter_config(block, &name, config, now)).unwrap();
    shell.commit().unwrap();
    drop(shell);
    let shell = Shell::open(&disk.crash()).unwrap();
    let topic = shell.engine.topic(&name).unwrap();
    assert_eq!(topic.partitions().len(), 5);
    assert_eq!(*topic.config(), config);
    assert_eq!(topic.created(), crate::shell::START);
}

#[test]
fn nothing_is_visible_before_its_release() {
    let disk = LyingDisk::new(4);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("a", 1, &[]);
    let view = topic.partition(0).unwrap();
    shell.append(view, batch(&entries(0, 5, 20), Codec::None)).unwrap();
    assert_eq!(view.log_end(), Offset(5));
    assert!(view.read(Offset(0), 1 << 20).unwrap().batches.is_empty());
    assert!(view.read(Offset(3), 1 << 20).unwrap().batches.is_empty());
    shell.commit().unwrap();
    // A read from the middle of a batch gets the whole batch.
    let read = view.read(Offset(3), 1).unwrap();
    assert_eq!((read.batches.len(), read.next_offset), (1, Offset(5)));
    assert!(view.read(Offset(5), 1).unwrap().batches.is_empty());
    assert!(view.read(Offset(6), 1).is_err());
}
