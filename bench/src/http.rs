//! A cheap HTTP/1.1 client: one thread, many keep-alive connections, each with one request under way.
//!
//! Requests are bytes that were built before the clock started; answers are only read as far as counting needs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::net::TcpStream as PolledStream;
use mio::{Events, Interest, Poll, Token};

/// Bytes of a complete request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Follows one connection's answers.
#[derive(Debug, Default)]
pub struct AnswerReader {
    head: Vec<u8>,
    status: u16,
    state: Body,
    /// The current answer's body, as far as `keep` asks for it.
    pub body: Vec<u8>,
    /// How many bytes of a body are kept.
    pub keep: usize,
    /// Bytes of bodies seen.
    pub body_bytes: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Body {
    #[default]
    Head,
    Sized(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
}

impl AnswerReader {
    /// Takes what was read; calls `done` with the status of each answer that is complete.
    pub fn feed(&mut self, mut input: &[u8], mut done: impl FnMut(u16, &[u8])) {
        while !input.is_empty() {
            match self.state {
                Body::Head => {
                    let known = self.head.len();
                    self.head.extend_from_slice(input);
                    let from = known.saturating_sub(3);
                    let Some(end) = find(&self.head[from..], b"\r\n\r\n").map(|at| from + at + 4) else {
                        return;
                    };
                    input = &input[end - known..];
                    self.head.truncate(end);
                    self.open_body();
                    self.head.clear();
                    if self.state == Body::Sized(0) {
                        self.finish(&mut done);
                    }
                }
                Body::Sized(left) => {
                    let (now, rest) = input.split_at(input.len().min(left as usize));
                    self.take(now);
                    input = rest;
                    self.state = Body::Sized(left - now.len() as u64);
                    if left == now.len() as u64 {
                        self.finish(&mut done);
                    }
                }
                Body::ChunkSize => {
                    let byte = input[0];
                    input = &input[1..];
                    if byte != b'\n' {
                        self.head.push(byte);
                        continue;
                    }
                    let text = String::from_utf8_lossy(&self.head);
                    let size = u64::from_str_radix(text.trim().split(';').next().unwrap_or_default(), 16);
                    let size = size.unwrap_or_else(|_| panic!("a chunk size, not {text:?}"));
                    self.head.clear();
                    // The last chunk is followed by an empty line where trailers would be.
                    self.state = if size == 0 { Body::ChunkEnd } else { Body::Chunk(size) };
                    if size == 0 {
                        self.status |= 0x8000;
                    }
                }
                Body::Chunk(left) => {
                    let (now, rest) = input.split_at(input.len().min(left as usize));
                    self.take(now);
                    input = rest;
                    self.state = if left == now.len() as u64 {
                        Body::ChunkEnd
                    } else {
                        Body::Chunk(left - now.len() as u64)
                    };
                }
                Body::ChunkEnd => {
                    let byte = input[0];
                    input = &input[1..];
                    if byte == b'\n' {
                        if self.status & 0x8000 == 0 {
                            self.state = Body::ChunkSize;
                        } else {
                            self.status &= 0x7fff;
                            self.finish(&mut done);
                        }
                    }
                }
            }
        }
    }

    fn open_body(&mut self) {
        let digits = self.head.get(9..12).unwrap_or_default();
        self.status = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        self.state = Body::Sized(0);
        for line in self.head.split(|byte| *byte == b'\n') {
            if let Some(value) = value_of(line, b"content-length:") {
                self.state = Body::Sized(value.trim().parse().unwrap_or(0));
            } else if value_of(line, b"transfer-encoding:").is_some() {
                self.state = Body::ChunkSize;
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.body_bytes += bytes.len() as u64;
        let room = self.keep.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    fn finish(&mut self, done: &mut impl FnMut(u16, &[u8])) {
        done(self.status, &self.body);
        self.body.clear();
        self.state = Body::Head;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let (have, value) = line.split_at_checked(name.len())?;
    have.eq_ignore_ascii_case(name).then(|| std::str::from_utf8(value).ok()).flatten()
}

/// One request, one answer, on a connection of its own.
pub fn ask(address: SocketAddr, request: &[u8]) -> (u16, Vec<u8>) {
    Connection::open(address).ask(request)
}

/// One keep-alive connection with blocking calls.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    reader: AnswerReader,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("a socket");
        Connection { stream, reader: AnswerReader::default(), buffer: vec![0; 256 * 1024] }
    }

    /// Sends a request and waits for its whole answer.
    pub fn ask(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.peek(request, usize::MAX)
    }

    /// [`Connection::ask`] that keeps only the first bytes of the body.
    pub fn peek(&mut self, request: &[u8], keep: usize) -> (u16, Vec<u8>) {
        self.reader.keep = keep;
        self.stream.write_all(request).expect("the server reads");
        let mut answer = None;
        while answer.is_none() {
            self.read(|status, body| answer = Some((status, body.to_vec())));
        }
        answer.unwrap_or_default()
    }

    /// Sends a request and counts its answer's body without keeping it.
    pub fn drain(&mut self, request: &[u8]) -> (u16, u64) {
        self.reader.keep = 0;
        let before = self.reader.body_bytes;
        self.stream.write_all(request).expect("the server reads");
        let mut status = None;
        while status.is_none() {
            self.read(|code, _| status = Some(code));
        }
        (status.unwrap_or(0), self.reader.body_bytes - before)
    }

    fn read(&mut self, done: impl FnMut(u16, &[u8])) {
        let count = self.stream.read(&mut self.buffer).expect("the server answers");
        assert!(count > 0, "the server closed the connection");
        self.reader.feed(&self.buffer[..count], done);
    }
}

/// What a closed loop of requests reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reached {
    /// Answers with a 2xx status other than 207.
    pub good: u64,
    /// All other answers.
    pub bad: u64,
    /// How long it ran.
    pub seconds: f64,
}

impl Reached {
    /// Good answers per second.
    pub fn rate(&self) -> f64 {
        self.good as f64 / self.seconds
    }
}

struct Slot {
    stream: PolledStream,
    reader: AnswerReader,
    unsent: usize,
    next: usize,
}

/// Keeps every connection busy with one request at a time for so long. Connection `n` starts with
/// `requests[n % len]` and goes round.
pub fn closed_loop(address: SocketAddr, connections: usize, requests: &[Vec<u8>], time: Duration) -> Reached {
    let mut poll = Poll::new().expect("epoll");
    let mut slots: Vec<Slot> = (0..connections)
        .map(|number| {
            let stream = TcpStream::connect(address).expect("the server accepts");
            stream.set_nodelay(true).expect("a socket");
            stream.set_nonblocking(true).expect("a socket");
            let mut stream = PolledStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), interest).expect("epoll");
            Slot { stream, reader: AnswerReader::default(), unsent: 0, next: number % requests.len() }
        })
        .collect();
    let mut events = Events::with_capacity(connections * 2);
    let mut buffer = vec![0; 256 * 1024];
    let mut reached = Reached::default();
    let began = Instant::now();
    for slot in &mut slots {
        slot.send(requests);
    }
    while began.elapsed() < time {
        poll.poll(&mut events, Some(Duration::from_millis(100))).expect("epoll");
        for event in &events {
            let slot = &mut slots[event.token().0];
            if event.is_writable() && slot.unsent > 0 {
                slot.go_on(requests);
            }
            if !event.is_readable() {
                continue;
            }
            let mut answered = 0;
            loop {
                match slot.stream.read(&mut buffer) {
                    Ok(0) => panic!("the server closed a connection"),
                    Ok(count) => {
                        slot.reader.feed(&buffer[..count], |status, _| {
                            answered += 1;
                            if (200..300).contains(&status) && status != 207 {
                                reached.good += 1
                            } else {
                                reached.bad += 1
                            }
                        });
                        // A short read emptied the socket: asking again would only cost a call.
                        if count < buffer.len() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("the server answers: {error}"),
                }
            }
            if answered > 0 {
                slot.next = (slot.next + 1) % requests.len();
                slot.send(requests);
            }
        }
    }
    reached.seconds = began.elapsed().as_secs_f64();
    reached
}

impl Slot {
    fn send(&mut self, requests: &[Vec<u8>]) {
        self.unsent = requests[self.next].len();
        self.go_on(requests);
    }

    fn go_on(&mut self, requests: &[Vec<u8>]) {
        let request = &requests[self.next];
        while self.unsent > 0 {
            match self.stream.write(&request[request.len() - self.unsent..]) {
                Ok(sent) => self.unsent -= sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server reads: {error}"),
            }
        }
    }
}
