//! What TLS costs a Kafka client that produces and consumes records of a kibibyte, beside the same without TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use crate::kafka::{fetched, offset_after, produced, push_fetch, push_produce};
use crate::kafka_load::Shape;
use crate::process::{Process, Scratch};
use crate::setup::{TURN, declare_log, fill};
use crate::table::{Line, grouped, median};
use crate::tls::Channel;

/// Batches of 16 KiB and five requests under way, as Kafka's clients have it unless told otherwise.
const SHAPE: Shape = Shape { size: 1024, records: 16, acks: 1, window: 5, stride: 1 };
const ROUNDS: usize = 5;
/// Records that the consumer finds.
const STORED: u64 = 100_000;

/// Produce and consume, plain and inside TLS in turns.
pub fn run() -> Vec<Line> {
    let scratch = Scratch::new("tls");
    let pki = scratch.path("pki");
    let broker = Process::secured_broker(&scratch.path("data"), &pki);
    let ca = pki.join("ca.pem");
    declare_log(broker.address, "produced", 1);
    declare_log(broker.address, "stored", 1);
    fill(broker.address, "stored", STORED, SHAPE.size);
    let sides = [
        (broker.kafka.expect("the door is open"), None),
        (broker.kafkas.expect("the door is open"), Some(ca.as_path())),
    ];
    let work: [(&str, Work); 2] = [("produce", produce), ("consume", consume)];
    let compare = |(what, run): (&str, Work)| {
        let mut reached: [Vec<(f64, f64)>; 2] = Default::default();
        for round in 0..=ROUNDS {
            for ((address, ca), reached) in sides.into_iter().zip(&mut reached) {
                let used = broker.cpu_seconds();
                let rate = run(address, ca);
                // The first round only warms up.
                if round > 0 {
                    let per_million = (broker.cpu_seconds() - used) / (rate * TURN.as_secs_f64()) * 1e6;
                    reached.push((rate, per_million));
                }
            }
        }
        let [(plain, plain_cpu), (tls, tls_cpu)] = reached.map(|all| {
            let of = |part: fn(&(f64, f64)) -> f64| median(&all.iter().map(part).collect::<Vec<_>>());
            (of(|one| one.0), of(|one| one.1))
        });
        let measured = format!(
            "{} records/s, {:.2} of plain's {} (CPU {plain_cpu:.2})",
            grouped(tls),
            tls / plain,
            grouped(plain)
        );
        let workload = format!("Kafka {what} inside TLS 1.3, records of 1 KiB");
        Line::new(workload, "≥ 0.6 of plain", measured).met(tls / plain >= 0.6).cpu(tls_cpu)
    };
    work.into_iter().map(compare).collect()
}

/// Records a second of one client, inside TLS where the file of a CA is named.
type Work = fn(SocketAddr, Option<&Path>) -> f64;

fn produce(address: SocketAddr, ca: Option<&Path>) -> f64 {
    let mut request = Vec::new();
    push_produce(&mut request, "produced", SHAPE.acks, &SHAPE.batch());
    let mut channel = Channel::open(address, ca);
    for _ in 0..SHAPE.window {
        channel.send(&request);
    }
    let (began, mut records) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        assert_eq!(produced(channel.answer()).0, 0, "the records are taken");
        records += SHAPE.records;
        channel.send(&request);
    }
    records as f64 / began.elapsed().as_secs_f64()
}

/// Reads the log from its start to its end, and again.
fn consume(address: SocketAddr, ca: Option<&Path>) -> f64 {
    let mut channel = Channel::open(address, ca);
    let (began, mut records, mut offset, mut request) = (Instant::now(), 0, 0, Vec::new());
    while began.elapsed() < TURN {
        request.clear();
        push_fetch(&mut request, "stored", offset);
        channel.send(&request);
        let next = offset_after(fetched(channel.answer()), offset);
        assert!(next > offset, "there are records from {offset} on");
        records += next - offset;
        offset = if next < STORED as i64 { next } else { 0 };
    }
    records as f64 / began.elapsed().as_secs_f64()
}
