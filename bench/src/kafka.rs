//! As much of Kafka's protocol as measuring takes: requests that are bytes before the clock starts, and answers of which
//! only what counting needs is read.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

/// An API's key and the version spoken here, the last without tagged fields.
type Api = (i16, i16);
const PRODUCE: Api = (0, 7);
const FETCH: Api = (1, 11);
const LIST_OFFSETS: Api = (2, 1);
const CREATE_TOPICS: Api = (19, 4);
const SASL_HANDSHAKE: Api = (17, 1);
const SASL_AUTHENTICATE: Api = (36, 1);

/// Bytes of a record batch up to its records, and where its header says how long it is and how far it reaches.
const BATCH_HEADER: usize = 61;
const BATCH_LENGTH_AT: usize = 8;
const LAST_OFFSET_DELTA_AT: usize = 23;

/// Whoever cannot make a topic by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

fn push_frame(out: &mut Vec<u8>, (key, version): Api, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    push_i32(out, 0);
    push_i16(out, key);
    push_i16(out, version);
    // Answers come in the order of the requests, so no correlation id is needed.
    push_i32(out, 0);
    push_text(out, "bench");
    body(out);
    let len = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

fn push_i16(out: &mut Vec<u8>, value: i16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn push_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push_i16(out, text.len() as i16);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a request that produces one batch; answers where in it the partition's number stands.
pub fn push_produce(out: &mut Vec<u8>, topic: &str, acks: i16, batch: &[u8]) -> usize {
    let mut partition_at = 0;
    push_frame(out, PRODUCE, |out| {
        push_i16(out, -1);
        push_i16(out, acks);
        push_i32(out, 30_000);
        push_i32(out, 1);
        push_text(out, topic);
        push_i32(out, 1);
        partition_at = out.len();
        push_i32(out, 0);
        push_i32(out, batch.len() as i32);
        out.extend_from_slice(batch);
    });
    partition_at
}

/// Appends a request that begins a login.
pub fn push_sasl_handshake(out: &mut Vec<u8>, mechanism: &str) {
    push_frame(out, SASL_HANDSHAKE, |out| push_text(out, mechanism));
}

/// Appends a request with a message of a login.
pub fn push_sasl_authenticate(out: &mut Vec<u8>, message: &[u8]) {
    push_frame(out, SASL_AUTHENTICATE, |out| {
        push_i32(out, message.len() as i32);
        out.extend_from_slice(message);
    });
}

/// The message of the broker in an answer to one; nothing when the login is refused.
pub fn sasl_message(answer: &[u8]) -> Option<&[u8]> {
    // No error, and no text about it.
    let rest = answer.strip_prefix(&[0, 0, 0xff, 0xff])?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
}

/// Appends a request that reads partition 0 from an offset on, as far as consumers do unless told otherwise; it waits
/// until there is something.
pub fn push_fetch(out: &mut Vec<u8>, topic: &str, offset: i64) {
    push_frame(out, FETCH, |out| {
        push_i32(out, -1);
        push_i32(out, 500);
        push_i32(out, 1);
        push_i32(out, 50 << 20);
        // Isolation, and no session.
        out.push(0);
        push_i32(out, 0);
        push_i32(out, -1);
        push_i32(out, 1);
        push_text(out, topic);
        push_i32(out, 1);
        push_i32(out, 0);
        push_i32(out, -1);
        out.extend_from_slice(&offset.to_be_bytes());
        out.extend_from_slice(&(-1_i64).to_be_bytes());
        push_i32(out, 1 << 20);
        push_i32(out, 0);
        push_text(out, "");
    });
}

fn push_create_topic(out: &mut Vec<u8>, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    push_frame(out, CREATE_TOPICS, |out| {
        push_i32(out, 1);
        push_text(out, topic);
        push_i32(out, partitions);
        push_i16(out, 1);
        push_i32(out, 0);
        push_i32(out, settings.len() as i32);
        for (key, value) in settings {
            push_text(out, key);
            push_text(out, value);
        }
        push_i32(out, 30_000);
        out.push(0);
    });
}

/// Reads an answer from its start on.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    fn text(&mut self) -> &'a [u8] {
        let len = self.i16().max(0) as usize;
        self.take(len)
    }
}

/// What came of a produce request: an error code, and the offset of its first record.
pub fn produced(answer: &[u8]) -> (i16, i64) {
    let mut answer = Cursor(answer);
    answer.i32();
    answer.text();
    let _partitions_and_index = (answer.i32(), answer.i32());
    (answer.i16(), answer.i64())
}

/// The records of a fetch's answer; panics when it tells of an error.
pub fn fetched(answer: &[u8]) -> &[u8] {
    let mut answer = Cursor(answer);
    answer.i32();
    let error = answer.i16();
    answer.i32();
    if error == 0 && answer.i32() == 0 {
        return &[];
    }
    answer.text();
    let _partitions_and_index = (answer.i32(), answer.i32());
    let error = error.max(answer.i16());
    assert_eq!(error, 0, "a fetch fails");
    let _ends = (answer.i64(), answer.i64(), answer.i64());
    for _ in 0..answer.i32() {
        answer.take(16);
    }
    answer.i32();
    let len = answer.i32().max(0) as usize;
    answer.take(len)
}

/// The offset after the last whole batch; `from` if there is none.
pub fn offset_after(records: &[u8], from: i64) -> i64 {
    let (mut at, mut next) = (0, from);
    while let Some(batch) = records.get(at..at + BATCH_HEADER) {
        let number = |at: usize| i32::from_be_bytes(batch[at..at + 4].try_into().expect("four bytes"));
        let base = i64::from_be_bytes(batch[..8].try_into().expect("eight bytes"));
        at += BATCH_LENGTH_AT + 4 + number(BATCH_LENGTH_AT) as usize;
        if at > records.len() {
            break;
        }
        next = base + i64::from(number(LAST_OFFSET_DELTA_AT)) + 1;
    }
    next
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    pub stream: TcpStream,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Client {
    /// Connects, if anybody is there.
    pub fn try_open(address: SocketAddr) -> Option<Client> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Client { stream, bytes: vec![0; 256 << 10], start: 0, end: 0 })
    }

    /// Connects; panics when nobody is there.
    pub fn open(address: SocketAddr) -> Client {
        Client::try_open(address).expect("the broker listens")
    }

    /// Sends all of it, also on a socket that does not block.
    pub fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("the broker reads: {error}"),
            }
        }
    }

    /// Waits for the next answer: its body.
    pub fn answer(&mut self) -> &[u8] {
        loop {
            if let Some(answer) = self.take() {
                return &self.bytes[answer];
            }
            self.fill();
        }
    }

    /// The next answer that has arrived.
    pub fn next(&mut self) -> Option<&[u8]> {
        self.take().map(|answer| &self.bytes[answer])
    }

    fn take(&mut self) -> Option<Range<usize>> {
        let have = &self.bytes[self.start..self.end];
        let len = 4 + u32::from_be_bytes(have.get(..4)?.try_into().ok()?) as usize;
        if have.len() < len {
            return None;
        }
        let body = self.start + 8..self.start + len;
        self.start += len;
        Some(body)
    }

    /// Reads once; answers whether anything came. Panics when the broker is gone.
    pub fn fill(&mut self) -> bool {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            self.bytes.resize(2 * self.end, 0);
        }
        match self.stream.read(&mut self.bytes[self.end..]) {
            Ok(0) => panic!("the broker closed the connection"),
            Ok(read) => {
                self.end += read;
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("the broker sends: {error}"),
        }
    }

    /// Makes a topic, and waits until its last partition can be written to, which a batch shows.
    pub fn create_topic(&mut self, topic: &str, partitions: i32, settings: &[(&str, &str)], batch: &[u8]) {
        let mut out = Vec::new();
        push_create_topic(&mut out, topic, partitions, settings);
        self.send(&out);
        let mut answer = Cursor(self.answer());
        let _throttled_and_count = (answer.i32(), answer.i32());
        answer.text();
        let error = answer.i16();
        assert_eq!(error, 0, "{topic}: {}", String::from_utf8_lossy(answer.text()));
        // Apache Kafka has leaders for some before it has them for all.
        (0..partitions).for_each(|partition| self.await_partition(topic, partition, batch));
    }

    /// The end of a topic's partition 0.
    pub fn end_of(&mut self, topic: &str) -> u64 {
        let mut out = Vec::new();
        push_frame(&mut out, LIST_OFFSETS, |out| {
            push_i32(out, -1);
            push_i32(out, 1);
            push_text(out, topic);
            push_i32(out, 1);
            push_i32(out, 0);
            out.extend_from_slice(&(-1_i64).to_be_bytes());
        });
        self.send(&out);
        let mut answer = Cursor(self.answer());
        answer.i32();
        answer.text();
        let _partitions_and_index = (answer.i32(), answer.i32());
        assert_eq!(answer.i16(), 0, "{topic} has an end");
        answer.i64();
        answer.i64() as u64
    }

    /// Produces a batch to a partition until it is taken.
    pub fn await_partition(&mut self, topic: &str, partition: i32, batch: &[u8]) {
        let mut out = Vec::new();
        let at = push_produce(&mut out, topic, 1, batch);
        out[at..at + 4].copy_from_slice(&partition.to_be_bytes());
        let began = Instant::now();
        loop {
            self.send(&out);
            let (error, _) = produced(self.answer());
            if error == 0 {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{topic} takes nothing: error {error}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
