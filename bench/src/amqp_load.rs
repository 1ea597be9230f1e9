//! AMQP under load: publishers with a window of unconfirmed messages, consumers that ack every message by itself. One
//! thread serves all connections.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::amqp::{Arrived, Client, FrameReader, Shape, push_ack, push_publish};
use crate::latency::{Latencies, histogram};
use crate::process::{Broker, cpu_seconds_of};
use crate::setup::payload;

/// Messages that one publisher may have unconfirmed.
pub const WINDOW: u64 = 1000;
/// Messages that a consumer may hold.
pub const PREFETCH: u16 = 200;
/// Confirms that a publisher waits for before it goes on, so that it does not write message by message.
const STRIDE: u64 = 50;
/// Deliveries that publishers may be ahead of consumers: what is measured is both.
pub const AHEAD: u64 = 20_000;

/// Messages as bytes, sent over and over.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Messages {
    /// One message for each shape, again and again until there are at least a window of them.
    pub fn new(shapes: &[Shape<'_>], size: usize) -> Messages {
        let body = payload(size);
        let mut messages = Messages::default();
        while messages.ends.len() < 2 * WINDOW as usize {
            for shape in shapes {
                push_publish(&mut messages.bytes, *shape, &body);
                messages.ends.push(messages.bytes.len());
            }
        }
        messages
    }

    fn stretch(&self, from: usize, count: usize) -> Range<usize> {
        let start = from.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[from + count - 1]
    }
}

/// Which messages are not confirmed yet.
#[derive(Debug)]
struct Confirms {
    first: u64,
    confirmed: VecDeque<bool>,
    open: u64,
}

impl Confirms {
    fn new() -> Confirms {
        Confirms { first: 1, confirmed: VecDeque::new(), open: 0 }
    }

    fn sent(&mut self, count: usize) {
        self.confirmed.extend(std::iter::repeat_n(false, count));
        self.open += count as u64;
    }

    /// Takes a confirm, and tells of each message that is confirmed now, by its tag.
    fn take(&mut self, tag: u64, multiple: bool, mut tell: impl FnMut(u64)) {
        let at = (tag - self.first) as usize;
        for place in if multiple { 0..at + 1 } else { at..at + 1 } {
            if !std::mem::replace(&mut self.confirmed[place], true) {
                self.open -= 1;
                tell(self.first + place as u64);
            }
        }
        while self.confirmed.front() == Some(&true) {
            self.confirmed.pop_front();
            self.first += 1;
        }
    }
}

struct Publisher {
    stream: TcpStream,
    reader: FrameReader,
    confirms: Confirms,
    next: usize,
    unsent: Range<usize>,
}

impl Publisher {
    fn new(address: SocketAddr) -> Publisher {
        let mut client = Client::open(address);
        client.confirm();
        let (stream, reader) = polled(client);
        Publisher { stream, reader, confirms: Confirms::new(), next: 0, unsent: 0..0 }
    }

    /// Sends what the window allows; answers how many messages were begun.
    fn publish(&mut self, messages: &Messages, most: u64) -> u64 {
        self.go_on(messages);
        let free = WINDOW - self.confirms.open;
        if !self.unsent.is_empty() || free < STRIDE || most < STRIDE {
            return 0;
        }
        let count = (free.min(most) as usize).min(messages.ends.len() - self.next);
        self.unsent = messages.stretch(self.next, count);
        self.next = (self.next + count) % messages.ends.len();
        self.confirms.sent(count);
        self.go_on(messages);
        count as u64
    }

    fn go_on(&mut self, messages: &Messages) {
        while !self.unsent.is_empty() {
            match self.stream.write(&messages.bytes[self.unsent.clone()]) {
                Ok(sent) => self.unsent.start += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the broker reads: {error}"),
            }
        }
    }

    fn read(&mut self) {
        while self.reader.fill(&mut self.stream) {
            while let Some(arrived) = self.reader.next() {
                match arrived {
                    Arrived::Confirmed(tag, multiple) => self.confirms.take(tag, multiple, |_| ()),
                    other => panic!("a publisher got {other:?}"),
                }
            }
        }
    }
}

struct Consumer {
    stream: TcpStream,
    reader: FrameReader,
    out: Vec<u8>,
}

impl Consumer {
    fn new(address: SocketAddr, queues: &[String]) -> Consumer {
        let mut client = Client::open(address);
        client.prefetch(PREFETCH);
        client.consume(queues);
        let (stream, reader) = polled(client);
        Consumer { stream, reader, out: Vec::new() }
    }

    /// Takes what is there and acks it; answers how many messages that were.
    fn read(&mut self) -> u64 {
        let mut count = 0;
        while self.reader.fill(&mut self.stream) {
            while let Some(arrived) = self.reader.next() {
                if let Arrived::Delivery(tag) = arrived {
                    push_ack(&mut self.out, tag);
                    count += 1;
                }
            }
            self.go_on();
        }
        count
    }

    fn go_on(&mut self) {
        let mut sent = 0;
        while sent < self.out.len() {
            match self.stream.write(&self.out[sent..]) {
                Ok(more) => sent += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the broker reads: {error}"),
            }
        }
        self.out.drain(..sent);
    }
}

fn polled(client: Client) -> (TcpStream, FrameReader) {
    client.stream.set_nonblocking(true).expect("a socket");
    (TcpStream::from_std(client.stream), client.reader)
}

/// What a turn reached.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// Messages acked by consumers, a second.
    pub per_s: f64,
    /// The broker's CPU seconds per million of them.
    pub cpu: f64,
}

/// Publishers and consumers of one broker.
pub struct Load {
    broker: Broker,
    poll: Poll,
    publishers: Vec<Publisher>,
    consumers: Vec<Consumer>,
    messages: Messages,
    /// Deliveries that one message makes.
    copies: u64,
    sent: u64,
    acked: u64,
}

impl Load {
    /// Every consumer takes from all these queues.
    pub fn new(
        broker: Broker,
        publishers: usize,
        consumers: usize,
        queues: &[String],
        messages: Messages,
        copies: u64,
    ) -> Load {
        let poll = Poll::new().expect("epoll");
        let mut publishers: Vec<_> = (0..publishers).map(|_| Publisher::new(broker.address)).collect();
        let mut consumers: Vec<_> = (0..consumers).map(|_| Consumer::new(broker.address, queues)).collect();
        let streams = publishers.iter_mut().map(|one| &mut one.stream);
        let streams = streams.chain(consumers.iter_mut().map(|one| &mut one.stream));
        for (number, stream) in streams.enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(stream, Token(number), interest).expect("epoll");
        }
        Load { broker, poll, publishers, consumers, messages, copies, sent: 0, acked: 0 }
    }

    /// Publishes so many messages without consuming any.
    pub fn fill(&mut self, count: u64) {
        while self.sent < count {
            self.step(count - self.sent + STRIDE);
        }
        self.confirmed();
        self.sent = 0;
    }

    /// Runs for so long, the first quarter to warm up, then lets everything settle that can: all messages, if the queue
    /// was empty before.
    pub fn turn(&mut self, time: Duration, empties: bool) -> Reached {
        let began = Instant::now();
        let mut mark = None;
        while began.elapsed() < time {
            if mark.is_none() && began.elapsed() >= time / 4 {
                mark = Some((self.acked, cpu_seconds_of(self.broker.pid), Instant::now()));
            }
            let most = (AHEAD + self.acked).div_ceil(self.copies);
            self.step(most.saturating_sub(self.sent));
        }
        let (before, cpu_before, since) = mark.expect("the warm-up ends");
        let count = (self.acked - before) as f64;
        let per_s = count / since.elapsed().as_secs_f64();
        let cpu = (cpu_seconds_of(self.broker.pid) - cpu_before) * 1e6 / count;
        self.confirmed();
        while empties && self.acked < self.sent * self.copies {
            self.step(0);
        }
        Reached { per_s, cpu }
    }

    fn confirmed(&mut self) {
        while self.publishers.iter().any(|publisher| publisher.confirms.open > 0) {
            self.step(0);
        }
    }

    fn step(&mut self, most: u64) {
        let mut most = most;
        for publisher in &mut self.publishers {
            let count = publisher.publish(&self.messages, most);
            most -= count;
            self.sent += count;
        }
        let mut events = Events::with_capacity(64);
        self.poll.poll(&mut events, Some(Duration::from_millis(100))).expect("epoll");
        for event in &events {
            let number = event.token().0;
            if let Some(publisher) = self.publishers.get_mut(number) {
                publisher.go_on(&self.messages);
                publisher.read();
            } else {
                let consumer = &mut self.consumers[number - self.publishers.len()];
                consumer.go_on();
                self.acked += consumer.read();
            }
        }
    }
}

/// Publishes at a fixed rate to one queue and consumes from it. Answers how long confirms and messages took, from the
/// moment at which each message was meant to be sent.
pub fn paced(
    broker: Broker,
    queue: &str,
    persistent: bool,
    per_second: u32,
    time: Duration,
) -> (Latencies, Latencies) {
    let mut publisher = Client::open(broker.address);
    publisher.confirm();
    let mut consumer = Client::open(broker.address);
    consumer.prefetch(PREFETCH);
    consumer.consume(&[queue.to_owned()]);
    for client in [&publisher, &consumer] {
        client.stream.set_nonblocking(true).expect("a socket");
    }
    let step = Duration::from_secs(1) / per_second;
    let count = (time.as_secs_f64() * f64::from(per_second)) as u32;
    let began = Instant::now() + Duration::from_millis(50);
    let intended = |number: u32| began + step * number;
    let late = |number: u32| (Instant::now() - intended(number)).as_nanos() as u64;
    let shape = Shape { exchange: "", routing_key: queue, persistent, priority: 0 };
    let (mut confirms, mut arrivals) = (histogram(), histogram());
    let (mut sent, mut seen, mut open) = (0_u32, 0_u32, Confirms::new());
    let (mut body, mut out) = (payload(100), Vec::new());
    let give_up = intended(count) + Duration::from_secs(20);
    while seen < count || sent < count || open.open > 0 {
        assert!(Instant::now() < give_up, "messages went missing");
        while sent < count && Instant::now() >= intended(sent) {
            body[..4].copy_from_slice(&sent.to_be_bytes());
            out.clear();
            push_publish(&mut out, shape, &body);
            open.sent(1);
            publisher.send(&out);
            sent += 1;
        }
        let next = if sent < count { intended(sent) } else { give_up };
        let wait = next.saturating_duration_since(Instant::now());
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let readable = {
            let mut fds = [&publisher, &consumer]
                .map(|client| PollFd::from_borrowed_fd(client.stream.as_fd(), PollFlags::IN));
            let _ = poll(&mut fds, Some(&wait));
            fds.map(|fd| fd.revents().contains(PollFlags::IN))
        };
        if readable[0] && publisher.reader.fill(&mut publisher.stream) {
            while let Some(arrived) = publisher.reader.next() {
                if let Arrived::Confirmed(tag, multiple) = arrived {
                    open.take(tag, multiple, |tag| confirms.saturating_record(late(tag as u32 - 1)));
                }
            }
        }
        if readable[1] && consumer.reader.fill(&mut consumer.stream) {
            out.clear();
            while let Some(arrived) = consumer.reader.next() {
                match arrived {
                    Arrived::Delivery(tag) => push_ack(&mut out, tag),
                    Arrived::Body(body) => {
                        let number = u32::from_be_bytes(body[..4].try_into().expect("four bytes"));
                        arrivals.saturating_record(late(number));
                        seen += 1;
                    }
                    _ => {}
                }
            }
            consumer.send(&out);
        }
    }
    (confirms, arrivals)
}
