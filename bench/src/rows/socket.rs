//! WebSocket, binary subprotocol: a queue end to end, and one log to many subscribers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::batches;
use crate::frames::FrameReader;
use crate::latency::{histogram, precise_timers, quantiles};
use crate::process::{Process, Scratch};
use crate::setup::{declare_log, declare_queue, payload};
use crate::socket::{self, HEADER, MESSAGES, PUBLISHED, SETTLED};
use crate::table::{Line, grouped};

const CREDIT: u64 = 1000;
const PER_FRAME: u64 = 50;

/// Publish, push and ack with at most 1,000 messages unconfirmed and a credit of 1,000.
pub fn queue() -> Vec<Line> {
    ["leader", "all"].into_iter().map(queue_with).collect()
}

fn queue_with(acks: &'static str) -> Line {
    let scratch = Scratch::new("ws-queue");
    let broker = Process::broker(&scratch.path("data"));
    declare_queue(broker.address, "queue");
    let stop = AtomicBool::new(false);
    let acked = AtomicU64::new(0);
    let (rate, cpu) = std::thread::scope(|threads| {
        threads.spawn(|| publish(&broker, acks, &stop));
        threads.spawn(|| consume(&broker, acks, &stop, &acked));
        let read = || (acked.load(Ordering::Relaxed), broker.cpu_seconds(), Instant::now());
        std::thread::sleep(Duration::from_secs(1));
        let (count, cpu, began) = read();
        std::thread::sleep(Duration::from_secs(6));
        let (later, cpu_later, ended) = read();
        stop.store(true, Ordering::Relaxed);
        let done = (later - count) as f64;
        (done / (ended - began).as_secs_f64(), (cpu_later - cpu) * 1e6 / done)
    });
    let workload = format!("WebSocket binary, queue, publish → push → ack, credit 1,000, acks={acks}");
    Line::new(workload, "≥ 300,000/s", format!("{} messages/s end to end", grouped(rate)))
        .met(rate >= 300_000.0)
        .cpu(cpu)
}

fn publish(broker: &Process, acks: &str, stop: &AtomicBool) {
    let mut socket = socket::open(broker.address);
    let mut frame = Vec::new();
    socket::push_publish(&mut frame, "queue", acks, &batches::binary(PER_FRAME as usize, 100));
    let mut unconfirmed = 0;
    while !stop.load(Ordering::Relaxed) {
        let free = (CREDIT - unconfirmed) / PER_FRAME;
        if free > 0 {
            socket.send(&frame.repeat(free as usize));
            unconfirmed += free * PER_FRAME;
        }
        socket.receive(|payload| {
            assert_eq!(payload[0], PUBLISHED, "{}", String::from_utf8_lossy(payload));
            unconfirmed -= PER_FRAME;
        });
    }
}

fn consume(broker: &Process, acks: &str, stop: &AtomicBool, acked: &AtomicU64) {
    let mut socket = socket::open(broker.address);
    let subscribe = format!(r#"{{"type":"subscribe","topic":"queue","credit":{{"messages":{CREDIT}}}}}"#);
    socket::control(&mut socket, &subscribe);
    let (mut leases, mut frame) = (Vec::new(), Vec::new());
    let mut asked = std::collections::VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        let mut count = 0;
        socket.receive(|payload| match payload[0] {
            MESSAGES => batches::for_each(&payload[HEADER..], |message| {
                socket::push_lease(&mut leases, message.lease.expect("a lease"));
                count += 1;
            }),
            SETTLED => {
                assert_eq!(payload[HEADER + 4..HEADER + 8], [0; 4], "a lease was refused");
                acked.fetch_add(asked.pop_front().expect("an ack was sent"), Ordering::Relaxed);
            }
            other => panic!("a frame of type {other:#x}: {}", String::from_utf8_lossy(&payload[HEADER..])),
        });
        if count > 0 {
            socket::push_ack(&mut frame, acks, &leases);
            socket.send(&frame);
            asked.push_back(count);
            frame.clear();
            leases.clear();
        }
    }
}

const SUBSCRIBERS: usize = 100;
const PER_SECOND: u32 = 10_500;
const PER_TICK: u32 = 21;
const SECONDS: u32 = 8;

/// One log to 100 subscribers: the publisher keeps a rate, so that latency means something.
pub fn fanout() -> Vec<Line> {
    let scratch = Scratch::new("ws-fanout");
    let broker = Process::broker(&scratch.path("data"));
    declare_log(broker.address, "log", 1);
    let epoch = Instant::now();
    let stop = AtomicBool::new(false);
    let cpu_before = broker.cpu_seconds();
    let (deliveries, seconds, latencies) = std::thread::scope(|threads| {
        let readers = subscribe(&broker);
        threads.spawn(|| publish_paced(&broker, epoch, &stop));
        let result = read_all(readers, epoch);
        stop.store(true, Ordering::Relaxed);
        result
    });
    let cpu = (broker.cpu_seconds() - cpu_before) * 1e6 / deliveries as f64;
    let rate = deliveries as f64 / seconds;
    let (p50, p99) = quantiles(&latencies);
    let measured =
        format!("{} deliveries/s, p50 {:.1} ms, p99 {:.1} ms", grouped(rate), p50 / 1e3, p99 / 1e3);
    let line =
        Line::new("WebSocket push of one log to 100 subscribers", "≥ 1,000,000/s, p99 ≤ 20 ms", measured);
    vec![line.met(rate >= 1e6 && p99 <= 20_000.0).cpu(cpu)]
}

/// Publishes batches at a fixed rate; each body begins with when it was meant to be sent.
fn publish_paced(broker: &Process, epoch: Instant, stop: &AtomicBool) {
    precise_timers();
    let mut socket = socket::open(broker.address);
    let reader = socket.stream.try_clone().expect("a socket");
    std::thread::scope(|threads| {
        threads.spawn(move || drain(reader));
        let step = Duration::from_secs(1) * PER_TICK / PER_SECOND;
        let mut intended = Instant::now();
        let mut body = payload(100);
        let mut frame = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(intended.saturating_duration_since(Instant::now()));
            body[..8].copy_from_slice(&((intended - epoch).as_nanos() as u64).to_be_bytes());
            let batch = batches::binary_of((0..PER_TICK).map(|_| body.as_slice()));
            frame.clear();
            socket::push_publish(&mut frame, "log", "leader", &batch);
            socket.send(&frame);
            intended += step;
        }
        let _ = socket.stream.shutdown(std::net::Shutdown::Both);
    });
}

/// Reads and forgets, so that replies never stop the server.
fn drain(mut stream: std::net::TcpStream) {
    let mut sink = vec![0; 64 * 1024];
    while std::io::Read::read(&mut stream, &mut sink).is_ok_and(|count| count > 0) {}
}

fn subscribe(broker: &Process) -> Vec<std::net::TcpStream> {
    let open = |_| {
        let mut socket = socket::open(broker.address);
        socket::control(&mut socket, r#"{"type":"subscribe","topic":"log","from":"latest"}"#);
        socket.stream.set_nonblocking(true).expect("a socket");
        socket.stream
    };
    (0..SUBSCRIBERS).map(open).collect()
}

fn read_all(readers: Vec<std::net::TcpStream>, epoch: Instant) -> (u64, f64, crate::latency::Latencies) {
    let mut poll = Poll::new().expect("epoll");
    let mut slots: Vec<_> = readers
        .into_iter()
        .enumerate()
        .map(|(number, stream)| {
            let mut stream = mio::net::TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE).expect("epoll");
            (stream, FrameReader::with_capacity(128 * 1024))
        })
        .collect();
    let mut events = Events::with_capacity(SUBSCRIBERS);
    let mut latencies = histogram();
    let (warm_up, end) = (Duration::from_secs(2), Duration::from_secs(u64::from(SECONDS)));
    let began = Instant::now();
    let mut deliveries = 0;
    while began.elapsed() < end {
        poll.poll(&mut events, Some(Duration::from_millis(100))).expect("epoll");
        for event in &events {
            let (stream, reader) = &mut slots[event.token().0];
            loop {
                match reader.fill(stream) {
                    Ok(open) => assert!(open, "the server closed a subscriber"),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("the server sends: {error}"),
                }
                let now = epoch.elapsed().as_nanos() as u64;
                let counts = began.elapsed() > warm_up;
                while let Some((opcode, payload)) = reader.next_frame() {
                    if opcode != 2 || payload[0] != MESSAGES {
                        continue;
                    }
                    batches::for_each(&payload[HEADER..], |message| {
                        let intended = u64::from_be_bytes(message.body[..8].try_into().expect("eight bytes"));
                        if counts {
                            deliveries += 1;
                            latencies.saturating_record(now.saturating_sub(intended));
                        }
                    });
                }
            }
        }
    }
    (deliveries, (end - warm_up).as_secs_f64(), latencies)
}
