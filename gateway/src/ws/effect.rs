use super::answer::{Answer, Position, Seat, SettleResults};
use super::command::{CommandId, CommitPoint, Publish, Settle, Subscribe, Subscription};
use super::message_command::MessageCommand;
use crate::refusal::Refusal;
use crate::topics::{Receipts, StartAt};

/// What the session wants done outside of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Open a subscription; answered by [`Outcome::Opened`].
    Open {
        /// The command.
        id: CommandId,
        /// Its number.
        subscription: Subscription,
        /// What was asked.
        ask: Box<Subscribe>,
    },
    /// Find out who the client is; answered by [`Outcome::LoggedIn`].
    LogIn {
        /// The command.
        id: CommandId,
        /// What it says.
        token: String,
    },
    /// Publish; answered by [`Outcome::Published`].
    Publish {
        /// The command.
        id: CommandId,
        /// What was asked.
        publish: Box<Publish>,
    },
    /// Do something with single messages; answered by [`Outcome::Message`].
    Message {
        /// The command.
        id: CommandId,
        /// What was asked.
        ask: Box<MessageCommand>,
    },
    /// Settle; answered by [`Outcome::Settled`].
    Settle {
        /// The command.
        id: CommandId,
        /// What was asked.
        settle: Settle,
    },
    /// Commit positions of a group; answered by [`Outcome::Committed`].
    Commit {
        /// The subscription that reads for the group.
        subscription: Subscription,
        /// On whose behalf.
        farewell: Farewell,
    },
    /// Say that a member is alive and ask whether its assignment changed; answered by [`Outcome::Joined`].
    Rejoin {
        /// The subscription that reads for the group.
        subscription: Subscription,
        /// The log.
        topic: String,
        /// The member's place as far as it knows.
        seat: Seat,
        /// After this silence the group gives the member up.
        session_timeout_ms: u64,
        /// Where partitions start that have no committed offset.
        fallback: StartAt,
        /// The partitions that it reads: by leaving one out it lets go of it.
        holds: Vec<u32>,
    },
    /// Let a queue push more.
    Grant {
        /// The subscription.
        subscription: Subscription,
        /// Messages.
        messages: u32,
        /// Bytes.
        bytes: u64,
    },
    /// Let a queue push nothing until [`Effect::Resume`].
    Pause(Subscription),
    /// Let a queue push again.
    Resume(Subscription),
    /// Tell [`super::session::Session::handle_readable`] when a partition has something from `from` on.
    Watch {
        /// The subscription.
        subscription: Subscription,
        /// The partition.
        partition: u32,
        /// The offset to read next.
        from: i64,
    },
    /// Forget a subscription's source; what it had leased returns.
    Drop {
        /// The subscription.
        subscription: Subscription,
        /// What its group must still hear: these last positions, then that the member left.
        farewell: Option<Farewell>,
    },
}

/// Positions of a group's member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// The log.
    pub topic: String,
    /// The member.
    pub seat: Seat,
    /// What to commit.
    pub offsets: Vec<CommitPoint>,
}

/// What became of an effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Of [`Effect::Open`].
    Opened {
        /// The command.
        id: CommandId,
        /// Its number.
        subscription: Subscription,
        /// What was asked.
        ask: Box<Subscribe>,
        /// What it became.
        opened: Result<Opened, Refusal>,
    },
    /// Of [`Effect::LogIn`].
    LoggedIn {
        /// The command.
        id: CommandId,
        /// Who it is, if anybody has to be anybody.
        user: Result<Option<String>, Refusal>,
    },
    /// Of [`Effect::Publish`].
    Published {
        /// The command.
        id: CommandId,
        /// One result per message.
        results: Result<Receipts, Refusal>,
    },
    /// Of [`Effect::Message`].
    Message {
        /// The command.
        id: CommandId,
        /// What the client is told.
        answer: Result<Answer, Refusal>,
    },
    /// Of [`Effect::Settle`].
    Settled {
        /// The command.
        id: CommandId,
        /// What was asked.
        settle: Settle,
        /// One result per lease: when it ends now, if it was extended.
        results: Result<SettleResults, Refusal>,
    },
    /// Of [`Effect::Commit`].
    Committed {
        /// The subscription.
        subscription: Subscription,
        /// What is committed now.
        result: Result<Vec<Position>, Refusal>,
    },
    /// Of [`Effect::Rejoin`].
    Joined {
        /// The subscription.
        subscription: Subscription,
        /// The member's place, and its partitions if they changed.
        result: Result<(Seat, Option<Vec<Position>>), Refusal>,
    },
}

/// What a subscription turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened {
    /// To a queue.
    Queue,
    /// To a log, stateless: its partitions and where each is read from.
    Log(Vec<Position>),
    /// To a log on behalf of a group.
    Group {
        /// The member's place.
        seat: Seat,
        /// Its partitions and where each is read from.
        positions: Vec<Position>,
    },
}

/// A stretch of a log that the session has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The subscription.
    pub subscription: Subscription,
    /// The partition.
    pub partition: u32,
    /// The offset to start at.
    pub from: i64,
}
