//! The protocol of one connection.

mod answers;
mod channel;
mod closing;
mod consuming;
mod content;
mod frames;
#[cfg(test)]
mod fuzz_tests;
mod handshake;
mod heartbeats;
mod methods;
mod report;
mod settling;
mod streams;
#[cfg(test)]
mod tests;
mod topology;
mod transactions;
mod trial;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use message::HeaderTable;

use super::identity::ClientIdentity;
use super::limits::{AmqpLimits, FRAME_BEFORE_TUNE};
use super::login::Mechanism;
use super::stream_filter::StreamFilter;
use super::wire::{MethodId, Output, Reply};
use crate::topics::LogTopic;
use crate::topics::session::{Action, ChannelKey, ConsumerNumber, Operation, Request, SessionEvent};
use answers::{Awaited, Expect};
use channel::Channel;
use heartbeats::Heartbeats;
pub use report::{ChannelReport, ConnectionReport, ConsumerReport};
pub use streams::Start;
pub use trial::{converse, replies};

/// What an operation counts beside the message that it brings.
const OPERATION_BYTES: usize = 128;

/// What a connection is begun with.
#[derive(Clone, Debug)]
pub struct ConnectionTerms {
    /// What it may use.
    pub limits: AmqpLimits,
    /// How its client may say who it is.
    pub mechanisms: Arc<[Mechanism]>,
    /// What the server says of itself.
    pub properties: HeaderTable,
    /// Where names that the broker makes up begin: different for every connection.
    pub seed: u64,
    /// Whether its client is the server itself, which hands on what others said of themselves.
    pub is_own: bool,
}

/// What the connection wants done outside of it.
#[derive(Debug)]
pub enum Effect {
    /// Ask whether this is who it says; answered by [`Connection::handle_login`].
    Login {
        /// How it says so.
        mechanism: Mechanism,
        /// What it says.
        response: Bytes,
    },
    /// Write down that the client is refused before it could say who it is.
    TurnAway(&'static str),
    /// Ask whether this is a new secret of the user; answered by [`Connection::handle_renewal`].
    Renew {
        /// Who.
        user: String,
        /// The secret.
        secret: Bytes,
    },
    /// Ask whether the user may use the virtual host; answered by [`Connection::handle_vhost`].
    OpenVhost(String),
    /// Hand these to the owner.
    Submit(Vec<Operation>),
    /// Read a log for a subscription; records come as events.
    ReadLog {
        /// Which.
        consumer: ConsumerNumber,
        /// The log.
        log: LogTopic,
        /// Where to begin.
        start: Start,
        /// Which records; all of them without it.
        filter: Option<Arc<StreamFilter>>,
        /// How many records may come before more is allowed.
        credit: u32,
    },
    /// Allow a reader of a log this many records more.
    AllowRecords {
        /// Which.
        consumer: ConsumerNumber,
        /// How many.
        records: u32,
    },
    /// End a reader of a log.
    StopLog(ConsumerNumber),
    /// End every subscription; what is held returns. Nothing is submitted after it.
    Release,
}

/// Whether a virtual host is there for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VhostAnswer {
    /// It is.
    Open,
    /// There is none of that name.
    Unknown,
    /// The user may not use it.
    Refused,
    /// There are as many connections as a quota allows; of whom, and how many.
    Full {
        /// What is limited: `user`, `client` or `address`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// How many it may have.
        limit: u64,
    },
}

/// How far a connection's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client speaks first.
    Header,
    /// `start` was sent.
    Started,
    /// The login is being looked at.
    LoggingIn,
    /// `tune` was sent.
    Tuning,
    /// Limits were agreed; the virtual host is awaited.
    Tuned,
    /// The virtual host is being looked at.
    Opening,
    /// Everything goes.
    Open,
    /// The client wants to leave; what it asked before is being finished.
    Leaving,
    /// A close was sent; its answer is awaited until then.
    Closing(Instant),
    /// What is written goes out, then the socket closes; not before then, so that a client that made a mistake cannot
    /// repeat it at once.
    Over(Option<Instant>),
}

/// One connection: bytes, outcomes and the time go in, bytes and effects come out.
///
/// Feed it with the `handle_*` methods. After each, carry out what [`Connection::poll_effect`] gives until it gives
/// nothing more, write [`Connection::output`] as far as the socket takes it and tell by [`Connection::handle_written`],
/// and call [`Connection::handle_timeout`] at [`Connection::poll_timeout`].
#[derive(Debug)]
pub struct Connection {
    terms: ConnectionTerms,
    phase: Phase,
    client: ClientIdentity,
    mechanism: Option<Mechanism>,
    user: String,
    vhost: String,
    channel_max: u16,
    frame_max: u32,
    output: Output,
    effects: VecDeque<Effect>,
    /// Operations that were read and not yet handed over.
    work: Vec<Operation>,
    /// Requests whose answers are due, in order.
    awaited: VecDeque<Awaited>,
    /// Each in a box of its own: the smallest table has four places, and most clients open one channel.
    channels: HashMap<u16, Box<Channel>>,
    consumers: HashMap<ConsumerNumber, (u16, Arc<str>)>,
    next_key: u64,
    next_consumer: u64,
    next_name: u64,
    heartbeats: Heartbeats,
    /// When the handshake must be over.
    handshake_due: Option<Instant>,
    /// Bytes of what was read and not answered.
    in_flight: usize,
    /// How many of them are not handed over yet, and those of each batch that was.
    gathered: usize,
    submitted: VecDeque<usize>,
    /// The number of the batch that is being gathered, counted from 1, and how many were answered.
    batch: u64,
    answered: u64,
    /// Bytes of messages that are incomplete or not committed.
    assembling: usize,
    /// Credit to be given back once the output has drained: messages and bytes.
    owed: HashMap<ConsumerNumber, (u64, u64)>,
    /// Consumers whose messages were settled in this round.
    repaid: HashMap<ConsumerNumber, u64>,
    /// Bytes of credit that the subscriptions have together.
    granted: u64,
    /// Most bytes of credit that one subscription gets.
    window_most: u64,
    /// Bytes of bodies that were delivered since [`Connection::take_delivered`], and whether any was asked for.
    delivered: (u64, bool),
    /// Whether credit is held back: the client had more than it may.
    paced: bool,
    /// Channels whose confirms were not written yet.
    unconfirmed: Vec<u16>,
    /// Whether the client published: only such are told to wait.
    publishes: bool,
    /// Why publishers wait, if they do.
    alarm: Option<&'static str>,
    told_blocked: bool,
    released: bool,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(terms: ConnectionTerms, now: Instant) -> Connection {
        let handshake_due = Some(now + terms.limits.handshake);
        Connection {
            phase: Phase::Header,
            client: ClientIdentity::default(),
            mechanism: None,
            user: String::new(),
            vhost: String::new(),
            channel_max: terms.limits.channels,
            frame_max: FRAME_BEFORE_TUNE,
            output: Output::default(),
            effects: VecDeque::new(),
            work: Vec::new(),
            awaited: VecDeque::new(),
            channels: HashMap::new(),
            consumers: HashMap::new(),
            next_key: 0,
            next_consumer: 0,
            next_name: terms.seed,
            heartbeats: Heartbeats::off(now),
            handshake_due,
            in_flight: 0,
            gathered: 0,
            submitted: VecDeque::new(),
            batch: 1,
            answered: 0,
            assembling: 0,
            owed: HashMap::new(),
            repaid: HashMap::new(),
            granted: 0,
            window_most: u64::MAX,
            delivered: (0, false),
            paced: false,
            unconfirmed: Vec::new(),
            publishes: false,
            alarm: None,
            told_blocked: false,
            released: false,
            terms,
        }
    }

    /// Bytes came in; answers how many of them were used. Offer the rest again with what follows.
    pub fn handle_input(&mut self, now: Instant, input: &[u8]) -> usize {
        self.heartbeats.heard(now);
        let mut used = 0;
        while self.wants_input() {
            match self.handle_some(now, &input[used..]) {
                0 => break,
                more => used += more,
            }
        }
        self.finish_round();
        used
    }

    /// Something came back from the owner or from a reader of a log.
    pub fn handle_event(&mut self, now: Instant, event: SessionEvent) {
        match event {
            SessionEvent::Done { outcomes } => {
                self.answered += 1;
                self.in_flight -= self.submitted.pop_front().unwrap_or(0);
                self.handle_outcomes(now, outcomes);
            }
            SessionEvent::Failed(refusal) => {
                let error = super::refusals::of_store(&refusal);
                self.fail(now, error);
            }
            SessionEvent::Delivered { consumer, run } => self.deliver(consumer, run),
            SessionEvent::Replied { consumer, reply } => {
                // Replies are not kept for who does not take them, as RabbitMQ does not keep them either.
                if self.output.len() < self.terms.limits.buffered_bytes {
                    self.deliver(consumer, vec![reply]);
                }
            }
            SessionEvent::Ended { consumer, timed_out } => self.subscription_ended(now, consumer, timed_out),
            SessionEvent::Records { consumer, chunk } => self.deliver_records(now, consumer, chunk),
            // For whoever drives it.
            SessionEvent::Called => {}
        }
        self.finish_round();
    }

    /// Output was written.
    pub fn handle_written(&mut self, now: Instant, bytes: usize) {
        self.output.advance(bytes);
        self.heartbeats.spoke(now);
        self.repay_written();
    }

    /// Gives credit back, as far as the client takes what it has and may have more.
    fn repay_written(&mut self) {
        if !self.paced && self.output.len() <= self.terms.limits.buffered_bytes / 8 {
            self.repay_owed();
            self.finish_round();
        }
    }

    /// Bytes to be written.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// The next thing to be done outside.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether more bytes may be read: not while too much is on its way in or out, nor while a login is looked at.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        match self.phase {
            Phase::LoggingIn | Phase::Opening | Phase::Leaving | Phase::Over(_) => false,
            Phase::Closing(_) => true,
            Phase::Header | Phase::Started | Phase::Tuning | Phase::Tuned => true,
            Phase::Open => {
                self.in_flight < self.terms.limits.in_flight_bytes
                    && self.output.len() < self.terms.limits.buffered_bytes
                    && !(self.publishes && self.alarm.is_some())
            }
        }
    }

    /// Whether the socket is to be closed once the output is written.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Over(until) if until.is_none_or(|until| now >= until))
    }

    /// Bytes of messages that are incomplete or not committed, for an account over all connections.
    #[must_use]
    pub fn assembling_bytes(&self) -> usize {
        self.assembling
    }

    /// Who logged in; empty before.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The name that the client's user gave the connection, if any.
    #[must_use]
    pub fn client_name(&self) -> Option<&str> {
        Some(self.client.name.as_str()).filter(|name| !name.is_empty())
    }

    /// Subscriptions that are begun from now on get at most so many bytes ahead.
    pub fn limit_window(&mut self, bytes: Option<u64>) {
        self.window_most = bytes.unwrap_or(u64::MAX).max(1);
    }

    /// Bytes of bodies that were delivered since it was asked last, and whether the client asked for any of them by
    /// `basic.get`.
    pub fn take_delivered(&mut self) -> (u64, bool) {
        std::mem::take(&mut self.delivered)
    }

    /// Credit is held back from now on, or is not any more.
    pub fn handle_pace(&mut self, paced: bool) {
        self.paced = paced;
        self.repay_written();
    }

    /// Bytes came in that are looked at later: the client lives.
    pub fn handle_sign_of_life(&mut self, now: Instant) {
        self.heartbeats.heard(now);
    }

    /// Whether the client is kept from publishing.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.alarm.is_some()
    }

    /// Whether everything goes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Publishers must wait, or need not any more.
    pub fn handle_alarm(&mut self, alarm: Option<&'static str>) {
        self.alarm = alarm;
        if self.phase != Phase::Open || !self.client.connection_blocked {
            return;
        }
        match alarm {
            Some(reason) if self.publishes && !self.told_blocked => {
                self.told_blocked = true;
                Reply::Blocked { reason }.put(&mut self.output, 0);
            }
            None if std::mem::take(&mut self.told_blocked) => Reply::Unblocked.put(&mut self.output, 0),
            _ => {}
        }
    }

    /// Ends what one call began: what was read is handed over, what was settled gives credit back.
    fn finish_round(&mut self) {
        self.write_confirms();
        self.repay_settled();
        if !self.work.is_empty() && !self.released {
            let work = std::mem::take(&mut self.work);
            self.submitted.push_back(std::mem::take(&mut self.gathered));
            self.batch += 1;
            self.effects.push_back(Effect::Submit(work));
        }
    }

    fn push(&mut self, channel: ChannelKey, action: Action) {
        let bytes =
            OPERATION_BYTES + if let Action::Publish(publish) = &action { publish.body.len() } else { 0 };
        self.in_flight += bytes;
        self.gathered += bytes;
        self.work.push(Operation { channel, action });
    }

    fn say(&mut self, channel: u16, reply: &Reply<'_>) {
        reply.put(&mut self.output, channel);
    }

    /// Says something on a channel once everything that was asked before it on that channel is answered.
    fn say_in_order(&mut self, number: u16, reply: Reply<'static>) {
        if self.is_quiet(number) {
            self.say(number, &reply);
        } else {
            self.ask(number, MethodId::NONE, Expect::Say(reply), Request::Barrier);
        }
    }

    /// Whether nothing that was asked on the channel is still to be answered.
    fn is_quiet(&self, number: u16) -> bool {
        self.channels.get(&number).is_none_or(|channel| channel.busy_until <= self.answered)
    }

    fn next_key(&mut self) -> ChannelKey {
        self.next_key += 1;
        ChannelKey(self.next_key)
    }

    /// A name that nobody can guess and that no other connection makes up.
    fn make_up_name(&mut self, prefix: &str) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut name = String::with_capacity(prefix.len() + 22);
        name.push_str(prefix);
        for _ in 0..2 {
            // SplitMix64, a step per 11 digits.
            self.next_name = self.next_name.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = self.next_name;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^= word >> 31;
            for _ in 0..11 {
                name.push(char::from(DIGITS[(word & 63) as usize]));
                word >>= 6;
            }
        }
        name
    }
}
