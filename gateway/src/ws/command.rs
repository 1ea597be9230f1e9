use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::message_command::MessageCommand;
use crate::refusal::Refusal;
use crate::topics::{Acks, IdempotencyKey, Lease, Outgoing, StartAt, TransactionId};

/// What a client calls its command; the reply repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommandId {
    /// Any whole number; the only form that the binary subprotocol has.
    Number(u64),
    /// At most [`CommandId::TEXT_BYTES`] bytes of text.
    Text(Box<str>),
}

impl CommandId {
    /// Longest text.
    pub const TEXT_BYTES: usize = 64;
}

/// One decoded command.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// As the client named it.
    pub id: CommandId,
    /// What it asks.
    pub command: Command,
}

/// A frame that could not be turned into a command.
#[derive(Clone, Debug, PartialEq)]
pub struct BadFrame {
    /// The command's id where it could be read.
    pub id: Option<CommandId>,
    /// What is wrong, naming the field.
    pub refusal: Refusal,
    /// Whether the frame is not in the protocol at all, rather than a command with a wrong field.
    pub garbage: bool,
}

/// What a client may ask.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Open a subscription.
    Subscribe(Subscribe),
    /// Publish messages.
    Publish(Publish),
    /// Settle leased messages of queues.
    Settle(Settle),
    /// Look at, change or move single messages of a queue.
    Message(Box<MessageCommand>),
    /// Acknowledge records that a group subscription delivered.
    AckRecords(AckRecords),
    /// Widen a subscription's credit.
    Credit(Subscription, CreditGrant),
    /// Deliver nothing more until `resume`, or nothing more of these partitions.
    Pause(Subscription, Option<Vec<u32>>),
    /// Deliver again.
    Resume(Subscription, Option<Vec<u32>>),
    /// Commit positions of a group subscription.
    Commit(Commit),
    /// End a subscription; its leases return.
    Unsubscribe(Subscription),
    /// Name who is asking.
    Auth(Auth),
    /// Ask for a sign of life.
    Ping,
}

/// Names a subscription within its socket, from 1 on, never reused.
pub type Subscription = u32;

/// Opens a subscription on a topic of either model; which fields apply depends on the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe {
    /// The topic.
    pub topic: String,
    /// Where to start reading a log. With a group: where to start partitions that have no committed offset.
    pub from: Option<From>,
    /// The consumer group that shares a log's partitions.
    pub group: Option<String>,
    /// Which partitions of a log; all when absent.
    pub partitions: Option<Vec<u32>>,
    /// How much may be in flight at once.
    pub credit: Option<CreditGrant>,
    /// How long a queue's leases last.
    pub lease_ms: Option<u64>,
    /// Whether messages of a queue stay until they are settled or the subscription ends.
    pub until_settled: Option<bool>,
    /// How long they may stay so, before the subscription is cancelled.
    pub consumer_timeout_ms: Option<u64>,
    /// Whether the client acknowledges.
    pub ack: Option<AckMode>,
    /// How payloads are written in JSON.
    pub values: Option<String>,
    /// Consumers of a queue with a higher priority are served first.
    pub priority: Option<i32>,
    /// Be a queue's only consumer.
    pub exclusive: Option<bool>,
    /// How long a group waits for a silent member.
    pub session_timeout_ms: Option<u64>,
}

/// Where reading starts.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// The same for every partition.
    Everywhere(StartAt),
    /// Each named partition at its own place; only those are read.
    Each(Vec<(u32, StartAt)>),
}

/// Who says that a message was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckMode {
    /// The client, per message.
    Manual,
    /// Sluice, as soon as the message was handed over.
    Auto,
}

/// An amount of credit. What is absent is not limited, up to the server's own limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditGrant {
    /// Messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u32>,
    /// Payload bytes: keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Publishes a batch of messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Where to.
    pub target: Target,
    /// What, in order.
    pub messages: Vec<Outgoing>,
    /// How durable before the reply.
    pub acks: Acks,
    /// Makes a repeated command one effect: the key and a fingerprint of what was asked.
    pub idempotency: Option<IdempotencyKey>,
    /// The open transaction that the messages belong to.
    pub transaction: Option<TransactionId>,
}

impl Publish {
    /// Bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let len = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, bytes::Bytes::len);
        self.messages.iter().map(|message| (len(&message.key) + len(&message.value)) as u64).sum()
    }
}

/// Where messages are published.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A topic of either model.
    Topic(String),
    /// An exchange; the empty name is the default exchange.
    Exchange {
        /// Its name.
        exchange: String,
        /// What its bindings are matched against.
        routing_key: String,
    },
}

/// Settles leases, whoever holds them and whatever door handed them out.
#[derive(Clone, Debug, PartialEq)]
pub struct Settle {
    /// The opaque leases.
    pub leases: Vec<Lease>,
    /// What becomes of the messages.
    pub verdict: Verdict,
    /// How durable before the reply.
    pub acks: Acks,
}

/// What becomes of a leased message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done: deleted.
    Ack,
    /// Not done: redelivered, after `delay_ms` or as the queue's backoff says.
    Nack {
        /// Milliseconds.
        delay_ms: Option<u64>,
    },
    /// Dealing with it failed: redelivered as the queue's backoff says, and counted towards its delivery limit.
    Fail,
    /// Will never be done: dead-lettered or dropped.
    Reject,
    /// Needs longer.
    Extend {
        /// From now on, in milliseconds.
        lease_ms: u64,
    },
}

/// Acknowledges records of a log, in any order.
#[derive(Clone, Debug, PartialEq)]
pub struct AckRecords {
    /// The group subscription that delivered them.
    pub subscription: Subscription,
    /// Runs of offsets, both ends included.
    pub runs: Vec<OffsetRun>,
}

/// Neighbouring offsets of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRun {
    /// The partition.
    pub partition: u32,
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

/// Commits positions, each the offset to read next.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The group subscription.
    pub subscription: Subscription,
    /// One per partition.
    pub offsets: Vec<CommitPoint>,
}

/// A position to commit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitPoint {
    /// The partition.
    pub partition: u32,
    /// The offset to read next.
    pub offset: i64,
    /// A note kept beside it.
    #[serde(default)]
    pub metadata: Option<String>,
    /// The leader epoch of the record before it.
    #[serde(default)]
    pub leader_epoch: Option<u32>,
    /// How long it is kept, in milliseconds.
    #[serde(default)]
    pub retention_ms: Option<u64>,
}

impl CommitPoint {
    /// A position without anything beside it.
    #[must_use]
    pub fn new(partition: u32, offset: i64) -> CommitPoint {
        CommitPoint { partition, offset, metadata: None, leader_epoch: None, retention_ms: None }
    }
}

/// Credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// A bearer token, or a user's name and password joined by a colon.
    pub token: String,
}

/// A complete frame that came from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// Valid UTF-8.
    Text(Bytes),
    /// Any bytes.
    Binary(Bytes),
    /// An answer to a ping, or a ping: a sign of life.
    Heartbeat,
}
