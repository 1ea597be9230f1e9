//! What the queue engine's properties cost beside a plain queue: the engine and the journal alone, every answer synced.

use std::time::Duration;

use bytes::Bytes;
use message::{ExchangeName, HeaderTable};
use queue_engine::{BindingTarget, Destination, NewMessage, QueueOptions};

use crate::process::resident_of;
use crate::queue_load::{QueueLoad, Rate};
use crate::setup::payload;
use crate::shard::now;
use crate::table::{Line, grouped, median};

const MILLION: u64 = 1_000_000;
const KEYS: u64 = 100_000;
const ROUNDS: usize = 3;

fn message(body: &Bytes) -> NewMessage {
    NewMessage { body: body.clone(), ..NewMessage::default() }
}

fn body() -> Bytes {
    Bytes::from(payload(100))
}

fn middle(rates: &[Rate]) -> Rate {
    let of = |value: fn(&Rate) -> f64| median(&rates.iter().map(value).collect::<Vec<_>>());
    Rate { per_s: of(|rate| rate.per_s), cpu: of(|rate| rate.cpu) }
}

/// Turns of what is compared, each on a fresh engine.
fn compare(mut run: impl FnMut(bool) -> (Rate, f64)) -> ((Rate, f64), (Rate, f64)) {
    let (mut plain, mut special) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(run(false));
        special.push(run(true));
    }
    let sum = |runs: &[(Rate, f64)]| {
        let rates: Vec<Rate> = runs.iter().map(|(rate, _)| *rate).collect();
        (middle(&rates), median(&runs.iter().map(|(_, memory)| *memory).collect::<Vec<_>>()))
    };
    (sum(&plain), sum(&special))
}

/// A line for a property beside the plain queue of the same run: at most twice its CPU.
fn beside(workload: &str, (plain, plain_memory): (Rate, f64), (rate, memory): (Rate, f64)) -> Line {
    let ratio = rate.cpu / plain.cpu;
    let mut measured = format!(
        "{} messages/s, {ratio:.2}× the plain queue's CPU ({:.2} CPU-s per million at {}/s)",
        grouped(rate.per_s),
        plain.cpu,
        grouped(plain.per_s),
    );
    if memory > 0.0 {
        measured += &format!("; {memory:.0} B of memory per message, plain {plain_memory:.0}");
    }
    Line::new(workload, "≤ 2× the plain queue", measured).met(ratio <= 2.0).cpu(rate.cpu)
}

/// Publish, deliver and ack over 1, 10 and 10,000 queues.
pub fn many() -> Vec<Line> {
    let body = body();
    let line = |(queues, run): (usize, u64)| {
        let rates: Vec<Rate> = (0..ROUNDS)
            .map(|_| {
                let mut load = QueueLoad::new("queues-many", queues, &QueueOptions::default());
                load.subscribe_all();
                load.flow(run, |_| message(&body))
            })
            .collect();
        let rate = middle(&rates);
        let mut load = QueueLoad::new("queues-many", queues, &QueueOptions::default());
        let memory = load.fill(MILLION, |_| message(&body));
        Line::new(
            format!("engine alone, {} queues, publish + deliver + ack 100 B, synced", grouped(queues as f64)),
            "≥ 600,000/s, ≤ 3 CPU-s per million",
            format!(
                "{} messages/s; {memory:.0} B of memory per message of 1 million ready",
                grouped(rate.per_s)
            ),
        )
        .met(rate.per_s >= 600_000.0 && rate.cpu <= 3.0)
        .cpu(rate.cpu)
    };
    [(1, 250), (10, 25), (10_000, 1)].into_iter().map(line).collect()
}

/// One message to a thousand queues: stored once.
pub fn fanout() -> Vec<Line> {
    const QUEUES: usize = 1000;
    const MESSAGES: u64 = 1000;
    let body = body();
    let mut load = QueueLoad::new("queues-fanout", QUEUES, &QueueOptions::default());
    let source = ExchangeName::new("amq.fanout").expect("a name");
    for queue in 0..QUEUES {
        load.shard.make_room(1 << 16);
        let target = BindingTarget::Queue(load.name(queue).clone());
        let (block, none) = (load.shard.journal.block(), HeaderTable::default());
        load.shard.queue.bind(block, &source, &target, "", &none, now()).expect("a binding");
    }
    let (began, cpu) = (std::time::Instant::now(), crate::process::cpu_seconds_of(std::process::id()));
    let (resident, written) = (resident_of(std::process::id()), load.shard.journal.end().0);
    for _ in 0..MESSAGES {
        load.shard.make_room(256 << 10);
        let to = Destination::Exchange { name: "amq.fanout", routing_key: "" };
        let block = load.shard.journal.block();
        load.shard.queue.publish(block, to, message(&body), now()).expect("a publish");
        load.shard.outbox();
        load.shard.commit(Default::default());
        while load.shard.under_way() > 8 {
            load.shard.released(true);
        }
    }
    load.settle_down();
    let copies = (MESSAGES * QUEUES as u64) as f64;
    let rate = copies / began.elapsed().as_secs_f64();
    let cpu = (crate::process::cpu_seconds_of(std::process::id()) - cpu) * 1e6 / copies;
    let memory = resident_of(std::process::id()).saturating_sub(resident) as f64 / copies;
    let stored = (load.shard.journal.end().0 - written) as f64 / copies;
    let measured = format!(
        "{} copies/s into 1,000 queues; {memory:.0} B of memory and {stored:.1} B of journal per copy",
        grouped(rate)
    );
    // A copy that had the body again would take more than its 100 bytes.
    vec![
        Line::new("engine alone, fan-out 1 → 1,000, 100 B, synced", "body stored once", measured)
            .met(stored < 100.0)
            .cpu(cpu),
    ]
}

/// A million ready messages of ten priorities, and more coming and going.
pub fn priority() -> Vec<Line> {
    let body = body();
    let (plain, special) = compare(|priorities| {
        let max_priority = priorities.then_some(9);
        let mut load =
            QueueLoad::new("queues-priority", 1, &QueueOptions { max_priority, ..QueueOptions::default() });
        let new =
            |n: u64| NewMessage { priority: priorities.then_some((n * 7 % 10) as u8), ..message(&body) };
        let memory = load.fill(MILLION, new);
        load.subscribe_paced();
        (load.flow(250, new), memory)
    });
    vec![beside("engine alone, priority with 1 million ready, synced", plain, special)]
}

/// A million delayed messages: what they cost while they wait, and when they are due.
pub fn delayed() -> Vec<Line> {
    let body = body();
    let waiting = compare(|delays| {
        let mut load = QueueLoad::new("queues-delayed", 1, &QueueOptions::default());
        let mut memory = 0.0;
        if delays {
            let later =
                |n: u64| NewMessage { delay: Some(Duration::from_secs(3600 + n % 1000)), ..message(&body) };
            memory = load.fill(MILLION, later);
        }
        load.subscribe_all();
        (load.flow(250, |_| message(&body)), memory)
    });
    let due = compare(|delays| {
        let mut load = QueueLoad::new("queues-due", 1, &QueueOptions::default());
        let delay = delays.then_some(Duration::from_millis(1));
        let memory = load.fill(MILLION, |_| NewMessage { delay, ..message(&body) });
        (load.drain(MILLION), memory)
    });
    vec![
        beside(
            "engine alone, publish + deliver + ack beside 1 million delayed, synced",
            waiting.0,
            waiting.1,
        ),
        beside("engine alone, 1 million delayed fall due, deliver + ack, synced", due.0, due.1),
    ]
}

/// Order per key with 100,000 keys.
pub fn keys() -> Vec<Line> {
    let body = body();
    let keyed =
        |n: u64| NewMessage { key: Some(Bytes::from(format!("key-{}", n * 7919 % KEYS))), ..message(&body) };
    let flowing = compare(|order_per_key| {
        let options = QueueOptions { order_per_key, ..QueueOptions::default() };
        let memory = QueueLoad::new("queues-keys", 1, &options).fill(MILLION, keyed);
        let mut load = QueueLoad::new("queues-keys", 1, &options);
        load.subscribe_all();
        (load.flow(250, keyed), memory)
    });
    let backlog = compare(|order_per_key| {
        let options = QueueOptions { order_per_key, ..QueueOptions::default() };
        let mut load = QueueLoad::new("queues-key-backlog", 1, &options);
        let memory = load.fill(MILLION, keyed);
        (load.drain(MILLION), memory)
    });
    vec![
        beside(
            "engine alone, order per key over 100,000 keys, publish + deliver + ack, synced",
            flowing.0,
            flowing.1,
        ),
        beside(
            "engine alone, order per key, 1 million ready of 100,000 keys, deliver + ack, synced",
            backlog.0,
            backlog.1,
        ),
    ]
}

/// A million open leases, acked.
pub fn leases() -> Vec<Line> {
    let body = body();
    let mut load = QueueLoad::new("queues-leases", 1, &QueueOptions::default());
    let memory = load.fill(MILLION, |_| message(&body));
    let (rate, count) = load.settle_all();
    assert_eq!(count, MILLION);
    let measured =
        format!("{} acks/s in calls of 1,000; {memory:.0} B of memory per message", grouped(rate.per_s));
    vec![
        Line::new(
            "engine alone, settle of 1 million leases, synced",
            "≥ 600,000/s, ≤ 3 CPU-s per million",
            measured,
        )
        .met(rate.per_s >= 600_000.0 && rate.cpu <= 3.0)
        .cpu(rate.cpu),
    ]
}
