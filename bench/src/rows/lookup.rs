//! Finding things: a time in a large log, and what a million committed offsets cost.

use std::time::Instant;

use log_engine::{Committer, LogEngine, OffsetCommit, TopicConfig, TopicPartition};
use message::{GroupName, TopicName};

use super::log_read::fill;
use crate::process::Scratch;
use crate::shard::{Shard, now};
use crate::table::{Line, grouped, median};

const LOG: u64 = 10 << 30;
const LOOKUPS: usize = 2000;

/// Where a time begins, in a log of 10 GiB.
pub fn time() -> Vec<Line> {
    let scratch = Scratch::new("time-lookup");
    let mut shard: Shard<()> = Shard::open(&scratch.path("data"));
    let began = now().0;
    let view = fill(&mut shard, "log", LOG, 1024);
    let span = now().0 - began;
    let mut times = Vec::with_capacity(LOOKUPS);
    let mut state = 1_u64;
    for _ in 0..LOOKUPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let wanted = began + (state >> 33) as i64 % span.max(1);
        let started = Instant::now();
        let found = view.offset_for_time(wanted).expect("it can be read");
        times.push(started.elapsed().as_secs_f64() * 1e6);
        assert!(found.is_none_or(|found| found.timestamp >= wanted));
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    let measured = format!("p50 {:.0} µs, p99 {:.0} µs", median(&times), at(0.99));
    vec![Line::new("time lookup in a log of 10 GiB", "< 1 ms", measured).met(at(0.99) < 1000.0)]
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
