//! What the server says, before it is known in which encoding.

use super::command::{AckMode, CommandId, CreditGrant, Subscription};
use crate::refusal::Refusal;
use crate::topics::{Model, Receipts};

/// Answers one command.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The command's id; absent when it could not be read.
    pub id: Option<CommandId>,
    /// What became of it.
    pub outcome: Result<Answer, Refusal>,
}

/// What a command that succeeded answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing but that it was done.
    Done,
    /// It was done, and there is something to know about it.
    Noted(&'static str),
    /// A subscription is open.
    Subscribed(Subscribed),
    /// One result per message.
    Published(Receipts),
    /// One result per lease: when it ends now, if it was extended.
    Settled(SettleResults),
    /// Messages that were looked at.
    Browsed {
        /// As the elements of a JSON list.
        messages: Vec<u8>,
        /// Behind which message to go on, if there are more.
        next: Option<u64>,
    },
    /// A message as it stands, as a JSON object.
    Message(Vec<u8>),
    /// The positions that are committed now because of it; empty when earlier records are still unacknowledged.
    Committed(Vec<Position>),
}

/// One result per lease: when it ends now, if it was extended.
pub type SettleResults = Vec<Result<Option<i64>, Box<Refusal>>>;

/// A partition and an offset to read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
}

/// What an open subscription is like, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribed {
    /// Its number on this socket.
    pub subscription: Subscription,
    /// The topic.
    pub topic: String,
    /// The topic's model.
    pub model: Model,
    /// Who acknowledges.
    pub ack: AckMode,
    /// How much may be in flight; what is absent is limited by the socket only.
    pub credit: CreditGrant,
    /// The member, if a group reads.
    pub seat: Option<Seat>,
    /// Where each partition is read from, if the topic is a log.
    pub partitions: Option<Vec<Position>>,
}

/// A member's place in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The group.
    pub group: String,
    /// The member's id.
    pub member_id: String,
    /// Of the assignment.
    pub generation: u32,
}

/// What the server says unasked, beside messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A subscription ended without being asked to.
    Closed {
        /// Which.
        subscription: Subscription,
        /// Why.
        reason: Refusal,
    },
    /// The group shared its partitions out anew.
    Assignment {
        /// Which subscription.
        subscription: Subscription,
        /// The member's place from now on.
        seat: Seat,
        /// All that it reads from now on, and from where.
        partitions: Vec<Position>,
    },
    /// The server goes down and will close the socket.
    Goodbye {
        /// In how many milliseconds a new connection is worth trying.
        retry_after_ms: u64,
    },
}
