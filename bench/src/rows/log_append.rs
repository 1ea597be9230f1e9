//! Appends to the log engine beside large writes to files: records of 100 B and 1 KiB, batches of 16 KiB and 1 MiB,
//! unsynced and synced, over 1, 100 and 1,000 partitions.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use log_engine::batch::{Batch, BatchBuilder};
use log_engine::{LogEngine, PartitionId, TopicConfig};
use message::TopicName;

use super::kafka::calm;
use crate::process::{Scratch, cpu_seconds_of};
use crate::raw;
use crate::setup::payload;
use crate::shard::{Shard, now};
use crate::table::{Line, median};

const WARM_UP: Duration = Duration::from_millis(700);
const TIME: Duration = Duration::from_millis(1500);
/// A disk is a third faster or slower from one second to the next.
const TURNS: usize = 3;
/// Bytes under way: what all producers together wait for.
const UNDER_WAY: usize = 8 << 20;
/// Bytes after which every partition has its files and the journal uses its own again: making them is not what appending
/// costs.
const SETTLED_IN: u64 = 3 << 30;
/// When a load that does not get so far is given up.
const GIVE_UP: Duration = Duration::from_secs(20);

/// One way to append.
#[derive(Clone, Copy)]
struct Load {
    record: usize,
    batch: usize,
    synced: bool,
    partitions: u32,
}

/// Released as soon as they are written.
pub fn unsynced() -> Vec<Line> {
    run(false)
}

/// Released when they are on disk.
pub fn synced() -> Vec<Line> {
    run(true)
}

/// All of one kind, with the raw limits measured before and after.
fn run(synced: bool) -> Vec<Line> {
    let scratch = Scratch::new("log-append");
    let way = if synced { raw::Way::Synced } else { raw::Way::Cached };
    let writes = |way| {
        calm();
        raw::writes(&scratch.path(""), way, SETTLED_IN, TIME)
    };
    let raw_before = writes(way);
    let direct_before = writes(raw::Way::Direct);
    let mut rates = Vec::new();
    for record in [100, 1024] {
        for batch in [16 << 10, 1 << 20] {
            let mut one = f64::NAN;
            for partitions in [1, 100, 1000] {
                let load = Load { record, batch, synced, partitions };
                let (rate, cpu) = turns(&scratch, load);
                if partitions == 1 {
                    one = rate;
                }
                rates.push((load, rate, cpu, one));
            }
        }
    }
    let raw = median(&[raw_before, writes(way)]);
    let direct = median(&[direct_before, writes(raw::Way::Direct)]);
    rates.into_iter().map(|(load, rate, cpu, one)| line(load, rate, cpu, one, raw, direct)).collect()
}

/// The middle one of a few turns, each in a directory of its own.
fn turns(scratch: &Scratch, load: Load) -> (f64, f64) {
    let turn = |number| {
        let dir = scratch.path(&format!("{}-{}-{}-{number}", load.record, load.batch, load.partitions));
        let reached = append(&dir, load);
        // The room is wanted back; but a file system that just deleted thousands of files searches long for the place of a
        // new one.
        for file in ["log", "wal"].into_iter().flat_map(|kind| raw::files_below(&dir, kind)) {
            let _ = std::fs::File::create(file);
        }
        if load.partitions < 1000 {
            let _ = std::fs::remove_dir_all(&dir);
        }
        reached
    };
    let mut reached: Vec<(f64, f64)> = (0..TURNS).map(turn).collect();
    reached.sort_by(|one, other| one.0.total_cmp(&other.0));
    reached[TURNS / 2]
}

fn line(load: Load, rate: f64, cpu: f64, one: f64, raw: f64, direct: f64) -> Line {
    let size = if load.batch == 1 << 20 { "1 MiB" } else { "16 KiB" };
    let synced = if load.synced { "synced" } else { "unsynced" };
    let workload = format!(
        "log append, records of {} B, batches of {size}, {synced}, {} partition{}",
        load.record,
        load.partitions,
        if load.partitions == 1 { "" } else { "s" }
    );
    let of_direct = format!(", {:.2} of direct ones' {:.0} MB/s", rate / direct, direct / 1e6);
    let mb = rate / 1e6;
    let line = if load.partitions == 1 {
        let ratio = rate / raw;
        let measured =
            format!("{mb:.0} MB/s, {ratio:.2} of raw 1 MiB writes' {:.0} MB/s{of_direct}", raw / 1e6);
        Line::new(workload, "≥ 0.7 of raw", measured).met(ratio >= 0.7)
    } else {
        let ratio = rate / one;
        let measured = format!("{mb:.0} MB/s, {ratio:.2} of one partition's{of_direct}");
        Line::new(workload, "≥ 0.7 of one partition", measured).met(ratio >= 0.7)
    };
    line.cpu(cpu)
}

/// Bytes of batches a second, and CPU seconds per million records.
fn append(dir: &Path, load: Load) -> (f64, f64) {
    calm();
    let mut shard: Shard<usize> = Shard::open(dir);
    shard.make_room(LogEngine::RECORDS_LEN_MAX);
    let name = TopicName::new("log").expect("a name");
    let config = TopicConfig::parse([("max.message.bytes", "2000000")]).expect("settings");
    let block = shard.journal.block();
    let topic = shard.log.create_topic(block, &name, load.partitions, config, now()).expect("a topic");
    let ids: Vec<PartitionId> = topic.partitions().iter().map(|view| view.id()).collect();
    let body = payload(load.record);
    let mut builder = BatchBuilder::new(now());
    while builder.is_empty() || builder.len() + load.record + 12 < load.batch {
        builder.push(None, Some(&body), &[], None);
    }
    let count = u64::from(builder.count());
    let wire = builder.build().as_bytes().to_vec();
    let producers = (UNDER_WAY / wire.len()).max(1);
    let (mut ready, mut acknowledged, mut turn) = (producers, 0_u64, 0);
    let began = Instant::now();
    let mut mark: Option<(u64, f64, Instant)> = None;
    while mark.is_none_or(|(_, _, since)| since.elapsed() < TIME) && began.elapsed() < GIVE_UP {
        let full = shard.log.is_overrun();
        for count in shard.released(ready == 0 || full) {
            ready += count;
            acknowledged += count as u64;
        }
        let warm = began.elapsed() >= WARM_UP && acknowledged * wire.len() as u64 >= SETTLED_IN;
        if mark.is_none() && warm {
            mark = Some((acknowledged, cpu_seconds_of(std::process::id()), Instant::now()));
        }
        if ready == 0 || full {
            continue;
        }
        let group = std::mem::take(&mut ready);
        for _ in 0..group {
            let batch = Batch::validate(BytesMut::from(wire.as_slice()), 16 << 20).expect("a batch");
            shard.make_room(LogEngine::append_record_len(batch.len()));
            let partition = ids[turn % ids.len()];
            turn += 1;
            shard.log.append(shard.journal.block(), partition, batch, now()).expect("an append");
        }
        for (view, end) in shard.log.take_advanced() {
            view.advance(end);
        }
        shard.commit_with(group, load.synced);
    }
    let (before, cpu_before, since) = mark.expect("the warm-up ends in time");
    let batches = (acknowledged - before) as f64;
    let rate = batches * wire.len() as f64 / since.elapsed().as_secs_f64();
    let cpu = (cpu_seconds_of(std::process::id()) - cpu_before) * 1e6 / (batches * count as f64);
    (rate, cpu)
}
