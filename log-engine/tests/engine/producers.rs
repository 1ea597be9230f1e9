use std::time::Duration;

use log_engine::batch::{Batch, BatchBuilder};
use log_engine::{LogEngineConfig, LogError, Offset, Producer, ProducerEpoch, ProducerId};
use message::ErrorCode;
use segment_store::LyingDisk;

use crate::shell::{START, Shell, read_all};

/// A batch of `count` records, numbered from `sequence` on.
pub fn numbered(producer: Producer, sequence: i32, count: usize) -> Batch {
    let mut builder = BatchBuilder::new(START).produced_by(producer, sequence);
    for record in 0..count {
        builder.push(None, Some(format!("{producer}/{sequence}/{record}").as_bytes()), &[], None);
    }
    builder.build()
}

fn new_producer(shell: &mut Shell) -> Producer {
    shell.run(|engine, block, _| Ok(engine.new_producer(block))).unwrap()
}

fn code<T>(outcome: Result<T, LogError>) -> Option<ErrorCode> {
    outcome.err().map(|error| error.code())
}

#[test]
fn a_batch_that_comes_again_is_answered_with_its_first_place() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let producer = new_producer(&mut shell);
    let mut places = Vec::new();
    for sequence in (0..14).step_by(2) {
        places.push(shell.append(&view, numbered(producer, sequence, 2)).unwrap());
    }
    for (number, place) in places.iter().enumerate().skip(2) {
        let again = shell.append(&view, numbered(producer, number as i32 * 2, 2)).unwrap();
        assert!(again.is_duplicate && !place.is_duplicate);
        assert_eq!(again.base_offset, place.base_offset);
        assert_eq!(again.last_offset, place.last_offset);
        assert_eq!(again.timestamp, place.timestamp);
    }
    // Older than the last five: it cannot be told any more whether it was stored.
    assert_eq!(code(shell.append(&view, numbered(producer, 2, 2))), Some(ErrorCode::OutOfOrderSequence));
    shell.commit().unwrap();
    assert_eq!(read_all(&view, Offset(0), 1 << 20).0.len(), 14);
}

#[test]
fn gaps_and_older_incarnations_are_refused() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let producer = new_producer(&mut shell);
    shell.append(&view, numbered(producer, 0, 3)).unwrap();
    assert_eq!(code(shell.append(&view, numbered(producer, 4, 1))), Some(ErrorCode::OutOfOrderSequence));
    // Overlapping an earlier batch is no repetition of it.
    assert_eq!(code(shell.append(&view, numbered(producer, 0, 2))), Some(ErrorCode::OutOfOrderSequence));
    let newer = Producer { epoch: ProducerEpoch(1), ..producer };
    assert_eq!(code(shell.append(&view, numbered(newer, 3, 1))), Some(ErrorCode::OutOfOrderSequence));
    shell.append(&view, numbered(newer, 0, 1)).unwrap();
    assert_eq!(code(shell.append(&view, numbered(producer, 3, 1))), Some(ErrorCode::InvalidProducerEpoch));
    let stranger = Producer { id: ProducerId(99), epoch: ProducerEpoch(0) };
    assert_eq!(code(shell.append(&view, numbered(stranger, 0, 1))), Some(ErrorCode::UnknownProducer));
    shell.append(&view, numbered(newer, 1, 1)).unwrap();
}

#[test]
fn sequences_begin_again_after_the_last() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let producer = new_producer(&mut shell);
    // Nothing is known of it yet, so any number will do.
    shell.append(&view, numbered(producer, i32::MAX - 1, 4)).unwrap();
    assert!(shell.append(&view, numbered(producer, i32::MAX - 1, 4)).unwrap().is_duplicate);
    shell.append(&view, numbered(producer, 2, 1)).unwrap();
}

#[test]
fn what_is_known_of_producers_survives_restarts_checkpoints_and_settling() {
    let mut disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    shell.create("t", 1, &[("segment.bytes", "2000")]);
    let producer = new_producer(&mut shell);
    for round in 0..6 {
        let view = shell.partition("t", 0);
        let first = round * 6;
        let places: Vec<_> =
            (0..3).map(|n| shell.append(&view, numbered(producer, first + n * 2, 2)).unwrap()).collect();
        shell.commit().unwrap();
        if round % 2 == 1 {
            shell.settle().unwrap();
        }
        if round % 3 == 1 {
            shell.checkpoint().unwrap();
        }
        drop(shell);
        disk = disk.crash();
        shell = Shell::open(&disk).unwrap();
        let view = shell.partition("t", 0);
        for (number, place) in places.iter().enumerate() {
            let again = shell.append(&view, numbered(producer, first + number as i32 * 2, 2)).unwrap();
            assert_eq!((again.is_duplicate, again.base_offset), (true, place.base_offset), "round {round}");
        }
        assert_eq!(
            code(shell.append(&view, numbered(producer, first + 7, 1))),
            Some(ErrorCode::OutOfOrderSequence)
        );
        let other = new_producer(&mut shell);
        assert!(other.id > producer.id, "no id is given twice");
    }
}

#[test]
fn silent_producers_are_forgotten_and_crowds_make_room() {
    let disk = LyingDisk::new(1);
    let config = LogEngineConfig {
        producer_expiration: Duration::from_secs(3600),
        producers_max: 10,
        ..LogEngineConfig::default()
    };
    let mut shell = Shell::open_with(&disk, config).unwrap();
    let view = shell.create("t", 1, &[]).partition(0).unwrap().clone();
    let first = new_producer(&mut shell);
    shell.append(&view, numbered(first, 0, 1)).unwrap();
    for _ in 0..9 {
        let producer = new_producer(&mut shell);
        shell.append(&view, numbered(producer, 0, 1)).unwrap();
    }
    let late = new_producer(&mut shell);
    assert_eq!(code(shell.append(&view, numbered(late, 0, 1))), Some(ErrorCode::Overloaded));
    // All of them may still repeat something.
    shell.tick().unwrap();
    assert_eq!(code(shell.append(&view, numbered(late, 0, 1))), Some(ErrorCode::Overloaded));
    shell.now = shell.now.plus(Duration::from_secs(1200));
    shell.append(&view, numbered(first, 1, 1)).unwrap();
    shell.tick().unwrap();
    shell.append(&view, numbered(late, 0, 1)).unwrap();
    // Whoever wrote lately is still known.
    assert!(shell.append(&view, numbered(first, 1, 1)).unwrap().is_duplicate);
    assert!(shell.engine.active_producers(view.id()).unwrap().len() <= 10);
    shell.now = shell.now.plus(Duration::from_secs(3601));
    shell.tick().unwrap();
    assert_eq!(shell.engine.active_producers(view.id()).unwrap(), []);
}
