//! As much of AMQP 0-9-1 as measuring takes: frames that are bytes before the clock starts, and a reader that looks at
//! what counting needs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Frames of methods and of bodies.
const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// A body frame.
pub const BODY: u8 = 3;

const FRAME_END: u8 = 0xCE;
const FRAME_MAX: u32 = 131_072;

/// A method's class and number.
pub type Method = (u16, u16);

const START: Method = (10, 10);
const TUNE: Method = (10, 30);
const OPEN_OK: Method = (10, 41);
const DELIVER: Method = (60, 60);
const ACK: Method = (60, 80);
const CLOSES: [Method; 2] = [(10, 50), (20, 40)];

/// Appends a method frame on channel 1.
pub fn push_method(out: &mut Vec<u8>, method: Method, arguments: impl FnOnce(&mut Vec<u8>)) {
    push_method_on(out, 1, method, arguments);
}

fn push_method_on(out: &mut Vec<u8>, channel: u16, (class, number): Method, args: impl FnOnce(&mut Vec<u8>)) {
    push_frame(out, METHOD, channel, |out| {
        out.extend_from_slice(&class.to_be_bytes());
        out.extend_from_slice(&number.to_be_bytes());
        args(out);
    });
}

fn push_frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    payload(out);
    let len = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
    out.push(FRAME_END);
}

/// Appends a short string.
pub fn short(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

fn long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// How a message is published.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    pub exchange: &'a str,
    pub routing_key: &'a str,
    pub persistent: bool,
    pub priority: u8,
}

/// Appends everything that publishes one message.
pub fn push_publish(out: &mut Vec<u8>, shape: Shape<'_>, body: &[u8]) {
    push_method(out, (60, 40), |out| {
        out.extend_from_slice(&[0; 2]);
        short(out, shape.exchange);
        short(out, shape.routing_key);
        out.push(0);
    });
    push_frame(out, HEADER, 1, |out| {
        out.extend_from_slice(&[0, 60, 0, 0]);
        out.extend_from_slice(&(body.len() as u64).to_be_bytes());
        // Delivery mode and priority.
        out.extend_from_slice(&0x1800_u16.to_be_bytes());
        out.extend_from_slice(&[if shape.persistent { 2 } else { 1 }, shape.priority]);
    });
    push_frame(out, BODY, 1, |out| out.extend_from_slice(body));
}

/// Appends an ack of one message.
pub fn push_ack(out: &mut Vec<u8>, tag: u64) {
    push_method(out, ACK, |out| {
        out.extend_from_slice(&tag.to_be_bytes());
        out.push(0);
    });
}

/// What arrives that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived<'a> {
    /// A confirm, of all up to this one if the flag is set.
    Confirmed(u64, bool),
    /// The start of a delivery, with its tag.
    Delivery(u64),
    /// A piece of a body: all of it, as the bodies here are short.
    Body(&'a [u8]),
    /// Another method.
    Other(Method),
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl FrameReader {
    fn new() -> FrameReader {
        FrameReader { bytes: vec![0; 256 * 1024], start: 0, end: 0 }
    }

    /// Reads once; answers whether anything came. Panics when the broker is gone.
    pub fn fill(&mut self, stream: &mut impl Read) -> bool {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        match stream.read(&mut self.bytes[self.end..]) {
            Ok(0) => panic!("the broker closed the connection"),
            Ok(read) => {
                self.end += read;
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("the broker sends: {error}"),
        }
    }

    /// The next whole frame that matters.
    pub fn next(&mut self) -> Option<Arrived<'_>> {
        loop {
            let have = &self.bytes[self.start..self.end];
            let size = u32::from_be_bytes(have.get(3..7)?.try_into().ok()?) as usize;
            let len = size + 8;
            if have.len() < len {
                return None;
            }
            let (kind, at) = (have[0], self.start + 7);
            assert_eq!(have[len - 1], FRAME_END, "a frame ends where it says");
            self.start += len;
            let payload = at..at + size;
            match kind {
                METHOD => return Some(method(&self.bytes[payload])),
                BODY => return Some(Arrived::Body(&self.bytes[payload])),
                _ => {}
            }
        }
    }
}

fn method(payload: &[u8]) -> Arrived<'_> {
    let number = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
    let tag = |at: usize| u64::from_be_bytes(payload[at..at + 8].try_into().expect("eight bytes"));
    match (number(0), number(2)) {
        ACK => Arrived::Confirmed(tag(4), payload[12] & 1 != 0),
        DELIVER => Arrived::Delivery(tag(5 + usize::from(payload[4]))),
        other if CLOSES.contains(&other) => {
            let text = &payload[7..7 + usize::from(payload[6])];
            panic!("the broker closes: {} {}", number(4), String::from_utf8_lossy(text))
        }
        other => Arrived::Other(other),
    }
}

/// A connection with one channel, with blocking calls.
#[derive(Debug)]
pub struct Client {
    pub stream: TcpStream,
    pub reader: FrameReader,
}

impl Client {
    /// Connects and logs in as `guest`; `None` when nobody is there or lets nobody in yet.
    pub fn try_open(address: SocketAddr) -> Option<Client> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.write_all(b"AMQP\0\0\x09\x01").ok()?;
        let mut first = [0; 1];
        (stream.peek(&mut first).ok()? == 1).then_some(())?;
        let mut client = Client { stream, reader: FrameReader::new() };
        client.wait_for(START);
        let mut out = Vec::new();
        push_method_on(&mut out, 0, (10, 11), |out| {
            out.extend_from_slice(&[0; 4]);
            short(out, "PLAIN");
            long(out, b"\0guest\0guest");
            short(out, "en_US");
        });
        client.send(&out);
        client.stream.peek(&mut first).is_ok_and(|read| read == 1).then_some(())?;
        client.wait_for(TUNE);
        out.clear();
        push_method_on(&mut out, 0, (10, 31), |out| {
            out.extend_from_slice(&2047_u16.to_be_bytes());
            out.extend_from_slice(&FRAME_MAX.to_be_bytes());
            out.extend_from_slice(&[0; 2]);
        });
        push_method_on(&mut out, 0, (10, 40), |out| {
            short(out, "/");
            out.extend_from_slice(&[0; 2]);
        });
        client.send(&out);
        client.wait_for(OPEN_OK);
        client.call((20, 10), |out| out.push(0));
        Some(client)
    }

    /// Connects to a broker that is there.
    pub fn open(address: SocketAddr) -> Client {
        Client::try_open(address).expect("the broker accepts")
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the broker reads");
    }

    /// Waits for one method, ignoring others.
    pub fn wait_for(&mut self, wanted: Method) {
        loop {
            while let Some(arrived) = self.reader.next() {
                if arrived == Arrived::Other(wanted) {
                    return;
                }
            }
            self.reader.fill(&mut self.stream);
        }
    }

    /// Sends a request and waits for its answer, whose number is the next one.
    pub fn call(&mut self, (class, number): Method, arguments: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        push_method(&mut out, (class, number), arguments);
        self.send(&out);
        self.wait_for((class, number + 1));
    }

    /// Declares queues, many requests under way at a time. `max_priority` 0 is none.
    pub fn declare(&mut self, names: &[String], durable: bool, max_priority: u8) {
        for names in names.chunks(100) {
            let mut out = Vec::new();
            for name in names {
                push_method(&mut out, (50, 10), |out| {
                    out.extend_from_slice(&[0; 2]);
                    short(out, name);
                    out.push(if durable { 2 } else { 0 });
                    let mut table = Vec::new();
                    if max_priority > 0 {
                        short(&mut table, "x-max-priority");
                        table.extend_from_slice(&[b'B', max_priority]);
                    }
                    long(out, &table);
                });
            }
            self.send(&out);
            names.iter().for_each(|_| self.wait_for((50, 11)));
        }
    }

    /// Binds queues to an exchange that needs no routing key.
    pub fn bind(&mut self, names: &[String], exchange: &str) {
        for name in names {
            self.call((50, 20), |out| {
                out.extend_from_slice(&[0; 2]);
                short(out, name);
                short(out, exchange);
                out.extend_from_slice(&[0; 2]);
                out.extend_from_slice(&[0; 4]);
            });
        }
    }

    /// Turns confirms on.
    pub fn confirm(&mut self) {
        self.call((85, 10), |out| out.push(0));
    }

    /// Limits what each consumer of the channel may hold.
    pub fn prefetch(&mut self, count: u16) {
        self.call((60, 10), |out| {
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&count.to_be_bytes());
            out.push(0);
        });
    }

    /// Consumes from queues. Without waiting for answers, since deliveries come between them.
    pub fn consume(&mut self, names: &[String]) {
        let mut out = Vec::new();
        for name in names {
            push_method(&mut out, (60, 20), |out| {
                out.extend_from_slice(&[0; 2]);
                short(out, name);
                short(out, name);
                out.push(8);
                out.extend_from_slice(&[0; 4]);
            });
        }
        self.send(&out);
    }
}
