//! Usual clients beside Apache Kafka: its own tools, and `kcat` for librdkafka. On two cores they often measure
//! themselves, so each line says what the clients took of the processors and what was left for the broker.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;
use std::time::Duration;

use log_engine::batch::{BatchBuilder, Codec};

use super::kafka::{Brokers, calm};
use crate::apache_kafka::class_path;
use crate::crowd::{Crowd, Member, Progress, Turn};
use crate::kafka::Client;
use crate::kafka_load::{Producer, Shape};
use crate::process::{Broker, Scratch};
use crate::setup::payload;
use crate::shard::now;
use crate::table::{Line, grouped, median, tell};

const TURN: Duration = Duration::from_millis(2400);
const ROUNDS: usize = 3;
/// What each consumer finds: more than it reads in all turns, in batches as large as producers that have much to send make.
const PREPARED_TOPIC: &str = "prepared";
const PREPARED: u64 = 30_000_000;
const PREPARED_BATCH: usize = 5000;
/// Clients that take this part of all cores leave too little for a broker to decide.
const MOST_CORES: f64 = 0.75;
/// A client whose busiest thread does this much of a core waits for little but its other threads.
const BUSY_THREAD: f64 = 0.75;
/// A broker that keeps this much of one core busy may be what clients wait for.
const BUSY_BROKER: f64 = 0.5;

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    PerfTest,
    /// librdkafka.
    Kcat,
    VerifiableProducer,
    VerifiableConsumer,
}

/// As one client and as ten; each line is told when it is there.
pub fn run(tool: Tool, codec: Codec) -> Vec<Line> {
    if tool.is_here() {
        beside(&Brokers::start("kafka-clients"), tool, codec, "");
    }
    Vec::new()
}

/// Consumers beside an Apache Kafka that has what it answers on disk, as Sluice has: each commits, and waits for that.
pub fn run_synced_commits() -> Vec<Line> {
    if Tool::VerifiableConsumer.is_here() {
        let brokers = Brokers::start_with("kafka-clients", "log.flush.interval.messages=1");
        beside(&brokers, Tool::VerifiableConsumer, Codec::None, ", beside a Kafka that syncs commits, too");
    }
    Vec::new()
}

fn beside(brokers: &Brokers, tool: Tool, codec: Codec, whom: &str) {
    let scratch = Scratch::new("kafka-clients-input");
    let settings = scratch.path("settings");
    // Numbers are so short that the usual 32 MiB of them fill the tool's heap with what it notes of each.
    let text = format!("compression.type={}\nbuffer.memory=4194304\n", codec.as_str());
    std::fs::write(&settings, text).expect("a file");
    let reading = brokers.all().into_iter().filter(|_| tool == Tool::VerifiableConsumer);
    reading.for_each(|broker| prepare(broker, codec));
    for clients in [1, 10] {
        let reached = measure(&brokers.all(), tool, codec, clients, &settings);
        let workload = format!("Kafka, {}, {}, {clients} at once{whom}", tool.name(), codec.as_str());
        tell(&compared(workload, &brokers.all(), &reached));
    }
}

/// Has a topic hold what consumers read: numbers, as `kafka-verifiable-producer` sends them.
fn prepare(broker: Broker, codec: Codec) {
    let mut builder = BatchBuilder::new(now());
    for number in 0..PREPARED_BATCH {
        builder.push(None, Some((1_000_000 + number).to_string().as_bytes()), &[], None);
    }
    let batch = builder.build_compressed(codec).expect("a batch that is packed");
    let shape = Shape { size: 0, records: PREPARED_BATCH, acks: 1, window: 5, stride: 1 };
    Client::open(broker.address).create_topic(PREPARED_TOPIC, 1, &[], batch.as_bytes());
    Producer::of_batches(broker, PREPARED_TOPIC, 1, shape, batch.as_bytes()).fill(PREPARED);
}

fn measure(brokers: &[Broker], tool: Tool, codec: Codec, clients: usize, settings: &Path) -> Vec<Vec<Turn>> {
    let start = |broker: &Broker| {
        let members =
            (0..clients).map(|number| tool.start(*broker, codec, settings, &format!("{clients}-{number}")));
        Crowd::start(*broker, members.collect(), tool.warm())
    };
    let mut crowds: Vec<Crowd> = brokers.iter().map(start).collect();
    let mut reached = vec![Vec::new(); brokers.len()];
    for round in 0..=ROUNDS {
        for (crowd, reached) in crowds.iter_mut().zip(&mut reached) {
            calm();
            let turn = crowd.turn(TURN);
            // The first round only warms up.
            if round > 0 {
                reached.push(turn);
            }
        }
    }
    reached
}

fn compared(workload: String, brokers: &[Broker], reached: &[Vec<Turn>]) -> Line {
    let middle = |of: &[Turn], part: fn(&Turn) -> f64| median(&of.iter().map(part).collect::<Vec<_>>());
    let own = &reached[0];
    let (per_s, clients, busiest) =
        (middle(own, |one| one.per_s), middle(own, |one| one.clients), middle(own, |one| one.busiest));
    let cores = available_parallelism().map_or(1, usize::from) as f64;
    let broker = middle(own, |one| one.broker);
    let bound = broker < BUSY_BROKER && (clients >= MOST_CORES * cores || busiest >= BUSY_THREAD);
    let mut measured = format!("{} records/s", grouped(per_s));
    let mut line = Line::new(workload, "client-bound, or ≥ 2× Kafka", "");
    for (other, its) in brokers.iter().zip(reached).skip(1) {
        let (its_rate, its_cpu) = (middle(its, |one| one.per_s), middle(its, |one| one.broker_cpu));
        let times = per_s / its_rate;
        let name = other.name;
        measured +=
            &format!(", {times:.1}× {name}'s {}/s at {its_cpu:.2} CPU-s per million", grouped(its_rate));
        line = line.met(bound || times >= 2.0);
    }
    let bound = if bound { "client-bound" } else { "not client-bound" };
    measured += &format!(
        "; {bound}: clients took {clients:.2} of {cores} cores, their busiest thread {busiest:.2}, Sluice {broker:.2}"
    );
    Line { measured, ..line.cpu(middle(own, |one| one.broker_cpu)) }
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Tool::PerfTest => "kafka-producer-perf-test of 100 B",
            Tool::Kcat => "kcat (librdkafka) of 100 B",
            Tool::VerifiableProducer => "kafka-verifiable-producer",
            Tool::VerifiableConsumer => "kafka-verifiable-consumer",
        }
    }

    /// How many records each client moves before it is measured. Java compiles what it often does meanwhile.
    fn warm(self) -> u64 {
        match self {
            Tool::PerfTest | Tool::VerifiableConsumer => 400_000,
            Tool::VerifiableProducer => 100_000,
            Tool::Kcat => 20_000,
        }
    }

    fn is_here(self) -> bool {
        match self {
            Tool::Kcat => Command::new("kcat").arg("-V").stdout(Stdio::null()).status().is_ok(),
            _ => class_path().is_some(),
        }
    }

    /// Starts a client that does not end by itself. Each producer has a topic of its own, each consumer a group, so
    /// that what each has done can be told.
    fn start(self, broker: Broker, codec: Codec, settings: &Path, number: &str) -> Member {
        let (address, topic) = (broker.address.to_string(), format!("{self:?}-{}-{number}", codec.as_str()));
        if self != Tool::VerifiableConsumer {
            let one = Shape { size: 100, records: 1, acks: 1, window: 1, stride: 1 }.batch();
            Client::open(broker.address).create_topic(&topic, 1, &[], &one);
        }
        let written = |processes| Member { processes, progress: Progress::Written(topic.clone()) };
        match self {
            Tool::PerfTest => {
                let mut java = java("org.apache.kafka.tools.ProducerPerformance");
                java.args(["--topic", &topic, "--record-size", "100", "--throughput", "-1"]);
                java.args(["--num-records", "2000000000", "--producer-props", "acks=1"]);
                java.arg(format!("bootstrap.servers={address}"));
                java.arg(format!("compression.type={}", codec.as_str()));
                written(vec![spawned(java.stdout(Stdio::null()))])
            }
            Tool::Kcat => {
                let line = String::from_utf8(payload(100)).expect("letters");
                let mut lines = spawned(Command::new("yes").arg(line).stdout(Stdio::piped()));
                let mut kcat = Command::new("kcat");
                kcat.args(["-P", "-b", &address, "-t", &topic, "-X", "acks=1", "-z", codec.as_str()]);
                kcat.stdin(lines.stdout.take().expect("a pipe")).stdout(Stdio::null());
                written(vec![kcat.stderr(Stdio::null()).spawn().expect("a client"), lines])
            }
            Tool::VerifiableProducer => {
                let mut java = java("org.apache.kafka.tools.VerifiableProducer");
                java.args([
                    "--bootstrap-server",
                    &address,
                    "--topic",
                    &topic,
                    "--acks",
                    "1",
                    "--command-config",
                ]);
                written(vec![spawned(java.arg(settings).stdout(Stdio::null()))])
            }
            Tool::VerifiableConsumer => {
                let mut java = java("org.apache.kafka.tools.VerifiableConsumer");
                java.args(["--bootstrap-server", &address, "--topic", PREPARED_TOPIC, "--group-id", &topic]);
                java.args(["--reset-policy", "earliest"]).stdout(Stdio::piped());
                let mut process = spawned(&mut java);
                let progress = Progress::told_by(process.stdout.take().expect("a pipe"), PREPARED);
                Member { processes: vec![process], progress }
            }
        }
    }
}

/// Java with as much memory as the start scripts of the tools give it.
fn java(class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-cp", &class_path().unwrap_or_default(), class]);
    command
}

fn spawned(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("a client")
}
