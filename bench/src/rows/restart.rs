//! From the start of the process to its ready line, after `kill -9`.

use std::path::Path;

use crate::process::{Process, Scratch};
use crate::setup::{declare_log, declare_queue, fill};
use crate::table::{Line, median};

/// Starts on the same directory three times, each ended by `kill -9`; the middle time counts.
fn restart(data: &Path) -> (f64, f64) {
    let mut seconds = Vec::new();
    let mut resident = 0;
    for _ in 0..3 {
        let broker = Process::broker(data);
        seconds.push(broker.ready_after.as_secs_f64());
        resident = broker.resident();
        broker.kill();
    }
    (median(&seconds), resident as f64 / 1048576.0)
}

/// 1 and 10 million messages of 100 B in one queue.
pub fn queued() -> Vec<Line> {
    let lines = [1, 10].map(|millions| {
        let scratch = Scratch::new("restart-queue");
        let data = scratch.path("data");
        let broker = Process::broker(&data);
        declare_queue(broker.address, "queue");
        fill(broker.address, "queue", millions * 1_000_000, 100);
        broker.kill();
        let (seconds, resident) = restart(&data);
        let measured = format!("ready in {seconds:.2} s, {resident:.0} MiB resident");
        Line::new(format!("restart after kill -9, {millions} M queued"), format!("≤ {millions} s"), measured)
            .met(seconds <= millions as f64)
    });
    lines.into()
}

/// A log of 1 and of 10 GiB in records of 1 KiB.
pub fn log() -> Vec<Line> {
    let lines = [1, 10].map(|gib: u64| {
        let scratch = Scratch::new("restart-log");
        let data = scratch.path("data");
        let broker = Process::broker(&data);
        declare_log(broker.address, "log", 1);
        fill(broker.address, "log", gib << 20, 1024);
        broker.kill();
        let (seconds, _) = restart(&data);
        Line::new(
            format!("restart after kill -9, {gib} GiB log"),
            "≤ 1 s, flat",
            format!("ready in {seconds:.2} s"),
        )
        .met(seconds <= 1.0)
    });
    lines.into()
}

/// 10,000 queues that hold nothing.
pub fn names() -> Vec<Line> {
    let scratch = Scratch::new("restart-names");
    let data = scratch.path("data");
    let broker = Process::broker(&data);
    super::declare::declare_many(broker.address, "queue", 10_000);
    broker.kill();
    let (seconds, _) = restart(&data);
    let line = Line::new("restart after kill -9, 10,000 queues", "≤ 1 s", format!("ready in {seconds:.2} s"));
    vec![line.met(seconds <= 1.0)]
}
