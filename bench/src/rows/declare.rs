//! Declaring many durable queues over one connection: HTTP/2 streams are HTTP's way to pipeline.

use std::net::SocketAddr;

use crate::multiplexed;
use crate::process::{Process, Scratch};
use crate::table::{Line, grouped};

/// Declares `count` queues and returns the seconds it took until the last was confirmed.
pub fn declare_many(address: SocketAddr, stem: &str, count: u32) -> f64 {
    let paths = (0..count).map(|number| format!("/v1/topics/{stem}-{number}"));
    multiplexed::put_all(address, paths, br#"{"model":"queue"}"#)
}

/// 10,000 of them.
pub fn run() -> Vec<Line> {
    let scratch = Scratch::new("declare");
    let broker = Process::broker(&scratch.path("data"));
    declare_many(broker.address, "warm", 200);
    let before = broker.cpu_seconds();
    let rate = 10_000.0 / declare_many(broker.address, "queue", 10_000);
    let cpu = broker.cpu_seconds() - before;
    let measured = format!("{}/s over one HTTP/2 connection", grouped(rate));
    vec![
        Line::new("declare 10,000 durable queues", "≥ 20,000/s", measured)
            .met(rate >= 20_000.0)
            .cpu(cpu * 100.0),
    ]
}
