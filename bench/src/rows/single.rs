//! One message per HTTP request, beside a bare handler that reads the body and answers 200.

use crate::http::{closed_loop, request};
use crate::process::{Process, Scratch};
use crate::setup::{TURN, declare_log, declare_queue, payload};
use crate::table::{Line, grouped, median};

const ROUNDS: usize = 5;

/// 16 and 64 connections, `acks=leader`, both models.
pub fn leader() -> Vec<Line> {
    measure("leader", 0.6)
}

/// The same with `acks=all`: group commit at work.
pub fn all() -> Vec<Line> {
    measure("all", 0.4)
}

fn measure(acks: &str, floor: f64) -> Vec<Line> {
    let scratch = Scratch::new("single");
    let bare = Process::bare(&scratch.path(""));
    let broker = Process::broker(&scratch.path("data"));
    declare_log(broker.address, "log", 1);
    declare_queue(broker.address, "queue");
    let body = payload(100);
    let raw = [("content-type", "application/octet-stream")];
    let nothing = vec![request("POST", "/", &raw, &body)];
    let mut lines = Vec::new();
    for connections in [16, 64] {
        let mut bare_rates = Vec::new();
        let mut sides = ["log", "queue"].map(|topic| {
            let path = format!("/v1/topics/{topic}/messages?acks={acks}");
            (topic, vec![request("POST", &path, &raw, &body)], Vec::new(), Vec::new(), 0.0, 0)
        });
        for round in 0..=ROUNDS {
            let bare_rate = closed_loop(bare.address, connections, &nothing, TURN).rate();
            // The first round only warms up.
            if round > 0 {
                bare_rates.push(bare_rate);
            }
            for (_, requests, rates, ratios, cpu, count) in &mut sides {
                let before = broker.cpu_seconds();
                let reached = closed_loop(broker.address, connections, requests, TURN);
                assert_eq!(reached.bad, 0, "refused publishes");
                if round > 0 {
                    rates.push(reached.rate());
                    ratios.push(reached.rate() / bare_rate);
                    *cpu += broker.cpu_seconds() - before;
                    *count += reached.good;
                }
            }
        }
        for (topic, _, rates, ratios, cpu, count) in sides {
            let ratio = median(&ratios);
            let measured = format!(
                "{}/s, {ratio:.2} of the bare handler's {}/s",
                grouped(median(&rates)),
                grouped(median(&bare_rates))
            );
            let workload = format!("HTTP single publish, {topic}, {connections} connections, acks={acks}");
            let line = Line::new(workload, format!("≥ {floor} of bare"), measured).met(ratio >= floor);
            lines.push(line.cpu(cpu * 1e6 / count.max(1) as f64));
        }
    }
    lines
}
