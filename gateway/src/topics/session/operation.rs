use std::sync::Arc;

use bytes::Bytes;
use message::HeaderTable;

use crate::topics::Lease;

/// One life of one channel. Never used twice in a session, so that what was sent before a channel failed is told from
/// what came after it was opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelKey(pub u64);

/// Names a subscription within its session; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerNumber(pub u64);

/// How durable something must be before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Nobody waits for it.
    #[default]
    None,
    /// In the page cache.
    Cache,
    /// On disk.
    Disk,
}

/// One step. After one of a channel failed, the channel's others are skipped until [`Action::CloseChannel`].
#[derive(Debug)]
pub struct Operation {
    /// Whose.
    pub channel: ChannelKey,
    /// What.
    pub action: Action,
}

/// What can be asked of the owner.
#[derive(Debug)]
pub enum Action {
    /// Route a message.
    Publish(Publish),
    /// A message that may not be published: its channel fails.
    RefusedPublish(Box<super::outcome::SessionError>),
    /// Settle deliveries; those that are over already are passed by.
    Settle(Vec<(Lease, Settlement)>),
    /// Let a subscription have more.
    Credit {
        /// Which.
        consumer: ConsumerNumber,
        /// Messages.
        messages: u64,
        /// Bytes.
        bytes: u64,
    },
    /// Anything that has an answer of its own.
    Ask(Box<Request>),
    /// Several steps, all or none.
    Commit(Vec<Action>),
    /// End the channel's subscriptions, return what they and it hold, and forget that it failed.
    CloseChannel {
        /// What the channel holds beside that.
        leases: Vec<Lease>,
    },
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done.
    Ack,
    /// Back to its place.
    Requeue,
    /// Back to its place, because dealing with it failed: quorum queues count that.
    Fail,
    /// Never to be delivered again.
    Discard,
}

/// A message on its way to an exchange.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Empty is the default exchange.
    pub exchange: Arc<str>,
    /// The routing key.
    pub routing_key: Arc<str>,
    /// As [`queue_engine::Properties`] keeps them.
    pub properties: Bytes,
    /// As [`HeaderTable`] keeps them.
    pub headers: HeaderTable,
    /// The body.
    pub body: Bytes,
    /// Whether it comes back when nothing takes it.
    pub mandatory: bool,
    /// What its confirm promises.
    pub durability: Durability,
}

/// What has an answer of its own. Names are as the client wrote them.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named after what they are")]
pub enum Request {
    DeclareQueue(QueueDeclaration),
    DeleteQueue {
        queue: String,
        if_unused: bool,
        if_empty: bool,
    },
    PurgeQueue {
        queue: String,
    },
    Bind(Binding),
    Unbind(Binding),
    DeclareExchange(ExchangeDeclaration),
    DeleteExchange {
        exchange: String,
        if_unused: bool,
    },
    Consume(Consume),
    Cancel {
        consumer: ConsumerNumber,
    },
    Get {
        queue: String,
        no_ack: bool,
    },
    /// Bounds what all subscriptions of the channel hold unsettled together; `None` is no bound.
    LimitChannel {
        unsettled: Option<u64>,
    },
    /// Takes replies that are published to an address, on behalf of one subscription of the channel.
    TakeReplies {
        consumer: ConsumerNumber,
        address: String,
    },
    /// Takes them no more.
    LeaveReplies,
    /// Ends all that the session owns: subscriptions of all channels were ended before.
    EndOwner,
    /// Answers once everything before it was carried out, and is on disk if that was asked for.
    Barrier,
}

/// A queue as a client wants it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named after what they are")]
pub struct QueueDeclaration {
    pub queue: String,
    /// Only ask whether it is there.
    pub passive: bool,
    pub durable: bool,
    pub exclusive: bool,
    pub auto_delete: bool,
    pub arguments: HeaderTable,
    /// Whether the broker made the name up.
    pub server_named: bool,
}

/// An exchange as a client wants it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named after what they are")]
pub struct ExchangeDeclaration {
    pub exchange: String,
    pub kind: String,
    /// Only ask whether it is there.
    pub passive: bool,
    pub durable: bool,
    pub auto_delete: bool,
    pub internal: bool,
    pub arguments: HeaderTable,
}

/// What a binding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindTo {
    /// A queue, or a log of that name.
    Queue,
    /// Another exchange.
    Exchange,
}

/// A binding made or undone.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named after what they are")]
pub struct Binding {
    pub source: String,
    pub to: BindTo,
    pub destination: String,
    pub routing_key: String,
    pub arguments: HeaderTable,
}

/// A subscription as a client wants it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named after what they are")]
pub struct Consume {
    pub consumer: ConsumerNumber,
    pub queue: String,
    pub no_ack: bool,
    pub exclusive: bool,
    /// Higher ones are served first.
    pub priority: i32,
    pub credit_messages: u64,
    pub credit_bytes: u64,
    /// How many messages it may hold unsettled.
    pub prefetch: Option<u64>,
}
