//! What publish, deliver and ack cost in the engine alone, and what memory a long queue takes.
//!
//! `cargo run --release -p queue-engine --example throughput [queued | many]`
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use bytes::Bytes;
use message::{Timestamp, TopicName};
use queue_engine::{
    ConsumerOptions, Destination, EngineConfig, LeaseFor, NewMessage, QueueEngine, QueueOptions, Settle,
    SettleAction,
};
use segment_store::{Block, Lsn, RecordKind, Replayed, Source};

const NOW: Timestamp = Timestamp(1_000_000);

fn message() -> NewMessage {
    NewMessage { body: Bytes::from(vec![b'x'; 100]), ..NewMessage::default() }
}

/// Nanoseconds that this thread spent on a processor, so that other work on the machine does not count.
fn cpu() -> u64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    spent.split_whitespace().next().unwrap().parse().unwrap()
}

fn report(what: &str, messages: usize, start: u64) {
    println!("{what:48} {:>6.0} ns of CPU each", (cpu() - start) as f64 / messages as f64);
}

/// Publish, push to a consumer, ack, in groups; `batch` messages per call.
fn cycle(queues: usize, group: usize, batch: usize, priorities: Option<u8>) {
    let mut engine = QueueEngine::new(EngineConfig::default());
    let mut lsn = 0;
    let mut block = Block::for_test(Lsn(lsn));
    let names: Vec<TopicName> = (0..queues).map(|n| TopicName::new(&format!("queue-{n}")).unwrap()).collect();
    for name in &names {
        let options = QueueOptions { max_priority: priorities, ..QueueOptions::default() };
        engine.declare_queue(&mut block, name, options, NOW).unwrap();
        let wish = ConsumerOptions { credit_messages: u64::MAX, ..ConsumerOptions::default() };
        engine.subscribe(&mut block, name, wish, NOW).unwrap();
    }
    let total = 2_000_000;
    let mut settles = Vec::with_capacity(group);
    let start = cpu();
    let mut done = 0;
    while done < total {
        lsn += 1 << 20;
        block = Block::for_test(Lsn(lsn));
        let mut published = 0;
        while published < group {
            let next = |n: usize| &names[((done + published) / batch + n) % queues];
            if queues > 1 && published.is_multiple_of(batch * QueueEngine::FORESEEN) {
                engine.foresee((0..QueueEngine::FORESEEN).map(|n| Destination::Queue(next(n))));
            }
            let name = next(0);
            let to = Destination::Queue(name);
            if batch == 1 {
                let mut message = message();
                message.priority = priorities.map(|most| (published % usize::from(most)) as u8);
                engine.publish(&mut block, to, message, NOW).unwrap();
            } else {
                let messages = (0..batch).map(|_| message()).collect();
                black_box(engine.publish_batch(&mut block, to, messages, NOW).unwrap());
            }
            published += batch;
        }
        if !settles.is_empty() {
            black_box(engine.settle(&mut block, &settles, NOW));
        }
        let outbox = engine.take_outbox(&mut block);
        settles.clear();
        let leases = outbox.deliveries.iter().filter_map(|(_, delivery)| delivery.lease);
        settles.extend(leases.map(|lease| Settle { lease, action: SettleAction::Ack }));
        done += published;
    }
    report(&format!("{queues} queues, groups of {group}, {batch} a call, {priorities:?}"), done, start);
}

/// What a restart costs: `queued` messages, and as many that were settled.
fn recovery(queued: usize) {
    let mut engine = QueueEngine::new(EngineConfig::default());
    let name = TopicName::new("long").unwrap();
    let mut records: Vec<(Lsn, Vec<u8>)> = Vec::new();
    let mut lsn = 0;
    for group in 0..queued / 500 {
        lsn += 1 << 20;
        let mut block = Block::for_test(Lsn(lsn));
        if group == 0 {
            engine.declare_queue(&mut block, &name, QueueOptions::default(), NOW).unwrap();
        }
        let messages = (0..1000).map(|_| message()).collect();
        engine.publish_batch(&mut block, Destination::Queue(&name), messages, NOW).unwrap();
        let taken = engine.receive(&mut block, &name, 500, LeaseFor::QueueDefault, NOW).unwrap();
        let leases = taken.iter().filter_map(|delivery| delivery.lease);
        let settles: Vec<Settle> = leases.map(|lease| Settle { lease, action: SettleAction::Ack }).collect();
        engine.settle(&mut block, &settles, NOW);
        engine.take_outbox(&mut block);
        records.extend(block.iter().map(|(_, lsn, payload)| (lsn, payload.to_vec())));
    }
    let mut again = QueueEngine::new(EngineConfig::default());
    let start = cpu();
    for (lsn, payload) in &records {
        let (source, kind) = (Source::Journal, RecordKind::QUEUE);
        again.replay(Replayed { source, lsn: *lsn, checkpoint_lsn: Lsn(0), kind, payload }).unwrap();
    }
    again.finish_recovery(NOW);
    report(&format!("recovering {queued} queued and {queued} settled"), queued, start);
    assert_eq!(again.queue_info(&name).unwrap().ready, queued as u64);
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn backlog(messages: usize, priorities: Option<u8>) {
    let mut engine = QueueEngine::new(EngineConfig::default());
    let mut lsn = 0;
    let mut block = Block::for_test(Lsn(lsn));
    let name = TopicName::new("long").unwrap();
    let options = QueueOptions { max_priority: priorities, ..QueueOptions::default() };
    engine.declare_queue(&mut block, &name, options, NOW).unwrap();
    let before = resident();
    let start = cpu();
    for group in 0..messages / 1000 {
        lsn += 1 << 20;
        block = Block::for_test(Lsn(lsn));
        let new = |n: usize| {
            let mut message = message();
            message.priority = priorities.map(|most| ((group * 7 + n * n) % usize::from(most)) as u8);
            message
        };
        let messages = (0..1000).map(new).collect();
        engine.publish_batch(&mut block, Destination::Queue(&name), messages, NOW).unwrap();
        engine.take_outbox(&mut block);
    }
    report(&format!("queueing {messages}, {priorities:?}"), messages, start);
    println!("{:48} {:>6} bytes per message", "", (resident() - before) / messages);
    let start = cpu();
    drop(engine);
    report("dropping them", messages, start);
}

fn declare(queues: usize) {
    let mut engine = QueueEngine::new(EngineConfig::default());
    let mut block = Block::for_test(Lsn(0));
    let names: Vec<TopicName> = (0..queues).map(|n| TopicName::new(&format!("queue-{n}")).unwrap()).collect();
    let before = resident();
    let start = cpu();
    for name in &names {
        engine.declare_queue(&mut block, name, QueueOptions::default(), NOW).unwrap();
    }
    report(&format!("declaring {queues} queues"), queues, start);
    println!("{:48} {:>6} bytes per queue", "", (resident() - before) / queues);
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("many") {
        return cycle(10_000, 1000, 1, None);
    }
    let queued = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    // First, while the allocator has nothing to give again.
    backlog(queued, None);
    declare(10_000);
    cycle(1, 1000, 1000, None);
    cycle(1, 1000, 100, None);
    cycle(1, 1000, 1, None);
    cycle(10, 1000, 1, None);
    cycle(10_000, 1000, 1, None);
    cycle(1, 1000, 1, Some(10));
    cycle(1, 1, 1, None);
    backlog(queued, Some(10));
    recovery(1_000_000);
}
