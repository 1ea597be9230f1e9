//! Usual clients beside Apache Kafka: its own `kafka-producer-perf-test`, and `kcat` for librdkafka. On two cores they
//! often measure themselves, so a broker that needs little of the time counts as fast enough.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::kafka::{Brokers, calm};
use crate::apache_kafka::class_path;
use crate::kafka::Client;
use crate::kafka_load::Shape;
use crate::process::{Broker, Scratch, cpu_seconds_of};
use crate::setup::payload;
use crate::table::{Line, grouped, median};

const ROUNDS: usize = 2;
/// Records of 100 B that all clients of a turn produce together.
const RECORDS: usize = 4_000_000;
/// A broker that keeps less than this of one core busy does not hold the client back.
const CLIENT_BOUND: f64 = 0.5;

/// What produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    PerfTest,
    Kcat,
}

/// What a turn reached.
#[derive(Clone, Copy, Debug)]
struct Reached {
    per_s: f64,
    /// The broker's CPU seconds per million records.
    cpu: f64,
    /// How much of one core the broker kept busy.
    busy: f64,
}

/// All of them, with lz4 and none, as one client and as ten.
pub fn run() -> Vec<Line> {
    let scratch = Scratch::new("kafka-clients-input");
    let input = scratch.path("lines");
    let file = std::fs::File::create(&input).expect("a file");
    let mut file = std::io::BufWriter::new(file);
    let mut line = payload(100);
    line.push(b'\n');
    (0..RECORDS / 10).for_each(|_| file.write_all(&line).expect("room"));
    file.flush().expect("room");
    let brokers = Brokers::start("kafka-clients");
    let mut lines = Vec::new();
    for tool in [Tool::PerfTest, Tool::Kcat].into_iter().filter(|tool| tool.is_here()) {
        for codec in ["none", "lz4"] {
            for clients in [1, 10] {
                lines.push(measure(&brokers.all(), tool, codec, clients, &input));
            }
        }
    }
    lines
}

fn measure(brokers: &[Broker], tool: Tool, codec: &str, clients: usize, input: &Path) -> Line {
    let topic = format!("{tool:?}-{codec}-{clients}");
    let one = Shape { size: 100, records: 1, acks: 1, window: 1, stride: 1 }.batch();
    for broker in brokers {
        Client::open(broker.address).create_topic(&topic, 1, &[], &one);
    }
    let mut reached = vec![Vec::new(); brokers.len()];
    for _ in 0..ROUNDS {
        for (broker, reached) in brokers.iter().zip(&mut reached) {
            calm();
            reached.push(turn(*broker, tool, &topic, codec, clients, input));
        }
    }
    let middle = |of: &[Reached], part: fn(&Reached) -> f64| median(&of.iter().map(part).collect::<Vec<_>>());
    let own = &reached[0];
    let (per_s, cpu, busy) =
        (middle(own, |one| one.per_s), middle(own, |one| one.cpu), middle(own, |one| one.busy));
    let mut measured = format!("{} records/s, {busy:.2} of a core", grouped(per_s));
    let mut line = Line::new("", "client-bound, or ≥ 2× Kafka", "");
    for (other, its) in brokers.iter().zip(&reached).skip(1) {
        let (its_rate, its_cpu) = (middle(its, |one| one.per_s), middle(its, |one| one.cpu));
        let times = per_s / its_rate;
        let name = other.name;
        measured +=
            &format!(", {times:.1}× {name}'s {}/s at {its_cpu:.2} CPU-s per million", grouped(its_rate));
        line = line.met(busy < CLIENT_BOUND || times >= 2.0);
    }
    let workload = format!("Kafka, {}, {codec}, {clients} at once, 100 B", tool.name());
    Line { workload, measured, ..line.cpu(cpu) }
}

fn turn(broker: Broker, tool: Tool, topic: &str, codec: &str, clients: usize, input: &Path) -> Reached {
    let (cpu, began) = (cpu_seconds_of(broker.pid), Instant::now());
    let children: Vec<Child> =
        (0..clients).map(|_| tool.start(broker, topic, codec, RECORDS / clients, input)).collect();
    let mut told = 0.0;
    for child in children {
        let output = child.wait_with_output().expect("a client that ends");
        assert!(output.status.success(), "{tool:?} fails against {}", broker.name);
        told += tool.told_rate(&String::from_utf8_lossy(&output.stdout));
    }
    let took = began.elapsed().as_secs_f64();
    let (count, cpu) = (tool.records(clients) as f64, cpu_seconds_of(broker.pid) - cpu);
    // A client that tells its own rate leaves out how long it took to start.
    let per_s = if told > 0.0 { told } else { count / took };
    Reached { per_s, cpu: cpu * 1e6 / count, busy: cpu / (count / per_s) }
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Tool::PerfTest => "kafka-producer-perf-test",
            Tool::Kcat => "kcat (librdkafka)",
        }
    }

    fn is_here(self) -> bool {
        match self {
            Tool::PerfTest => class_path().is_some(),
            Tool::Kcat => Command::new("kcat").arg("-V").stdout(Stdio::null()).status().is_ok(),
        }
    }

    fn records(self, clients: usize) -> usize {
        match self {
            Tool::PerfTest => RECORDS,
            Tool::Kcat => clients * (RECORDS / 10),
        }
    }

    fn start(self, broker: Broker, topic: &str, codec: &str, records: usize, input: &Path) -> Child {
        let address = broker.address;
        let mut command = match self {
            Tool::PerfTest => {
                let mut command = Command::new("java");
                command.args(["-Xmx256m", "-cp", &class_path().unwrap_or_default()]);
                command.args(["org.apache.kafka.tools.ProducerPerformance", "--topic", topic]);
                command.args(["--record-size", "100", "--throughput", "-1"]);
                command.args(["--num-records", &records.to_string(), "--producer-props", "acks=1"]);
                command.arg(format!("bootstrap.servers={address}")).arg(format!("compression.type={codec}"));
                command
            }
            Tool::Kcat => {
                let mut command = Command::new("kcat");
                command.args(["-P", "-b", &address.to_string(), "-t", topic, "-X", "acks=1", "-z", codec]);
                command.arg("-l").arg(input);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a client")
    }

    /// The rate that the client tells at its end, if it does.
    fn told_rate(self, output: &str) -> f64 {
        if self == Tool::Kcat {
            return 0.0;
        }
        let last = output.lines().rfind(|line| line.contains("records sent")).unwrap_or_default();
        let rate = last.split(", ").find_map(|part| part.split_once(" records/sec"));
        rate.and_then(|(rate, _)| rate.trim().parse().ok()).expect("the tool tells its rate")
    }
}
