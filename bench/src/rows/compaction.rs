//! Compaction of a settled log, with its memory for keys capped.

use std::time::Instant;

use log_engine::batch::BatchBuilder;
use log_engine::{LogEngine, LogEngineConfig, TopicConfig};
use message::{Timestamp, TopicName};

use crate::process::Scratch;
use crate::setup::payload;
use crate::shard::{Shard, now};
use crate::table::{Line, grouped};

const GIB: u64 = 1 << 30;
const MEMORY: usize = 128 << 20;
/// Of so many records one has a key of its own; the others replace it.
const VERSIONS: u64 = 4;

/// 1 GiB of records of 1 KiB and of 100 B.
pub fn run() -> Vec<Line> {
    [1024, 100].map(compact).into()
}

fn compact(size: usize) -> Line {
    let scratch = Scratch::new("compaction");
    let config = LogEngineConfig { cleaner_bytes: MEMORY, ..LogEngineConfig::default() };
    let mut shard: Shard<()> = Shard::open_with(&scratch.path("data"), config);
    shard.make_room(LogEngine::RECORDS_LEN_MAX);
    let name = TopicName::new("log").expect("a name");
    let settings = [("cleanup.policy", "compact"), ("segment.bytes", "134217728"), ("segment.ms", "1000")];
    let settings = TopicConfig::parse(settings).expect("settings");
    let topic = shard.log.create_topic(shard.journal.block(), &name, 1, settings, now()).expect("a topic");
    let id = topic.partitions()[0].id();
    let body = payload(size);
    let records = GIB / size as u64;
    let keys = records / VERSIONS;
    let mut number = 0_u64;
    while number < records {
        while shard.log.is_overrun() {
            shard.released(true);
        }
        let mut builder = BatchBuilder::with_capacity(now(), 70 << 10);
        while builder.len() + size < 64 << 10 {
            // Scattered, as keys are.
            let key = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % keys;
            builder.push(Some(format!("user-{key}").as_bytes()), Some(&body), &[], None);
            number += 1;
        }
        let batch = builder.build();
        shard.make_room(LogEngine::append_record_len(batch.len()));
        shard.log.append(shard.journal.block(), id, batch, now()).expect("an append");
        for (view, end) in shard.log.take_advanced() {
            view.advance(end);
        }
        shard.commit_with((), false);
        shard.released(false);
    }
    shard.settle_all();
    // By now everything is old enough to be compacted.
    let later = Timestamp(now().0 + 10_000);
    let (mut read, mut passes, mut before, mut after) = (0, 0, 0, 0);
    let began = Instant::now();
    loop {
        shard.make_room(LogEngine::RECORDS_LEN_MAX);
        shard.log.tick(shard.journal.block(), Timestamp(later.0 + 2000 * passes));
        let Some(job) = shard.log.take_clean_job(later) else { break };
        let result = job.run();
        let outcome = shard.log.cleaned(shard.journal.block(), result, later);
        assert!(outcome.failed.is_none(), "{outcome:?}");
        shard.commit(());
        if passes == 0 {
            before = outcome.bytes.0;
        }
        read += outcome.bytes.0;
        after = outcome.bytes.1;
        passes += 1;
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = read as f64 / seconds / 1e6;
    let whole = GIB as f64 / seconds / 1e6;
    let measured = format!(
        "{rate:.0} MB/s read and written anew, {whole:.0} MB/s of log, {} passes, {:.0} of {:.0} MB left, {} keys in {} MiB",
        passes,
        after as f64 / 1e6,
        before.max(GIB) as f64 / 1e6,
        grouped(keys as f64),
        MEMORY >> 20
    );
    Line::new(format!("compaction of 1 GiB in records of {size} B, 4 to a key"), "≥ 150 MB/s", measured)
        .met(rate >= 150.0)
}
