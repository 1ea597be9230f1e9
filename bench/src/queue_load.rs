//! A queue engine under load: publishers with a bounded window, consumers that ack what they get, and what that costs.

use std::time::{Duration, Instant};

use message::TopicName;
use queue_engine::{
    ConsumerId, ConsumerOptions, Delivery, Destination, LeaseFor, NewMessage, QueueEngine, QueueOptions,
    Settle, SettleAction,
};

use crate::process::{Scratch, cpu_seconds_of, resident_of};
use crate::shard::{Shard, now};

/// Messages under way: published and not yet acked.
const WINDOW: usize = 1000;
/// Messages that one publish command carries, split by queue.
const PER_COMMAND: usize = 250;
const WARM_UP: Duration = Duration::from_millis(1000);
const TIME: Duration = Duration::from_millis(4000);

/// What a group gives back when it is durable.
#[derive(Default)]
pub struct Released {
    confirmed: usize,
    delivered: Vec<Delivery>,
    acked: usize,
}

/// What a run did.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Messages a second.
    pub per_s: f64,
    /// CPU seconds per million messages, all threads.
    pub cpu: f64,
}

/// An engine with a journal on an empty directory, and its queues.
pub struct QueueLoad {
    pub shard: Shard<Released>,
    names: Vec<TopicName>,
    /// The consumer whose credit grows with what it acks.
    paced: Option<ConsumerId>,
    _scratch: Scratch,
}

impl QueueLoad {
    /// With `queues` queues of the same options.
    pub fn new(name: &str, queues: usize, options: &QueueOptions) -> QueueLoad {
        let scratch = Scratch::new(name);
        let mut shard = Shard::open(&scratch.path("data"));
        let names: Vec<TopicName> =
            (0..queues).map(|n| TopicName::new(&format!("queue-{n}")).expect("a name")).collect();
        for names in names.chunks(1000) {
            shard.make_room(1 << 20);
            for name in names {
                shard
                    .queue
                    .declare_queue(shard.journal.block(), name, options.clone(), now())
                    .expect("a queue");
            }
            shard.outbox();
            shard.commit(Released::default());
        }
        QueueLoad { shard, names, paced: None, _scratch: scratch }
    }

    pub fn name(&self, queue: usize) -> &TopicName {
        &self.names[queue]
    }

    /// One consumer a queue, with as much credit as it can use.
    pub fn subscribe_all(&mut self) {
        let wish = ConsumerOptions {
            credit_messages: u64::MAX,
            lease: LeaseFor::QueueDefault,
            ..ConsumerOptions::default()
        };
        for name in &self.names {
            self.shard.make_room(1 << 16);
            self.shard.queue.subscribe(self.shard.journal.block(), name, wish, now()).expect("a consumer");
        }
    }

    /// A consumer of the first queue that holds no more than a window of messages.
    pub fn subscribe_paced(&mut self) {
        let wish = ConsumerOptions { credit_messages: WINDOW as u64, ..ConsumerOptions::default() };
        self.shard.make_room(1 << 18);
        let (shard, name) = (&mut self.shard, &self.names[0]);
        let consumer = shard.queue.subscribe(shard.journal.block(), name, wish, now()).expect("a consumer");
        self.paced = Some(consumer);
    }

    /// Publishes `count` messages to all queues alike, which nobody takes yet. Answers bytes of memory per message.
    pub fn fill(&mut self, count: u64, mut message: impl FnMut(u64) -> NewMessage) -> f64 {
        let before = resident_of(std::process::id());
        let queues = self.names.len() as u64;
        let at_once = (count / queues).clamp(1, 1000);
        let mut sent = 0;
        while sent < count {
            let batch: Vec<NewMessage> = (sent..count.min(sent + at_once)).map(&mut message).collect();
            let queue = sent / at_once % queues;
            sent += batch.len() as u64;
            self.publish(queue as usize, batch);
            self.shard.outbox();
            self.shard.commit(Released::default());
            // A bounded number of groups under way, as the broker's limits have it.
            while self.shard.under_way() > 8 {
                self.shard.released(true);
            }
        }
        self.settle_down();
        resident_of(std::process::id()).saturating_sub(before) as f64 / count as f64
    }

    /// Waits until everything is durable.
    pub fn settle_down(&mut self) {
        while self.shard.under_way() > 0 {
            self.shard.released(true);
        }
    }

    fn publish(&mut self, queue: usize, messages: Vec<NewMessage>) {
        let to = Destination::Queue(&self.names[queue]);
        let bytes = self.shard.queue.publish_bytes(to, &messages);
        self.shard.make_room(bytes + (64 << 10));
        self.shard.queue.publish_batch(self.shard.journal.block(), to, messages, now()).expect("a publish");
    }

    fn settle(&mut self, held: &mut Vec<Delivery>) {
        if held.is_empty() {
            return;
        }
        self.shard.make_room(held.len() * 128 + (64 << 10));
        let settle = |one: Delivery| Settle { lease: one.lease.expect("a lease"), action: SettleAction::Ack };
        let settles: Vec<Settle> = held.drain(..).map(settle).collect();
        let count = settles.len() as u64;
        let results = self.shard.queue.settle(self.shard.journal.block(), &settles, now());
        assert!(results.iter().all(Result::is_ok), "an ack was refused");
        if let Some(consumer) = self.paced {
            let (block, engine) = (self.shard.journal.block(), &mut self.shard.queue);
            engine.add_credit(block, consumer, count, 0, now()).expect("a consumer");
        }
    }

    /// Looks ahead as far as the broker does among the publishes of a command; answers how many queues that were.
    fn foresee(&self, first: u64, last: u64) -> usize {
        let next = first..=last.min(first + QueueEngine::FORESEEN as u64 - 1);
        let names = next.clone().map(|run| &self.names[run as usize % self.names.len()]);
        if first != last {
            self.shard.queue.foresee(names.map(Destination::Queue));
        }
        next.count()
    }

    /// Publish, deliver and ack for a few seconds, each confirmed when synced. Message `n` goes to queue
    /// `n / run % queues`.
    pub fn flow(&mut self, run: u64, mut message: impl FnMut(u64) -> NewMessage) -> Rate {
        let (mut free, mut held, mut acked, mut sent) = (WINDOW, Vec::new(), 0_u64, 0_u64);
        let began = Instant::now();
        let mut mark = None;
        while began.elapsed() < WARM_UP + TIME {
            for released in self.shard.released(free < PER_COMMAND && held.is_empty()) {
                free += released.acked;
                held.extend(released.delivered);
                acked += released.acked as u64;
            }
            if mark.is_none() && began.elapsed() >= WARM_UP {
                mark = Some((acked, cpu_seconds_of(std::process::id()), Instant::now()));
            }
            let mut group = Released { acked: held.len(), ..Released::default() };
            while free >= PER_COMMAND {
                free -= PER_COMMAND;
                group.confirmed += 1;
                let end = sent + PER_COMMAND as u64;
                let mut foreseen = 0;
                while sent < end {
                    if foreseen == 0 {
                        foreseen = self.foresee(sent / run, (end - 1) / run);
                    }
                    foreseen -= 1;
                    let queue = (sent / run) as usize % self.names.len();
                    let next = end.min((sent / run + 1) * run);
                    let batch = (sent..next).map(&mut message).collect();
                    self.publish(queue, batch);
                    sent = next;
                }
            }
            self.settle(&mut held);
            self.shard.make_room(1 << 16);
            self.shard.queue.tick(self.shard.journal.block(), now());
            let outbox = self.shard.outbox();
            group.delivered = outbox.deliveries.into_iter().map(|(_, delivery)| delivery).collect();
            if group.confirmed == 0 && group.acked == 0 && group.delivered.is_empty() {
                continue;
            }
            self.shard.commit(group);
        }
        let (before, cpu_before, since) = mark.expect("the warm-up ends");
        let messages = (acked - before) as f64;
        Rate {
            per_s: messages / since.elapsed().as_secs_f64(),
            cpu: (cpu_seconds_of(std::process::id()) - cpu_before) * 1e6 / messages,
        }
    }

    /// Takes and acks `count` messages that are there, a thousand under way.
    pub fn drain(&mut self, count: u64) -> Rate {
        let (began, cpu) = (Instant::now(), cpu_seconds_of(std::process::id()));
        let (mut free, mut held, mut acked) = (WINDOW, Vec::new(), 0_u64);
        while acked < count {
            for released in self.shard.released(free == 0 && held.is_empty()) {
                free += released.acked;
                held.extend(released.delivered);
                acked += released.acked as u64;
            }
            let mut group = Released { acked: held.len(), ..Released::default() };
            self.settle(&mut held);
            self.shard.make_room((64 << 10) + free * 64);
            let lease = LeaseFor::QueueDefault;
            let (shard, name) = (&mut self.shard, &self.names[0]);
            shard.queue.tick(shard.journal.block(), now());
            group.delivered =
                shard.queue.receive(shard.journal.block(), name, free, lease, now()).expect("a receive");
            free -= group.delivered.len();
            self.shard.outbox();
            self.shard.commit(group);
        }
        let messages = acked as f64;
        Rate {
            per_s: messages / began.elapsed().as_secs_f64(),
            cpu: (cpu_seconds_of(std::process::id()) - cpu) * 1e6 / messages,
        }
    }

    /// Leases everything that is there, then acks it all in calls of a thousand.
    pub fn settle_all(&mut self) -> (Rate, u64) {
        let mut leases = Vec::new();
        loop {
            self.shard.make_room(1 << 20);
            let lease = LeaseFor::UntilSettled;
            let (shard, name) = (&mut self.shard, &self.names[0]);
            let taken =
                shard.queue.receive(shard.journal.block(), name, 1000, lease, now()).expect("a receive");
            if taken.is_empty() {
                break;
            }
            leases.extend(taken.into_iter().filter_map(|delivery| delivery.lease));
            self.shard.outbox();
            self.shard.commit(Released::default());
            while self.shard.under_way() > 8 {
                self.shard.released(true);
            }
        }
        self.settle_down();
        let count = leases.len() as u64;
        let (began, cpu) = (Instant::now(), cpu_seconds_of(std::process::id()));
        for leases in leases.chunks(1000) {
            self.shard.make_room(leases.len() * 128 + (64 << 10));
            let settles: Vec<Settle> =
                leases.iter().map(|lease| Settle { lease: *lease, action: SettleAction::Ack }).collect();
            let results = self.shard.queue.settle(self.shard.journal.block(), &settles, now());
            assert!(results.iter().all(Result::is_ok), "an ack was refused");
            self.shard.outbox();
            self.shard.commit(Released::default());
            while self.shard.under_way() > 8 {
                self.shard.released(true);
            }
        }
        self.settle_down();
        let rate = Rate {
            per_s: count as f64 / began.elapsed().as_secs_f64(),
            cpu: (cpu_seconds_of(std::process::id()) - cpu) * 1e6 / count as f64,
        };
        (rate, count)
    }
}
