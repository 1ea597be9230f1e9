//! Kafka clients under load: a producer with several requests in flight, a consumer with one, and messages at a fixed rate.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use log_engine::batch::BatchBuilder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::kafka::{Client, fetched, offset_after, produced, push_fetch, push_produce};
use crate::latency::{Latencies, histogram};
use crate::process::{Broker, cpu_seconds_of};
use crate::setup::payload;
use crate::shard::now;

/// How records are produced.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes of a record's value.
    pub size: usize,
    /// Records in one batch, and in one request.
    pub records: usize,
    /// What the producer wants to wait for, as the protocol has it.
    pub acks: i16,
    /// Requests in flight at most.
    pub window: usize,
    /// Requests sent in one go.
    pub stride: usize,
}

impl Shape {
    /// A batch of such records.
    pub fn batch(&self) -> Vec<u8> {
        let body = payload(self.size);
        let mut builder = BatchBuilder::new(now());
        for _ in 0..self.records {
            builder.push(None, Some(&body), &[], None);
        }
        builder.build().as_bytes().to_vec()
    }
}

/// What a turn reached.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// Records a second.
    pub per_s: f64,
    /// The broker's CPU seconds per million of them.
    pub cpu: f64,
}

/// One producer on one connection, whose requests go to the partitions in turn.
pub struct Producer {
    broker: Broker,
    client: Client,
    shape: Shape,
    partitions: i32,
    next: i32,
    bytes: Vec<u8>,
    partitions_at: Vec<usize>,
    in_flight: usize,
    acked: u64,
}

impl Producer {
    pub fn new(broker: Broker, topic: &str, partitions: i32, shape: Shape) -> Producer {
        Producer::of_batches(broker, topic, partitions, shape, &shape.batch())
    }

    /// Produces batches of the shape's number of records that somebody else made.
    pub fn of_batches(broker: Broker, topic: &str, partitions: i32, shape: Shape, batch: &[u8]) -> Producer {
        let mut bytes = Vec::new();
        let partitions_at =
            (0..shape.stride).map(|_| push_produce(&mut bytes, topic, shape.acks, batch)).collect();
        let client = Client::open(broker.address);
        Producer { broker, client, shape, partitions, next: 0, bytes, partitions_at, in_flight: 0, acked: 0 }
    }

    fn step(&mut self) {
        if self.in_flight + self.shape.stride <= self.shape.window {
            for at in &self.partitions_at {
                self.bytes[*at..at + 4].copy_from_slice(&self.next.to_be_bytes());
                self.next = (self.next + 1) % self.partitions;
            }
            self.client.send(&self.bytes);
            self.in_flight += self.shape.stride;
            return;
        }
        self.take_answer();
    }

    fn take_answer(&mut self) {
        let (error, _) = produced(self.client.answer());
        assert_eq!(error, 0, "{} refuses a batch", self.broker.name);
        self.in_flight -= 1;
        self.acked += self.shape.records as u64;
    }

    fn settle(&mut self) {
        while self.in_flight > 0 {
            self.take_answer();
        }
    }

    /// Produces for so long; the first quarter only warms up.
    pub fn turn(&mut self, time: Duration) -> Reached {
        let began = Instant::now();
        while began.elapsed() < time / 4 {
            self.step();
        }
        let (before, cpu, since) = (self.acked, cpu_seconds_of(self.broker.pid), Instant::now());
        while began.elapsed() < time {
            self.step();
        }
        let count = (self.acked - before) as f64;
        let reached = Reached {
            per_s: count / since.elapsed().as_secs_f64(),
            cpu: (cpu_seconds_of(self.broker.pid) - cpu) * 1e6 / count,
        };
        self.settle();
        reached
    }

    /// Produces at least so many records.
    pub fn fill(&mut self, records: u64) {
        while self.acked < records {
            self.step();
        }
        self.settle();
    }
}

/// Reads partition 0 from its start on, one fetch at a time, up to so many bytes: bytes a second, and the broker's CPU
/// seconds per gigabyte.
pub fn consume(broker: Broker, topic: &str, bytes: u64) -> Reached {
    let mut client = Client::open(broker.address);
    let (mut out, mut offset, mut read) = (Vec::new(), 0, 0);
    let (cpu, began) = (cpu_seconds_of(broker.pid), Instant::now());
    while read < bytes {
        out.clear();
        push_fetch(&mut out, topic, offset);
        client.send(&out);
        let records = fetched(client.answer());
        let next = offset_after(records, offset);
        assert!(next > offset, "{} has nothing at offset {offset} of {topic}", broker.name);
        (offset, read) = (next, read + records.len() as u64);
    }
    Reached {
        per_s: read as f64 / began.elapsed().as_secs_f64(),
        cpu: (cpu_seconds_of(broker.pid) - cpu) * 1e9 / read as f64,
    }
}

/// Produces single records at a fixed rate to an empty partition and consumes them: how long each took from the moment at
/// which it was meant to be sent until the consumer had it.
pub fn paced(broker: Broker, topic: &str, acks: i16, per_second: u32, time: Duration) -> Latencies {
    let shape = Shape { size: 100, records: 1, acks, window: 0, stride: 0 };
    let mut request = Vec::new();
    push_produce(&mut request, topic, acks, &shape.batch());
    let (mut producer, mut consumer) = (Client::open(broker.address), Client::open(broker.address));
    producer.send(&request);
    let (_, first) = produced(producer.answer());
    let mut offset = first + 1;
    let mut fetch = Vec::new();
    push_fetch(&mut fetch, topic, offset);
    consumer.send(&fetch);
    for client in [&producer, &consumer] {
        client.stream.set_nonblocking(true).expect("a socket");
    }
    let step = Duration::from_secs(1) / per_second;
    let count = (time.as_secs_f64() * f64::from(per_second)) as u32;
    let began = Instant::now() + Duration::from_millis(50);
    let intended = |number: u32| began + step * number;
    let mut latencies = histogram();
    let (mut sent, mut seen, mut acked) = (0, 0, 0);
    let give_up = intended(count) + Duration::from_secs(20);
    while seen < count || acked < count {
        assert!(Instant::now() < give_up, "records went missing");
        while sent < count && Instant::now() >= intended(sent) {
            producer.send(&request);
            sent += 1;
        }
        let readable = wait(&[&producer, &consumer], if sent < count { intended(sent) } else { give_up });
        if readable[0] && producer.fill() {
            while let Some(answer) = producer.next() {
                assert_eq!(produced(answer).0, 0, "{} refuses a record", broker.name);
                acked += 1;
            }
        }
        if readable[1] && consumer.fill() {
            while let Some(answer) = consumer.next() {
                let (now, next) = (Instant::now(), offset_after(fetched(answer), offset));
                for number in offset..next {
                    let intended = intended((number - first - 1) as u32);
                    latencies.saturating_record((now - intended).as_nanos() as u64);
                    seen += 1;
                }
                offset = next;
                fetch.clear();
                push_fetch(&mut fetch, topic, offset);
                consumer.send(&fetch);
            }
        }
    }
    latencies
}

/// Waits until one of them can be read, but not beyond `until`; answers which of them can.
fn wait(clients: &[&Client; 2], until: Instant) -> [bool; 2] {
    let wait = until.saturating_duration_since(Instant::now());
    let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
    let mut fds = clients.map(|client| PollFd::from_borrowed_fd(client.stream.as_fd(), PollFlags::IN));
    let _ = poll(&mut fds, Some(&wait));
    fds.map(|fd| fd.revents().contains(PollFlags::IN))
}
