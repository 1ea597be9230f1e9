//! HTTP batches of 100 and of 1,000 messages of 100 B.

use crate::batches;
use crate::http::{closed_loop, request};
use crate::process::{Process, Scratch};
use crate::setup::{TURN, declare_log, declare_queue};
use crate::table::{Line, grouped, median};

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 3;

/// Binary, JSON and NDJSON; both models; `leader` and `all`.
pub fn run() -> Vec<Line> {
    let mut lines = Vec::new();
    for (topic, binary_target) in [("log", 1_500_000.0), ("queue", 700_000.0)] {
        for acks in ["leader", "all"] {
            for count in [100, 1000] {
                lines.extend(measure(topic, binary_target, acks, count));
            }
        }
    }
    lines
}

fn measure(topic: &str, binary_target: f64, acks: &str, count: usize) -> Vec<Line> {
    // A fresh broker each time: a queue that nobody reads grows, and is not what is measured here.
    let scratch = Scratch::new("batch");
    let broker = Process::broker(&scratch.path("data"));
    if topic == "log" {
        declare_log(broker.address, topic, 1)
    } else {
        declare_queue(broker.address, topic)
    }
    let path = format!("/v1/topics/{topic}/messages?acks={acks}");
    let forms = [
        ("binary", batches::BINARY, batches::binary(count, 100), binary_target),
        ("JSON", "application/json", batches::json(count, 100), 500_000.0),
        ("NDJSON", "application/x-ndjson", batches::ndjson(count, 100), 500_000.0),
    ];
    let mut sides = forms.map(|(form, media, body, target)| {
        let headers = [("content-type", media), ("accept", "*/*")];
        (form, target, vec![request("POST", &path, &headers, &body)], Vec::new(), 0.0, 0.0)
    });
    for round in 0..=ROUNDS {
        for (_, _, requests, rates, cpu, messages) in &mut sides {
            let before = broker.cpu_seconds();
            let reached = closed_loop(broker.address, CONNECTIONS, requests, TURN);
            assert_eq!(reached.bad, 0, "refused publishes");
            if round > 0 {
                rates.push(reached.rate() * count as f64);
                *cpu += broker.cpu_seconds() - before;
                *messages += (reached.good * count as u64) as f64;
            }
        }
    }
    let line = |(form, target, _, rates, cpu, messages): (_, _, _, Vec<f64>, f64, f64)| {
        let rate = median(&rates);
        let workload = format!("HTTP {form} batches of {count}, {topic}, acks={acks}");
        Line::new(workload, format!("≥ {}/s", grouped(target)), format!("{} messages/s", grouped(rate)))
            .met(rate >= target)
            .cpu(cpu * 1e6 / messages)
    };
    sides.into_iter().map(line).collect()
}
