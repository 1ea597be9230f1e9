//! AMQP 0-9-1 beside Debian's RabbitMQ: the same client, turn by turn in one run. Durable queues, persistent messages and
//! confirms (1,000 unconfirmed), prefetch 200 and one ack per message, unless a line says otherwise.

use std::time::Duration;

use crate::amqp::{Client, Shape};
use crate::amqp_lapin;
use crate::amqp_load::{Load, Messages, Reached, paced};
use crate::latency::{middle, precise_timers};
use crate::process::{Broker, Process, Scratch, resident_of};
use crate::rabbitmq::RabbitMq;
use crate::table::{Line, grouped, median};

const TURN: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

/// Both brokers on empty directories.
struct Brokers {
    sluice: Process,
    rabbit: Option<RabbitMq>,
    _scratch: Scratch,
}

impl Brokers {
    fn start(name: &str) -> Brokers {
        let scratch = Scratch::new(name);
        let sluice = Process::amqp_broker(&scratch.path("data"));
        let rabbit = RabbitMq::start(&scratch.path("rabbitmq"));
        Brokers { sluice, rabbit, _scratch: scratch }
    }

    fn all(&self) -> Vec<Broker> {
        let address = self.sluice.amqp.expect("the door is open");
        let sluice = Broker { name: "Sluice", address, pid: self.sluice.pid() };
        let rabbit = self.rabbit.as_ref();
        let rabbit =
            rabbit.map(|rabbit| Broker { name: "RabbitMQ", address: rabbit.address, pid: rabbit.pid });
        std::iter::once(sluice).chain(rabbit).collect()
    }
}

/// A workload.
#[derive(Clone, Copy)]
struct Work {
    queues: usize,
    publishers: usize,
    consumers: usize,
    size: usize,
    durable: bool,
    max_priority: u8,
    /// Messages that are there before.
    ready: u64,
    /// Whether every message goes to every queue.
    fans_out: bool,
}

const PLAIN: Work = Work {
    queues: 1,
    publishers: 1,
    consumers: 1,
    size: 100,
    durable: true,
    max_priority: 0,
    ready: 0,
    fans_out: false,
};

impl Work {
    fn load(&self, broker: Broker) -> Load {
        let queues: Vec<String> = (0..self.queues).map(|number| format!("queue-{number}")).collect();
        let mut client = Client::open(broker.address);
        client.declare(&queues, self.durable, self.max_priority);
        if self.fans_out {
            client.bind(&queues, "amq.fanout");
        }
        let shape = |routing_key| Shape { exchange: "", routing_key, persistent: self.durable, priority: 0 };
        let shapes: Vec<Shape<'_>> = match (self.fans_out, self.max_priority) {
            (true, _) => vec![Shape { exchange: "amq.fanout", ..shape("") }],
            (false, 0) => queues.iter().map(|queue| shape(queue)).collect(),
            (false, most) => (0..=most).map(|priority| Shape { priority, ..shape(&queues[0]) }).collect(),
        };
        let messages = Messages::new(&shapes, self.size);
        let copies = if self.fans_out { self.queues as u64 } else { 1 };
        if self.ready > 0 {
            Load::new(broker, 1, 0, &queues, messages.clone(), copies).fill(self.ready);
        }
        Load::new(broker, self.publishers, self.consumers, &queues, messages, copies)
    }

    /// Turns of both brokers; the middle ones.
    fn measure(&self, name: &str) -> Vec<(Broker, Reached)> {
        let brokers = Brokers::start(name);
        let mut loads: Vec<(Broker, Load, Vec<Reached>)> =
            brokers.all().into_iter().map(|broker| (broker, self.load(broker), Vec::new())).collect();
        for round in 0..=ROUNDS {
            for (_, load, reached) in &mut loads {
                let turn = load.turn(TURN, self.ready == 0);
                // The first round only warms up.
                if round > 0 {
                    reached.push(turn);
                }
            }
        }
        loads.into_iter().map(|(broker, _, turns)| (broker, middle_of(&turns))).collect()
    }
}

struct Target {
    per_s: f64,
    cpu: f64,
    times: f64,
}

/// The middle of several turns.
fn middle_of(turns: &[Reached]) -> Reached {
    let of = |read: fn(&Reached) -> f64| median(&turns.iter().map(read).collect::<Vec<_>>());
    Reached { per_s: of(|one| one.per_s), cpu: of(|one| one.cpu) }
}

/// What Sluice reached, and how often that is what RabbitMQ did.
fn told(reached: &[(Broker, Reached)]) -> String {
    let (_, own) = reached[0];
    let mut told = format!("{} messages/s", grouped(own.per_s));
    for (other, its) in &reached[1..] {
        let (times, per_s) = (own.per_s / its.per_s, grouped(its.per_s));
        told += &format!(", {times:.1}× {}'s {per_s}/s at {:.1} CPU-s per million", other.name, its.cpu);
    }
    told
}

/// Measures a workload: at least so many messages a second, so little CPU, so many times RabbitMQ's.
fn beside(workload: &str, work: Work, target: Target) -> Line {
    let reached = work.measure("amqp");
    let (_, own) = reached[0];
    let mut wanted = Vec::new();
    let mut met = own.per_s >= target.per_s && own.cpu <= target.cpu;
    if target.per_s > 0.0 {
        wanted.push(format!("≥ {}/s", grouped(target.per_s)));
    }
    if target.cpu.is_finite() {
        wanted.push(format!("≤ {} CPU-s per million", target.cpu));
    }
    met &= reached[1..].iter().all(|(_, its)| own.per_s >= target.times * its.per_s);
    if target.times > 0.0 {
        wanted.push(format!("≥ {}× RabbitMQ", target.times));
    }
    Line::new(format!("AMQP, {workload}"), wanted.join(", "), told(&reached)).met(met).cpu(own.cpu)
}

fn at_least(per_s: f64, cpu: f64) -> Target {
    Target { per_s, cpu, times: 0.0 }
}

const SEVEN_TIMES: Target = Target { per_s: 0.0, cpu: f64::INFINITY, times: 7.0 };

/// One queue: 100 B and 1 KiB synced before each confirm, 100 B transient.
pub fn one_queue() -> Vec<Line> {
    vec![
        beside("100 B, durable, synced", PLAIN, at_least(250_000.0, 4.0)),
        beside("1 KiB, durable, synced", Work { size: 1024, ..PLAIN }, at_least(130_000.0, f64::INFINITY)),
        beside("100 B, transient", Work { durable: false, ..PLAIN }, at_least(400_000.0, 3.0)),
    ]
}

/// The first of these by lapin, which costs more than the broker does: it is what users run.
pub fn lapin() -> Vec<Line> {
    let brokers = Brokers::start("amqp-lapin");
    let queue = "lapin".to_owned();
    let mut sides: Vec<(Broker, Vec<Reached>)> =
        brokers.all().into_iter().map(|broker| (broker, Vec::new())).collect();
    for (broker, _) in &sides {
        Client::open(broker.address).declare(std::slice::from_ref(&queue), true, 0);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for round in 0..=ROUNDS {
        for (broker, turns) in &mut sides {
            let turn = runtime.block_on(amqp_lapin::turn(*broker, &queue, TURN));
            // The first round only warms up.
            if round > 0 {
                turns.push(turn);
            }
        }
    }
    let reached: Vec<(Broker, Reached)> =
        sides.into_iter().map(|(broker, turns)| (broker, middle_of(&turns))).collect();
    vec![Line::new("AMQP, 100 B, durable, synced, by lapin", "", told(&reached)).cpu(reached[0].1.cpu)]
}

/// One message to 100 queues.
pub fn fanout() -> Vec<Line> {
    let work = Work { queues: 100, fans_out: true, ..PLAIN };
    vec![beside("fan-out to 100 queues, deliveries", work, SEVEN_TIMES)]
}

/// Priorities with a million ready.
pub fn priority() -> Vec<Line> {
    let work = Work { max_priority: 9, ready: 1_000_000, ..PLAIN };
    vec![beside("priority queue with 1 million ready", work, SEVEN_TIMES)]
}

/// 10,000 queues in turn.
pub fn queues() -> Vec<Line> {
    vec![beside("10,000 queues", Work { queues: 10_000, ..PLAIN }, SEVEN_TIMES)]
}

/// 10 publishers and 10 consumers on one queue.
pub fn crowd() -> Vec<Line> {
    let work = Work { publishers: 10, consumers: 10, ..PLAIN };
    vec![beside("10 producers and 10 consumers on one queue", work, SEVEN_TIMES)]
}

/// Milliseconds at which half and 99 % have arrived.
struct Times {
    p50: f64,
    p99: f64,
}

/// Confirms and messages at fixed rates.
pub fn latency() -> Vec<Line> {
    precise_timers();
    let brokers = Brokers::start("amqp-latency");
    let (synced, transient) = (Times { p50: 0.40, p99: 1.2 }, Times { p50: 0.20, p99: 0.33 });
    let busy = Times { p50: 0.45, p99: 1.1 };
    let rows = [(true, 1000, synced), (false, 1000, transient), (true, 10_000, busy)];
    rows.into_iter()
        .map(|(durable, per_second, target)| at_rate(&brokers, durable, per_second, target))
        .collect()
}

fn at_rate(brokers: &Brokers, durable: bool, per_second: u32, target: Times) -> Line {
    let queue = format!("latency-{durable}-{per_second}");
    let mut sides: Vec<_> = brokers.all().into_iter().map(|one| (one, Vec::new(), Vec::new())).collect();
    for (broker, ..) in &sides {
        Client::open(broker.address).declare(std::slice::from_ref(&queue), durable, 0);
    }
    for round in 0..=ROUNDS {
        for (broker, confirms, arrivals) in &mut sides {
            let (confirmed, arrived) = paced(*broker, &queue, durable, per_second, TURN);
            // The first round only warms up.
            if round > 0 {
                confirms.push(confirmed);
                arrivals.push(arrived);
            }
        }
    }
    let mut measured = Vec::new();
    let mut met = true;
    for (at, (broker, confirms, arrivals)) in sides.iter().enumerate() {
        let [(c50, c99), (e50, e99)] =
            [confirms, arrivals].map(|turns| middle(turns)).map(|(p50, p99)| (p50 / 1e3, p99 / 1e3));
        if at == 0 {
            met = c50.max(e50) <= target.p50 && c99.max(e99) <= target.p99;
        }
        measured
            .push(format!("{} confirms {c50:.2}/{c99:.2} ms, end to end {e50:.2}/{e99:.2} ms", broker.name));
    }
    let kind = if durable { "synced" } else { "transient" };
    let workload =
        format!("AMQP, confirm and end to end at {}/s, {kind}, p50/p99", grouped(f64::from(per_second)));
    Line::new(workload, format!("≤ {}/{} ms", target.p50, target.p99), measured.join("; ")).met(met)
}

/// What idle connections, idle queues and a million unconsumed messages take.
pub fn memory() -> Vec<Line> {
    const CONNECTIONS: usize = 400;
    const QUEUES: usize = 2000;
    let brokers = Brokers::start("amqp-memory");
    let mut rows: [Vec<(Broker, f64)>; 3] = Default::default();
    for broker in brokers.all() {
        let resident = || resident_of(broker.pid) as f64;
        let mut client = Client::open(broker.address);
        let _warm: Vec<Client> = (0..20).map(|_| Client::open(broker.address)).collect();
        let before = resident();
        let clients: Vec<Client> = (0..CONNECTIONS).map(|_| Client::open(broker.address)).collect();
        rows[0].push((broker, (resident() - before) / 1024.0 / CONNECTIONS as f64));
        drop(clients);
        let names: Vec<String> = (0..QUEUES).map(|number| format!("idle-{number}")).collect();
        client.declare(&names[..100], true, 0);
        let before = resident();
        client.declare(&names[100..], true, 0);
        rows[1].push((broker, (resident() - before) / 1024.0 / (QUEUES - 100) as f64));
        let before = resident();
        let shape = Shape { exchange: "", routing_key: &names[0], persistent: true, priority: 0 };
        Load::new(broker, 1, 0, &names[..1], Messages::new(&[shape], 100), 1).fill(1_000_000);
        rows[2].push((broker, (resident() - before) / 1e6));
    }
    let [connections, queues, messages] = rows;
    vec![
        taken("per idle connection with one channel", &connections, 12.0, "KiB"),
        taken("per idle queue", &queues, 2.0, "KiB"),
        taken("1 million unconsumed messages of 100 B", &messages, 200.0, "MB"),
    ]
}

fn taken(what: &str, sides: &[(Broker, f64)], target: f64, unit: &str) -> Line {
    let measured: Vec<String> =
        sides.iter().map(|(broker, memory)| format!("{} {memory:.1} {unit}", broker.name)).collect();
    Line::new(format!("AMQP, memory, {what}"), format!("≤ {target} {unit}"), measured.join(", "))
        .met(sides[0].1 <= target)
}
