//! Finding things: a time in a large log, and what a million committed offsets cost.

use std::fs::File;
use std::time::Instant;

use log_engine::{Committer, LogEngine, OffsetCommit, TopicConfig, TopicPartition};
use message::{GroupName, Timestamp, TopicName};

use super::log_read::fill;
use crate::latency::{histogram, quantiles};
use crate::process::Scratch;
use crate::raw;
use crate::shard::{Shard, now};
use crate::table::{Line, grouped};

const LOG: u64 = 10 << 30;
const LOOKUPS: usize = 2000;

/// Where a time begins, in a log of 10 GiB whose records are a millisecond apart and which nobody has read yet; beside
/// plain reads of 64 KiB of the same files, in turn.
pub fn time() -> Vec<Line> {
    let scratch = Scratch::new("time-lookup");
    let mut shard: Shard<()> = Shard::open(&scratch.path("data"));
    // All of them lie in the past, and young enough to be kept.
    let oldest = Timestamp(now().0 - 24 * 3_600_000);
    let view = fill(&mut shard, "log", LOG, 1024, oldest);
    let paths = raw::files_below(&scratch.path("data/logs"), "log");
    raw::forget(&paths);
    let files: Vec<_> = paths.iter().map(|path| File::open(path).expect("a file")).collect();
    let records = view.high_watermark().0;
    let (mut lookups, mut reads) = (histogram(), histogram());
    let mut state = 1_u64;
    for turn in 0..LOOKUPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let wanted = (state >> 33) as i64 % records;
        let started = Instant::now();
        let found = view.offset_for_time(oldest.0 + wanted).expect("it can be read");
        let took = started.elapsed();
        assert_eq!(found.map(|found| found.offset.0), Some(wanted));
        let read = raw::read_somewhere(&files[turn % files.len()], state >> 24);
        for (times, took) in [(&mut lookups, took), (&mut reads, read)] {
            times.record(took.as_nanos() as u64).expect("less than a minute");
        }
    }
    let ((p50, p99), (plain_p50, plain_p99)) = (quantiles(&lookups), quantiles(&reads));
    let measured = format!(
        "p50 {p50:.0} µs, p99 {p99:.0} µs; one plain read of 64 KiB {plain_p50:.0} and {plain_p99:.0} µs"
    );
    vec![Line::new("time lookup in a log of 10 GiB on disk", "< 1 ms", measured).met(p99 < 1000.0)]
}

/// A thousand groups that read a thousand partitions.
pub fn offsets() -> Vec<Line> {
    let scratch = Scratch::new("offsets");
    let mut shard: Shard<()> = Shard::open(&scratch.path("data"));
    shard.make_room(LogEngine::RECORDS_LEN_MAX);
    let topic = TopicName::new("log").expect("a name");
    let block = shard.journal.block();
    shard.log.create_topic(block, &topic, 1000, TopicConfig::default(), now()).expect("a topic");
    let commit = |partition| {
        OffsetCommit::new(TopicPartition { topic: topic.clone(), partition }, log_engine::Offset(0))
    };
    let commits: Vec<_> = (0..1000).map(commit).collect();
    let before = resident();
    let began = Instant::now();
    for group in 0..1000 {
        let group = GroupName::new(&format!("group-{group}")).expect("a name");
        shard.make_room(LogEngine::RECORDS_LEN_MAX);
        let block = shard.journal.block();
        shard.log.commit_offsets(block, &group, Committer::Nobody, &commits, now()).expect("a commit");
        shard.commit(());
        shard.released(false);
    }
    let rate = 1e6 / began.elapsed().as_secs_f64();
    let bytes = resident().saturating_sub(before);
    let began = Instant::now();
    let mut records = 0_u64;
    shard.log.checkpoint(&mut |record| records += record.len() as u64);
    let checkpoint = began.elapsed().as_secs_f64();
    let measured = format!(
        "{}/s, {:.0} MiB resident, {:.0} MiB of checkpoint in {checkpoint:.2} s",
        grouped(rate),
        bytes as f64 / 1048576.0,
        records as f64 / 1048576.0
    );
    vec![Line::new("a million committed offsets, 1,000 groups of 1,000 partitions", "", measured)]
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}
