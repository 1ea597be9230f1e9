//! The engines alone: no sockets, but every answer waits for its sync.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use log_engine::batch::{Batch, BatchBuilder};
use log_engine::{LogEngine, TopicConfig};
use message::TopicName;
use queue_engine::{
    ConsumerOptions, Delivery, Destination, LeaseFor, NewMessage, QueueOptions, Settle, SettleAction,
};

use crate::process::Scratch;
use crate::setup::payload;
use crate::shard::{Shard, now};
use crate::table::{Line, grouped};

const WARM_UP: Duration = Duration::from_secs(2);
const TIME: Duration = Duration::from_secs(6);

/// Producers with one batch each under way.
const PRODUCERS: usize = 8;

/// 100 B × 1,000 and 1 KiB × 500 a batch.
pub fn log() -> Vec<Line> {
    vec![append(100, 1000, 4_000_000.0), append(1024, 500, 800_000.0)]
}

fn append(size: usize, count: usize, target: f64) -> Line {
    let scratch = Scratch::new("engine-log");
    let mut shard: Shard<usize> = Shard::open(&scratch.path("data"));
    shard.make_room(LogEngine::RECORDS_LEN_MAX);
    let name = TopicName::new("log").expect("a name");
    let topic = shard
        .log
        .create_topic(shard.journal.block(), &name, 1, TopicConfig::default(), now())
        .expect("a topic");
    let partition = topic.partitions()[0].id();
    let body = payload(size);
    let mut builder = BatchBuilder::new(now());
    (0..count).for_each(|_| builder.push(None, Some(&body), &[], None));
    let wire = builder.build().as_bytes().to_vec();
    let mut ready = PRODUCERS;
    let mut acknowledged = 0_u64;
    let began = Instant::now();
    let mut mark = None;
    while began.elapsed() < WARM_UP + TIME {
        let full = shard.log.unsettled_bytes() > 192 << 20;
        for count in shard.released(ready == 0 || full) {
            ready += count;
            acknowledged += count as u64;
        }
        if mark.is_none() && began.elapsed() >= WARM_UP {
            mark = Some((acknowledged, cpu_seconds(), Instant::now()));
        }
        if ready == 0 || full {
            continue;
        }
        let group = std::mem::take(&mut ready);
        for _ in 0..group {
            // The copy stands for the read from a socket.
            let batch = Batch::validate(BytesMut::from(wire.as_slice()), 16 << 20).expect("a sound batch");
            shard.make_room(LogEngine::append_record_len(batch.len()));
            shard.log.append(shard.journal.block(), partition, batch, now()).expect("an append");
        }
        // Readers see it when it is durable; nobody reads here.
        for (view, end) in shard.log.take_advanced() {
            view.advance(end);
        }
        shard.commit(group);
    }
    let (before, cpu_before, since) = mark.expect("the warm-up ends");
    let messages = ((acknowledged - before) * count as u64) as f64;
    let rate = messages / since.elapsed().as_secs_f64();
    let workload = format!("engine alone, log append {size} B × {count}, synced");
    Line::new(workload, format!("≥ {}/s", grouped(target)), format!("{} messages/s", grouped(rate)))
        .met(rate >= target)
        .cpu((cpu_seconds() - cpu_before) * 1e6 / messages)
}

/// Commands under way and messages in each: a window of 1,000, as the peers were measured with.
const COMMANDS: usize = 4;
const PER_COMMAND: usize = 250;
const CREDIT: u64 = 1000;

/// What a group gives back: confirmed publish commands, deliveries, and acked messages.
#[derive(Default)]
struct Released {
    confirmed: usize,
    delivered: Vec<Delivery>,
    acked: usize,
}

/// Publish, deliver and ack, each confirmed when synced.
pub fn queue() -> Vec<Line> {
    let scratch = Scratch::new("engine-queue");
    let mut shard: Shard<Released> = Shard::open(&scratch.path("data"));
    shard.make_room(1 << 20);
    let name = TopicName::new("queue").expect("a name");
    shard.queue.declare_queue(shard.journal.block(), &name, QueueOptions::default(), now()).expect("a queue");
    let options = ConsumerOptions {
        credit_messages: CREDIT,
        lease: LeaseFor::QueueDefault,
        ..ConsumerOptions::default()
    };
    let consumer = shard.queue.subscribe(shard.journal.block(), &name, options, now()).expect("a consumer");
    let body = Bytes::from(payload(100));
    let (mut free, mut held, mut acked) = (COMMANDS, Vec::new(), 0_u64);
    let began = Instant::now();
    let mut mark = None;
    while began.elapsed() < WARM_UP + TIME {
        for released in shard.released(free == 0 && held.is_empty()) {
            free += released.confirmed;
            held.extend(released.delivered);
            acked += released.acked as u64;
        }
        if mark.is_none() && began.elapsed() >= WARM_UP {
            mark = Some((acked, cpu_seconds(), Instant::now()));
        }
        if free == 0 && held.is_empty() {
            continue;
        }
        let time = now();
        let mut group =
            Released { confirmed: std::mem::take(&mut free), acked: held.len(), ..Released::default() };
        for _ in 0..group.confirmed {
            let message = || NewMessage { body: body.clone(), ..NewMessage::default() };
            let messages: Vec<NewMessage> = std::iter::repeat_with(message).take(PER_COMMAND).collect();
            let to = Destination::Queue(&name);
            let bytes = shard.queue.publish_bytes(to, &messages);
            shard.make_room(bytes + (64 << 10));
            shard.queue.publish_batch(shard.journal.block(), to, messages, time).expect("a publish");
        }
        if !held.is_empty() {
            shard.make_room(held.len() * 128 + (64 << 10));
            let settle =
                |one: &Delivery| Settle { lease: one.lease.expect("a lease"), action: SettleAction::Ack };
            let settles: Vec<Settle> = held.drain(..).map(|one: Delivery| settle(&one)).collect();
            let results = shard.queue.settle(shard.journal.block(), &settles, time);
            assert!(results.iter().all(Result::is_ok), "an ack was refused");
            shard
                .queue
                .add_credit(shard.journal.block(), consumer, settles.len() as u64, 0, time)
                .expect("a consumer");
        }
        group.delivered = shard.outbox().deliveries.into_iter().map(|(_, delivery)| delivery).collect();
        shard.commit(group);
    }
    let (before, cpu_before, since) = mark.expect("the warm-up ends");
    let messages = (acked - before) as f64;
    let rate = messages / since.elapsed().as_secs_f64();
    let cpu = (cpu_seconds() - cpu_before) * 1e6 / messages;
    let line = Line::new(
        "engine alone, queue publish + deliver + ack 100 B, synced confirms",
        "≥ 600,000/s, ≤ 3 CPU-s per million",
        format!("{} messages/s", grouped(rate)),
    );
    vec![line.met(rate >= 600_000.0 && cpu <= 3.0).cpu(cpu)]
}

/// CPU seconds of this process, all threads.
fn cpu_seconds() -> f64 {
    crate::process::cpu_seconds_of(std::process::id())
}
