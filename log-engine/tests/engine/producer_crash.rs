//! Idempotent producers whose server loses power: what they send again is stored once, whatever had been stored.
use std::collections::BTreeMap;

use log_engine::{LogError, Offset, PartitionView, Producer, ProducerEpoch, ProducerId};
use message::ErrorCode;
use segment_store::{LyingDisk, StoreError};

use crate::power_cuts;
use crate::producers::numbered;
use crate::shell::{Shell, read_all};

const PARTITIONS: u32 = 2;
const ROUNDS: usize = 5;
/// Batches of a producer that are recognised when they come again.
const WINDOW: usize = 5;

/// One batch that was sent, and the place that it got.
#[derive(Clone, Copy, Debug)]
struct Sent {
    producer: Producer,
    sequence: i32,
    count: usize,
    base: Offset,
}

impl Sent {
    fn values(&self) -> impl Iterator<Item = String> {
        let Sent { producer, sequence, count, .. } = *self;
        (0..count).map(move |record| format!("{producer}/{sequence}/{record}"))
    }
}

/// What one producer sent to one partition, in order, and how many of these batches were acknowledged.
#[derive(Default)]
struct Stream {
    sent: Vec<Sent>,
    acknowledged: usize,
}

impl Stream {
    /// The number that comes next under this epoch.
    fn next_sequence(&self, epoch: ProducerEpoch) -> i32 {
        let last = self.sent.last().filter(|last| last.producer.epoch == epoch);
        last.map_or(0, |last| last.sequence + last.count as i32)
    }
}

#[derive(Default)]
struct Noted {
    created: bool,
    /// Producers whose ids were answered, with the epoch that they have come to.
    producers: Vec<Producer>,
    streams: BTreeMap<(ProducerId, u32), Stream>,
}

/// Random numbers from a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }
}

fn gone(_: LogError) -> StoreError {
    StoreError::Poisoned("the power is gone".to_owned())
}

/// Producers write, repeat themselves, leave gaps and begin new epochs, while the log settles and checkpoints.
fn scenario(seed: u64, disk: &LyingDisk, noted: &mut Noted) -> Result<(), StoreError> {
    let mut dice = Dice(seed);
    let mut shell = Shell::open(disk)?;
    shell.try_create("t", PARTITIONS, &[("segment.bytes", "1024")]).map_err(gone)?;
    noted.created = true;
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            let producer = shell.run(|engine, block, _| Ok(engine.new_producer(block))).map_err(gone)?;
            shell.commit()?;
            noted.producers.push(producer);
        }
        for _ in 0..8 {
            let chosen = dice.roll(noted.producers.len());
            if dice.roll(12) == 0 {
                noted.producers[chosen].epoch.0 += 1;
            }
            let producer = noted.producers[chosen];
            let partition = dice.roll(PARTITIONS as usize) as u32;
            let view = shell.partition("t", partition);
            let stream = noted.streams.entry((producer.id, partition)).or_default();
            let next = stream.next_sequence(producer.epoch);
            match dice.roll(6) {
                // A client that heard nothing sends its last batch again.
                0 => {
                    let Some(last) = stream.sent.last().filter(|last| last.producer == producer) else {
                        continue;
                    };
                    let again =
                        shell.append(&view, numbered(producer, last.sequence, last.count)).map_err(gone)?;
                    assert_eq!((again.is_duplicate, again.base_offset), (true, last.base));
                }
                // Of a stranger any number is taken.
                1 if stream.sent.is_empty() => {}
                1 => {
                    let gap =
                        shell.append(&view, numbered(producer, next + 1, 1)).map_err(|error| error.code());
                    assert_eq!(gap.err(), Some(ErrorCode::OutOfOrderSequence));
                }
                _ => {
                    let count = 1 + dice.roll(3);
                    let placed = shell.append(&view, numbered(producer, next, count)).map_err(gone)?;
                    stream.sent.push(Sent { producer, sequence: next, count, base: placed.base_offset });
                }
            }
            if dice.roll(3) == 0 {
                acknowledge(&mut shell, noted)?;
            }
        }
        acknowledge(&mut shell, noted)?;
        match dice.roll(3) {
            0 => drop(shell.settle()?),
            1 => shell.checkpoint()?,
            _ => {
                shell.settle()?;
                shell.checkpoint()?;
            }
        }
    }
    Ok(())
}

fn acknowledge(shell: &mut Shell, noted: &mut Noted) -> Result<(), StoreError> {
    shell.commit()?;
    noted.streams.values_mut().for_each(|stream| stream.acknowledged = stream.sent.len());
    Ok(())
}

fn values(view: &PartitionView) -> Vec<String> {
    let (found, lost) = read_all(view, view.log_start(), 700);
    assert_eq!(lost, []);
    found.into_iter().map(|(_, entry)| String::from_utf8(entry.value).unwrap()).collect()
}

/// The values of one producer, in the order of the log.
fn of_producer(all: &[String], id: ProducerId, stream: &Stream) -> Vec<String> {
    let own: Vec<String> = stream.sent.iter().flat_map(Sent::values).collect();
    assert!(stream.sent.iter().all(|sent| sent.producer.id == id));
    all.iter().filter(|value| own.contains(value)).cloned().collect()
}

fn check(disk: &LyingDisk, noted: &Noted, what: &str) {
    let mut shell = Shell::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(shell.damage, [], "{what}");
    if !noted.created {
        return;
    }
    for (&(id, partition), stream) in &noted.streams {
        let what = format!("{what}, producer {id:?} in partition {partition}");
        let view = shell.partition("t", partition);
        let found = of_producer(&values(&view), id, stream);
        let mut stored = 0;
        let mut records = 0;
        while stored < stream.sent.len() && records < found.len() {
            records += stream.sent[stored].count;
            stored += 1;
        }
        let expected: Vec<_> = stream.sent[..stored].iter().flat_map(Sent::values).collect();
        assert_eq!(found, expected, "{what}: whole batches, in order, each once");
        assert!(stored >= stream.acknowledged, "{what}: {stored} of {} acknowledged", stream.acknowledged);
        // What was stored is recognised and told its place; a gap is still one.
        let (before, after) = stream.sent.split_at(stored);
        if let Some(last) = before.last() {
            let same_epoch = before.iter().rev().take_while(|sent| sent.producer == last.producer);
            for sent in same_epoch.take(WINDOW) {
                let again = shell.append(&view, numbered(sent.producer, sent.sequence, sent.count));
                let again = again.unwrap_or_else(|error| panic!("{what}: {sent:?}: {error}"));
                assert_eq!((again.is_duplicate, again.base_offset), (true, sent.base), "{what}: {sent:?}");
            }
            let gap = last.sequence + last.count as i32 + 1;
            let refused = shell.append(&view, numbered(last.producer, gap, 1)).map_err(|error| error.code());
            assert_eq!(refused.err(), Some(ErrorCode::OutOfOrderSequence), "{what}");
        }
        // What got lost is sent again by a client that had no answer, and taken.
        for sent in after {
            let taken = shell.append(&view, numbered(sent.producer, sent.sequence, sent.count));
            let taken = taken.unwrap_or_else(|error| panic!("{what}: {sent:?}: {error}"));
            assert!(!taken.is_duplicate, "{what}: {sent:?}");
        }
    }
    shell.commit().unwrap();
    assert!(shell.settle().unwrap().failed.is_empty(), "{what}");
    for (&(id, partition), stream) in &noted.streams {
        let found = of_producer(&values(&shell.partition("t", partition)), id, stream);
        let all: Vec<_> = stream.sent.iter().flat_map(Sent::values).collect();
        assert_eq!(found, all, "{what}: in the end everything is there once");
    }
    let fresh = shell.run(|engine, block, _| Ok(engine.new_producer(block))).unwrap();
    assert!(noted.producers.iter().all(|producer| producer.id < fresh.id), "{what}: no id is given twice");
}

#[test]
fn what_is_sent_again_is_stored_once_wherever_the_power_goes() {
    for seed in [3, 1_414, 271_828] {
        power_cuts::everywhere(|disk, noted| scenario(seed, disk, noted), check);
    }
}
