//! Reads of settled segments through the log engine: from the page cache beside `sendfile`, from the disk beside plain
//! reads of the same files.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use log_engine::batch::BatchBuilder;
use log_engine::{LogEngine, Offset, PartitionView, TopicConfig};
use message::{Timestamp, TopicName};

use crate::process::Scratch;
use crate::raw;
use crate::setup::payload;
use crate::shard::{Shard, now};
use crate::table::{Line, median};

const GIB: u64 = 1 << 30;
const ROUNDS: usize = 3;

/// Cached and cold, in turns.
pub fn run() -> Vec<Line> {
    let scratch = Scratch::new("log-read");
    let mut shard: Shard<()> = Shard::open(&scratch.path("data"));
    let view = fill(&mut shard, "log", GIB, 1024, now());
    let files = raw::files_below(&scratch.path("data/logs"), "log");
    let settled: u64 = files.iter().map(|path| path.metadata().map_or(0, |about| about.len())).sum();
    let (mut cached, mut cold) = (Vec::new(), Vec::new());
    let (mut sent, mut plain) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        // What is in the page cache is the same for both.
        let _ = raw::reads(&files);
        let by_kernel = raw::sendfile(&files);
        let by_engine = send(&view, settled);
        raw::forget(&files);
        let raw_cold = raw::reads(&files);
        raw::forget(&files);
        let engine_cold = read(&view, settled, |_| {});
        if round > 0 {
            cached.push(by_engine);
            sent.push(by_kernel);
            cold.push(engine_cold);
            plain.push(raw_cold);
        }
    }
    let line = |workload: &str, target: f64, own: &[f64], other: &[f64], what: &str| {
        let (own, other) = (median(own), median(other));
        let ratio = own / other;
        let measured = format!("{:.0} MB/s, {ratio:.2} of {what}'s {:.0} MB/s", own / 1e6, other / 1e6);
        Line::new(workload, format!("≥ {target} of {what}"), measured).met(ratio >= target)
    };
    vec![
        line("log read from the page cache to a socket, checksums verified", 0.8, &cached, &sent, "sendfile"),
        line("log read from the disk, checksums verified", 0.7, &cold, &plain, "a plain read"),
    ]
}

/// Reads the settled part of a log, 1 MiB at a time: bytes a second.
fn read(view: &PartitionView, settled: u64, mut see: impl FnMut(&log_engine::Read)) -> f64 {
    let began = Instant::now();
    let (mut at, mut bytes) = (Offset(0), 0_u64);
    while bytes + (1 << 20) < settled {
        let read = view.read(at, raw::MIB).expect("it can be read");
        at = read.next_offset;
        bytes += read.bytes as u64;
        see(&read);
    }
    bytes as f64 / began.elapsed().as_secs_f64()
}

/// The same into a socket, as a door does.
fn send(view: &PartitionView, settled: u64) -> f64 {
    let (mut socket, reader) = raw::drain();
    let rate = read(view, settled, |read| {
        for batch in &read.batches {
            socket.write_all(batch).expect("a socket that takes it");
        }
    });
    drop(socket);
    reader.join().expect("the reader ends");
    rate
}

/// A log of one partition with so many bytes in batches of about 64 KiB, all settled but the last of them. Each record is
/// a millisecond younger than the one before it, from `oldest` on.
pub fn fill<R: Default + Send + 'static>(
    shard: &mut Shard<R>,
    name: &str,
    bytes: u64,
    record: usize,
    oldest: Timestamp,
) -> Arc<PartitionView> {
    shard.make_room(LogEngine::RECORDS_LEN_MAX);
    let name = TopicName::new(name).expect("a name");
    let config = TopicConfig::default();
    let topic = shard.log.create_topic(shard.journal.block(), &name, 1, config, now()).expect("a topic");
    let view = Arc::clone(&topic.partitions()[0]);
    let body = payload(record);
    let (mut appended, mut time) = (0, oldest.0);
    while appended < bytes {
        while shard.log.is_overrun() {
            shard.released(true);
        }
        for _ in 0..64 {
            let mut builder = BatchBuilder::new(now());
            while builder.is_empty() || builder.len() + record < 64 << 10 {
                builder.push(None, Some(&body), &[], Some(time));
                time += 1;
            }
            let batch = builder.build();
            shard.make_room(LogEngine::append_record_len(batch.len()));
            appended += batch.len() as u64;
            shard.log.append(shard.journal.block(), view.id(), batch, now()).expect("an append");
        }
        for (view, end) in shard.log.take_advanced() {
            view.advance(end);
        }
        shard.commit_with(R::default(), false);
        shard.released(false);
    }
    shard.settle_all();
    view
}
