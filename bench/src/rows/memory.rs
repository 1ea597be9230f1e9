//! Resident memory: the process alone, what idle things add, and a long queue.

use crate::frames::WebSocket;
use crate::process::{Process, Scratch};
use crate::rows::declare::declare_many;
use crate::setup::{declare_log, declare_queue, fill};
use crate::table::Line;

const MIB: f64 = 1_048_576.0;

/// The process; an idle queue, partition and connection each.
pub fn idle() -> Vec<Line> {
    let scratch = Scratch::new("memory");
    let mut lines = Vec::new();
    let broker = Process::broker(&scratch.path("base"));
    declare_queue(broker.address, "warm");
    let base = broker.resident();
    lines.push(
        Line::new("memory, base", "≤ 20 MB", format!("{:.1} MB", base as f64 / 1e6)).met(base as f64 <= 20e6),
    );
    lines.push(each("idle queue", 2.0, 20_000, || declare_many(broker.address, "queue", 20_000), &broker));
    drop(broker);

    let broker = Process::broker(&scratch.path("partitions"));
    declare_log(broker.address, "warm", 1);
    let make = || (0..10).for_each(|number| declare_log(broker.address, &format!("log-{number}"), 1000));
    lines.push(each("idle partition", 4.0, 10_000, make, &broker));
    drop(broker);

    let broker = Process::broker(&scratch.path("connections"));
    let mut sockets = vec![WebSocket::open(broker.address, "/v1/ws", "sluice.v1.binary")];
    let make =
        || sockets.extend((0..400).map(|_| WebSocket::open(broker.address, "/v1/ws", "sluice.v1.binary")));
    lines.push(each("idle WebSocket connection", 12.0, 400, make, &broker));
    lines
}

fn each<T>(what: &str, target_kib: f64, count: u32, make: impl FnOnce() -> T, broker: &Process) -> Line {
    let before = broker.resident();
    make();
    let kib = (broker.resident() as f64 - before as f64) / 1024.0 / f64::from(count);
    Line::new(
        format!("memory, per {what}"),
        format!("≤ {target_kib} KiB"),
        format!("{kib:.2} KiB over {count}"),
    )
    .met(kib <= target_kib)
}

/// 10 million messages of 100 B in one queue.
pub fn queued() -> Vec<Line> {
    let scratch = Scratch::new("memory-queued");
    let broker = Process::broker(&scratch.path("data"));
    declare_queue(broker.address, "queue");
    fill(broker.address, "queue", 10_000_000, 100);
    let mib = broker.resident() as f64 / MIB;
    let line = Line::new("memory, 10 M messages queued", "≤ 1.5 GiB", format!("{mib:.0} MiB"));
    vec![line.met(mib <= 1536.0)]
}
