//! Kafka's protocol beside Apache Kafka on its default settings: the same client, turn by turn in one run.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::apache_kafka::ApacheKafka;
use crate::kafka::Client;
use crate::kafka_load::{self, Producer, Reached, Shape, paced};
use crate::latency::{middle, precise_timers};
use crate::process::{Broker, Process, Scratch, resident_of};
use crate::raw;
use crate::table::{Line, grouped, median};

const TURN: Duration = Duration::from_millis(2500);
const ROUNDS: usize = 3;
/// The log that is read, in batches as large as producers make them unless told otherwise.
const READ_BYTES: u64 = 1 << 30;
const READ: Shape = Shape { size: 1024, records: 15, acks: 1, window: 20, stride: 4 };

const SMALL: Shape = Shape { size: 100, records: 1000, acks: 1, window: 5, stride: 1 };
const LARGE: Shape = Shape { size: 1024, records: 500, ..SMALL };
/// What makes Apache Kafka sync before it answers.
const SYNCED: [(&str, &str); 1] = [("flush.messages", "1")];

/// Both brokers on empty directories.
pub struct Brokers {
    sluice: Process,
    kafka: Option<ApacheKafka>,
    scratch: Scratch,
}

impl Brokers {
    pub fn start(name: &str) -> Brokers {
        Brokers::start_with(name, "")
    }

    /// The same, Apache Kafka with settings of its own.
    pub fn start_with(name: &str, settings: &str) -> Brokers {
        let scratch = Scratch::new(name);
        let sluice = Process::broker(&scratch.path("data"));
        let kafka = ApacheKafka::start_with(&scratch.path("kafka"), settings);
        Brokers { sluice, kafka, scratch }
    }

    pub fn all(&self) -> Vec<Broker> {
        let kafka = self.kafka.as_ref();
        let kafka = kafka.map(|kafka| Broker { name: "Kafka", address: kafka.address, pid: kafka.pid() });
        std::iter::once(sluice(&self.sluice)).chain(kafka).collect()
    }

    /// Forgets what the page cache holds of their logs.
    fn forget(&self) {
        let data = [Some(self.scratch.path("data")), self.kafka.as_ref().map(ApacheKafka::data)];
        data.into_iter().flatten().for_each(|data| raw::forget(&raw::files_below(&data, "log")));
    }
}

fn sluice(process: &Process) -> Broker {
    let address = process.kafka.expect("the door is open");
    Broker { name: "Sluice", address, pid: process.pid() }
}

/// Has the disk take what one broker left in the page cache before the other has its turn.
pub fn calm() {
    rustix::fs::sync();
}

/// Something measured in turns: the middle of each broker's, Sluice's first.
fn turns(brokers: &[Broker], mut turn: impl FnMut(usize) -> Reached) -> Vec<(Broker, Reached)> {
    let mut reached = vec![Vec::new(); brokers.len()];
    for round in 0..=ROUNDS {
        for (at, reached) in reached.iter_mut().enumerate() {
            calm();
            let turn = turn(at);
            // The first round only warms up.
            if round > 0 {
                reached.push(turn);
            }
        }
    }
    let middle = |of: &[Reached], part: fn(&Reached) -> f64| median(&of.iter().map(part).collect::<Vec<_>>());
    let middles = reached
        .iter()
        .map(|of| Reached { per_s: middle(of, |one| one.per_s), cpu: middle(of, |one| one.cpu) });
    brokers.iter().copied().zip(middles).collect()
}

/// How many times Apache Kafka's rate is wanted, at which part of its CPU.
struct Target {
    times: f64,
    cpu: f64,
}

fn times(times: f64) -> Target {
    Target { times, cpu: f64::INFINITY }
}

/// Measures producers of one shape to one partition.
fn beside(workload: &str, shape: Shape, settings: &[(&str, &str)], target: &Target) -> Line {
    let brokers = Brokers::start("kafka-produce");
    let reached = produced(&brokers.all(), 1, shape, settings);
    compared(workload, &reached, target)
}

fn produced(
    brokers: &[Broker],
    partitions: i32,
    shape: Shape,
    settings: &[(&str, &str)],
) -> Vec<(Broker, Reached)> {
    let topic = format!("produced-{partitions}");
    let one = Shape { records: 1, ..shape }.batch();
    let mut producers: Vec<Producer> = brokers
        .iter()
        .map(|broker| {
            Client::open(broker.address).create_topic(&topic, partitions, settings, &one);
            Producer::new(*broker, &topic, partitions, shape)
        })
        .collect();
    turns(brokers, |at| producers[at].turn(TURN))
}

fn compared(workload: &str, reached: &[(Broker, Reached)], target: &Target) -> Line {
    let (_, own) = reached[0];
    let mut wanted = format!("≥ {}× Kafka", target.times);
    if target.cpu.is_finite() {
        wanted += &format!(", ≤ {} of its CPU", target.cpu);
    }
    let mut measured = format!("{} records/s", grouped(own.per_s));
    let mut line = Line::new("", "", "");
    for (other, its) in &reached[1..] {
        let times = own.per_s / its.per_s;
        line = line.met(times >= target.times && own.cpu <= target.cpu * its.cpu);
        measured += &format!(
            ", {times:.1}× {}'s {}/s at {:.2} CPU-s per million",
            other.name,
            grouped(its.per_s),
            its.cpu
        );
    }
    Line { workload: format!("Kafka, {workload}"), target: wanted, measured, ..line.cpu(own.cpu) }
}

/// Batches, in the page cache before they are answered.
pub fn produce() -> Vec<Line> {
    let small = Target { times: 3.0, cpu: 0.25 };
    vec![
        beside("produce 100 B, 1,000 a batch, acks=1", SMALL, &[], &small),
        beside("produce 1 KiB, 500 a batch, acks=1", LARGE, &[], &times(2.4)),
    ]
}

/// Batches on disk before they are answered.
pub fn produce_synced() -> Vec<Line> {
    let (small, large) = (Shape { acks: -1, ..SMALL }, Shape { acks: -1, ..LARGE });
    vec![
        beside("produce 100 B, 1,000 a batch, synced", small, &SYNCED, &times(4.0)),
        beside("produce 1 KiB, 500 a batch, synced", large, &SYNCED, &times(2.2)),
    ]
}

/// Requests of one record.
pub fn single() -> Vec<Line> {
    let shape = Shape { records: 1, window: 100, stride: 50, ..SMALL };
    vec![beside("one record of 100 B per request, 100 in flight, acks=1", shape, &[], &times(8.0))]
}

/// The same requests to one partition and to 1,000 in turn.
pub fn partitions() -> Vec<Line> {
    let brokers = Brokers::start("kafka-partitions");
    let one = produced(&brokers.all(), 1, SMALL, &[]);
    let many = produced(&brokers.all(), 1000, SMALL, &[]);
    let mut measured = Vec::new();
    let part = |at: usize| many[at].1.per_s / one[at].1.per_s;
    for (at, (broker, reached)) in many.iter().enumerate() {
        let rate = grouped(reached.per_s);
        measured.push(format!("{} {rate} records/s, {:.2} of its rate with one", broker.name, part(at)));
    }
    let workload = "Kafka, produce 100 B, 1,000 a batch, acks=1, to 1,000 partitions in turn";
    let line = Line::new(workload, "≥ 0.7 of one partition", measured.join("; "));
    vec![line.met(part(0) >= 0.7).cpu(many[0].1.cpu)]
}

/// A log of 1 GiB in records of 1 KiB, read from its start by one consumer.
pub fn consume() -> Vec<Line> {
    let brokers = Brokers::start("kafka-consume");
    let all = brokers.all();
    for broker in &all {
        Client::open(broker.address).create_topic("read", 1, &[], &READ.batch());
        // More than is read, so that nothing comes from memory which has not reached its file yet.
        Producer::new(*broker, "read", 1, READ).fill(3 * READ_BYTES / 2 / 1024);
    }
    let cached = turns(&all, |at| kafka_load::consume(all[at], "read", READ_BYTES));
    let cold = turns(&all, |at| {
        brokers.forget();
        kafka_load::consume(all[at], "read", READ_BYTES)
    });
    vec![
        read("consume 1 KiB from the page cache", &cached, 1.4),
        read("consume 1 KiB from the disk", &cold, 5.0),
    ]
}

fn read(workload: &str, reached: &[(Broker, Reached)], target: f64) -> Line {
    let (_, own) = reached[0];
    let mut line = Line::new(format!("Kafka, {workload}"), format!("≥ {target}× Kafka"), "");
    line.measured = format!("{:.0} MB/s at {:.2} CPU-s per GB", own.per_s / 1e6, own.cpu);
    for (other, its) in &reached[1..] {
        let times = own.per_s / its.per_s;
        let (name, rate) = (other.name, its.per_s / 1e6);
        line.measured += &format!(", {times:.1}× {name}'s {rate:.0} MB/s at {:.2}", its.cpu);
        line = line.met(times >= target);
    }
    line
}

/// One record per request at a fixed rate, to a consumer that waits for it.
pub fn latency() -> Vec<Line> {
    precise_timers();
    let brokers = Brokers::start("kafka-latency");
    vec![at_rate(&brokers, false, (0.20, 0.35)), at_rate(&brokers, true, (0.40, 1.2))]
}

fn at_rate(brokers: &Brokers, synced: bool, target: (f64, f64)) -> Line {
    let (topic, acks, settings) = if synced { ("synced", -1, &SYNCED[..]) } else { ("unsynced", 1, &[][..]) };
    let mut sides: Vec<_> = brokers.all().into_iter().map(|broker| (broker, Vec::new())).collect();
    for (broker, _) in &sides {
        Client::open(broker.address).create_topic(topic, 1, settings, &Shape { records: 1, ..SMALL }.batch());
    }
    for round in 0..=ROUNDS {
        for (broker, latencies) in &mut sides {
            calm();
            let turn = paced(*broker, topic, acks, 1000, TURN);
            // The first round only warms up.
            if round > 0 {
                latencies.push(turn);
            }
        }
    }
    let of = |turns: &[_]| {
        let (p50, p99) = middle(turns);
        (p50 / 1e3, p99 / 1e3)
    };
    let own = of(&sides[0].1);
    let measured: Vec<String> = sides
        .iter()
        .map(|(broker, turns)| {
            let (p50, p99) = of(turns);
            format!("{} {p50:.2}/{p99:.2} ms", broker.name)
        })
        .collect();
    let workload = format!("Kafka, end to end at 1,000/s, {topic}, p50/p99");
    Line::new(workload, format!("≤ {}/{} ms", target.0, target.1), measured.join(", "))
        .met(own.0 <= target.0 && own.1 <= target.1)
}

/// From the start of the process to the first batch that it took, in a directory that an orderly end left; and what it
/// takes of memory then, and after a load.
pub fn start() -> Vec<Line> {
    let scratch = Scratch::new("kafka-start");
    let one = Shape { records: 1, ..SMALL }.batch();
    let first = |address| {
        let began = Instant::now();
        Client::open(address).await_partition("started", 0, &one);
        began.elapsed()
    };
    let load = |broker: Broker| {
        let idle = resident_of(broker.pid) as f64 / 1e6;
        Producer::new(broker, "started", 1, SMALL).fill(10_000_000);
        [idle, resident_of(broker.pid) as f64 / 1e6]
    };
    let data = scratch.path("data");
    let process = Process::broker(&data);
    Client::open(sluice(&process).address).create_topic("started", 1, &[], &one);
    process.stop();
    let process = Process::broker(&data);
    let own = process.ready_after + first(sluice(&process).address);
    let own_memory = load(sluice(&process));
    drop(process);
    let its = beside_start(&scratch.path("kafka"), &one, &first, &load);
    let mut started = format!("Sluice {:.2} s", own.as_secs_f64());
    let [idle, loaded] = own_memory;
    let mut memory = format!("Sluice {idle:.0} MB, {loaded:.0} MB after 10 million records of 100 B");
    let target = "≤ a tenth of Kafka's";
    let mut met = None;
    if let Some((its_start, [its_idle, its_loaded])) = its {
        started += &format!(", Kafka {:.1} s", its_start.as_secs_f64());
        memory += &format!("; Kafka {its_idle:.0} MB, {its_loaded:.0} MB");
        met = Some(idle <= its_idle / 10.0 && loaded <= its_loaded / 10.0);
    }
    let memory = Line { met, ..Line::new("Kafka, resident memory", target, memory) };
    let fast = own < Duration::from_millis(300);
    vec![Line::new("Kafka, start to first produce", "< 0.3 s", started).met(fast), memory]
}

fn beside_start(
    base: &Path,
    one: &[u8],
    first: &dyn Fn(std::net::SocketAddr) -> Duration,
    load: &dyn Fn(Broker) -> [f64; 2],
) -> Option<(Duration, [f64; 2])> {
    let kafka = ApacheKafka::start(base)?;
    Client::open(kafka.address).create_topic("started", 1, &[], one);
    kafka.stop();
    let kafka = ApacheKafka::start(base)?;
    let started = kafka.ready_after + first(kafka.address);
    let memory = load(Broker { name: "Kafka", address: kafka.address, pid: kafka.pid() });
    Some((started, memory))
}
