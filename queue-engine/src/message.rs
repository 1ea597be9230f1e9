use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::message::{ExchangeName, HeaderTable, Timestamp};
use bytes::Bytes;
use segment_store::Lsn;

use crate::{FailedAttempt, LeaseToken, MessageId, Properties, QueueId};

/// A message on its way in.
///
/// The body is kept as it is handed over while the queue is short: a small slice of a large buffer keeps the whole
/// buffer alive, so copy it out first when most of the buffer is something else.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    /// The key that order is promised for, if any.
    pub key: Option<Bytes>,
    /// Typed headers.
    pub headers: HeaderTable,
    /// AMQP's basic properties.
    pub properties: Properties,
    /// The payload.
    pub body: Bytes,
    /// Higher is sooner. `None` takes the properties' priority, and what the queue's type says if there is none.
    pub priority: Option<u8>,
    /// How long it stays out of sight before it is ready.
    pub delay: Option<Duration>,
    /// When it becomes ready, instead of `delay`; a moment that is past is now.
    pub deliver_at: Option<Timestamp>,
    /// How long it may wait once it is ready. `None` takes the properties' `expiration`, if that is a number.
    pub ttl: Option<Duration>,
}

/// A stored message, shared by every queue and delivery that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The key that order is promised for, if any.
    pub key: Option<Bytes>,
    /// Typed headers.
    pub headers: HeaderTable,
    /// AMQP's basic properties.
    pub properties: Properties,
    /// The payload.
    pub body: Bytes,
    /// Where it was published.
    pub origin: Arc<Origin>,
    /// The priority that it was published with, if any; queues clamp it to theirs.
    pub priority: Option<u8>,
    /// The time to live that it was published with, in milliseconds.
    pub ttl_ms: Option<u64>,
}

/// Where a message was published: what `basic.deliver` shows and dead letters remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The exchange, `None` for the default exchange.
    pub exchange: Option<ExchangeName>,
    /// The routing key; on the default exchange it is the queue's name.
    pub routing_key: Box<str>,
}

impl Origin {
    /// The exchange's name, empty for the default exchange.
    #[must_use]
    pub fn exchange_name(&self) -> &str {
        self.exchange.as_ref().map_or("", ExchangeName::as_str)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with key {:?}", self.exchange_name(), self.routing_key)
    }
}

impl Message {
    /// Fixed memory of a message beside its bytes, for budgets.
    const OVERHEAD: usize = 192;

    /// What it takes in memory, roughly.
    pub(crate) fn footprint(&self) -> u64 {
        let key = self.key.as_ref().map_or(0, Bytes::len);
        let texts = self.headers.as_bytes().len() + self.properties.as_bytes().len();
        (key + texts + self.body.len() + Message::OVERHEAD) as u64
    }

    pub(crate) fn from_new(new: NewMessage, origin: Arc<Origin>) -> Message {
        let NewMessage { key, headers, properties, body, priority, delay: _, deliver_at: _, ttl } = new;
        let priority = priority.or_else(|| properties.priority());
        let ttl_ms = match ttl {
            Some(ttl) => Some(millis(ttl)),
            None => properties.expiration().and_then(|text| text.parse().ok()),
        };
        Message { key, headers, properties, body, origin, priority, ttl_ms }
    }
}

impl NewMessage {
    /// How long it stays out of sight when it is published now, in milliseconds.
    pub(crate) fn delay_ms(&self, now: Timestamp) -> u64 {
        match self.deliver_at {
            Some(at) => millis(at.since(now)),
            None => self.delay.map_or(0, millis),
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One message handed to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The queue that it comes from.
    pub queue: QueueId,
    /// Settles it. `None` when the consumer asked for none: the message is gone from the queue already.
    pub lease: Option<LeaseToken>,
    /// Names the message in its queue.
    pub id: MessageId,
    /// Which delivery of this message this is, from 1.
    pub attempt: u32,
    /// How many of the earlier ones count as failures: AMQP's `x-delivery-count`.
    pub failures: u32,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The priority that the queue gave it.
    pub priority: u8,
    /// Where the journal has the message: whoever hands it on can tell whether it was there before this group.
    pub stored_at: Lsn,
    /// When it reached the queue.
    pub enqueued_at: Timestamp,
    /// When the lease ends by itself, unless extended.
    pub lease_expires_at: Option<Timestamp>,
    /// Earlier attempts that failed, if the queue has a retry policy.
    pub history: Vec<FailedAttempt>,
    /// Headers, properties and body.
    pub message: Arc<Message>,
}
