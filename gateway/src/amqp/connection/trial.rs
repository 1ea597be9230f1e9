//! A connection without a socket: a client that sends anything and an owner that answers in order. Tests and the fuzzer
//! drive it; the server does not.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::{AmqpLimits, Connection, ConnectionTerms, Effect, Mechanism, VhostAnswer};
use crate::amqp::identity::server_properties;
use crate::topics::session::{Action, Answer, Operation, Outcome, Published, Request, SessionEvent};

/// What comes in at a time.
const PIECE: usize = 512;

/// Small, so that they are met.
const LIMITS: AmqpLimits = AmqpLimits {
    connections: 1,
    channels: 4,
    frame_bytes: 8192,
    message_bytes: 20_000,
    header_bytes: 1000,
    consumers: 3,
    unsettled: 100,
    in_flight_bytes: 100_000,
    assembling_bytes: 100_000,
    buffered_bytes: 64 << 10,
    heartbeat: Duration::from_secs(60),
    handshake: Duration::from_secs(10),
    closing: Duration::from_secs(1),
    write: Duration::from_secs(1),
};

/// A connection with a client that sends anything and an owner that answers in order.
pub struct World {
    /// What is tried.
    pub connection: Connection,
    /// The time.
    pub now: Instant,
    input: Vec<u8>,
    batches: VecDeque<Vec<Operation>>,
}

impl World {
    /// At its beginning.
    pub fn new() -> World {
        let terms = ConnectionTerms {
            limits: LIMITS,
            mechanisms: [Mechanism::Plain].into(),
            properties: server_properties(),
            seed: 1,
            is_own: false,
        };
        let now = Instant::now();
        let connection = Connection::new(terms, now);
        World { connection, now, input: Vec::new(), batches: VecDeque::new() }
    }

    /// Bytes come in.
    pub fn send(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.feed();
    }

    fn feed(&mut self) {
        // What comes behind a login waits for it, and is read once it is granted.
        loop {
            let used = self.connection.handle_input(self.now, &self.input);
            assert!(used <= self.input.len());
            self.input.drain(..used);
            if !self.grant() && used == 0 {
                break;
            }
        }
        // What is not read yet is the socket's, which stops reading.
        if !self.connection.wants_input() {
            self.input.truncate(64 << 10);
        }
    }

    /// Lets the client in, and puts aside what it asks the owner; answers whether there was any of that.
    fn grant(&mut self) -> bool {
        let mut any = false;
        while let Some(effect) = self.connection.poll_effect() {
            any = true;
            match effect {
                Effect::Submit(operations) => self.batches.push_back(operations),
                Effect::Login { mechanism, .. } => {
                    self.connection.handle_login(self.now, mechanism, Some("guest".into()));
                }
                Effect::OpenVhost(_) => self.connection.handle_vhost(self.now, VhostAnswer::Open),
                _ => {}
            }
        }
        any
    }

    /// Answers the oldest batch, if there is any.
    pub fn answer(&mut self, well: bool) -> bool {
        let Some(operations) = self.batches.pop_front() else { return false };
        let refusal = || crate::refusal::Refusal::new(message::ErrorCode::UnknownTopic, "there is none");
        let mut outcomes = Vec::new();
        for Operation { channel, action } in operations {
            let outcome = match action {
                Action::Publish(_) => Outcome::Published(Published { count: 1, ..Published::default() }),
                Action::Ask(request) if well => Outcome::Asked(Ok(match *request {
                    Request::DeclareQueue(_) => Answer::Queue { messages: 1, consumers: 0 },
                    Request::DeleteQueue { .. } | Request::PurgeQueue { .. } => Answer::Removed(1),
                    Request::Get { .. } => Answer::Got(None),
                    _ => Answer::Done,
                })),
                Action::Ask(_) => Outcome::Asked(Err(refusal().into())),
                Action::Commit(_) if well => Outcome::Committed(Ok(Published::default())),
                Action::Commit(_) => Outcome::Committed(Err(refusal().into())),
                Action::RefusedPublish(_)
                | Action::Settle(_)
                | Action::Credit { .. }
                | Action::CloseChannel { .. } => continue,
            };
            outcomes.push((channel, outcome));
        }
        self.connection.handle_event(self.now, SessionEvent::Done { outcomes });
        self.feed();
        true
    }

    /// The client reads some of what waits for it: this.
    pub fn read(&mut self) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = self.connection.output().slices(&mut slices);
        let read = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
        self.connection.handle_written(self.now, read.len());
        read
    }

    /// Everything is within its limits.
    pub fn check(&self) {
        assert!(self.connection.channels.len() <= usize::from(LIMITS.channels) + 1);
        assert!(self.connection.assembling_bytes() <= LIMITS.in_flight_bytes + LIMITS.frame_bytes as usize);
        // An answer that is larger than what is left of the buffer may still be added to it.
        assert!(self.connection.output().len() <= LIMITS.buffered_bytes + (64 << 10));
    }
}

/// What a client sends, from the first byte on, and everything that it asks for answered: well, or badly where the input
/// has an odd number of bytes. Nothing of it may panic or take memory beyond the limits.
pub fn converse(input: &[u8]) {
    let well = input.len().is_multiple_of(2);
    let mut world = World::new();
    for piece in input.chunks(PIECE) {
        world.send(piece);
        world.answer(well);
        world.read();
        world.check();
    }
    while world.answer(well) {
        world.read();
    }
    world.check();
}

/// The classes and methods of all that a client is told for what it sends, where everything that it asks for is granted.
#[must_use]
pub fn replies(input: &[u8]) -> Vec<(u16, u16)> {
    let mut world = World::new();
    let mut told = Vec::new();
    for piece in input.chunks(PIECE) {
        world.send(piece);
        while world.answer(true) {}
        told.append(&mut world.read());
    }
    loop {
        let mut more = world.read();
        if more.is_empty() {
            break;
        }
        told.append(&mut more);
    }
    let mut methods = Vec::new();
    let mut rest = told.as_slice();
    // Type, channel, length, then class and method.
    while let Some((&[kind, _, _, a, b, c, d], after)) = rest.split_first_chunk::<7>() {
        if let (1, Some(&[e, f, g, h])) = (kind, after.first_chunk::<4>()) {
            methods.push((u16::from_be_bytes([e, f]), u16::from_be_bytes([g, h])));
        }
        // One byte ends a frame.
        rest = after.get(u32::from_be_bytes([a, b, c, d]) as usize + 1..).unwrap_or_default();
    }
    methods
}
