use bytes::Bytes;
use message::HeaderValue;

/// A message on its way in, from whatever door, before it is known which model takes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outgoing {
    /// Orders and partitions; `None` lets the broker choose.
    pub key: Option<Bytes>,
    /// The payload; `None` is a tombstone, which only logs take.
    pub value: Option<Bytes>,
    /// In the order sent. Text and bytes go to both models, other types to queues only.
    pub headers: Vec<(String, HeaderValue)>,
    /// What the payload is: a header named `content-type` on a log, the property on a queue.
    pub content_type: Option<String>,
    /// What only some topics or callers use.
    pub options: OutgoingOptions,
}

/// What a publisher may say beside the message. A topic of the other model refuses what it cannot honour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutgoingOptions {
    /// 0 to 255, higher first. Queues only.
    pub priority: Option<u8>,
    /// Wait before it becomes ready. Queues only.
    pub delay_ms: Option<u64>,
    /// When it becomes ready, milliseconds since the epoch; instead of `delay_ms`. Queues only.
    pub deliver_at: Option<i64>,
    /// Life from now on. Queues only.
    pub ttl_ms: Option<u64>,
    /// Where to put it. Logs only.
    pub partition: Option<u32>,
    /// Milliseconds since the epoch, as the producer says.
    pub timestamp: Option<i64>,
    /// The producer's own id: property `message_id` on a queue. Queues only.
    pub message_id: Option<String>,
    /// Property on a queue. Queues only.
    pub correlation_id: Option<String>,
    /// Property on a queue. Queues only.
    pub reply_to: Option<String>,
}

/// How durable it must be before the answer comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// On disk: `fdatasync` returned.
    #[default]
    All,
    /// In the operating system's page cache: survives the process, not the power.
    Leader,
    /// Nothing is promised; the answer does not wait.
    None,
}

/// What a published message became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// A record of a log.
    Log {
        /// Its partition.
        partition: u32,
        /// Its offset.
        offset: i64,
        /// Its timestamp as stored, milliseconds since the epoch.
        timestamp: i64,
    },
    /// A message of a queue.
    Queue {
        /// Its id within the queue.
        id: u64,
    },
    /// Not taken by a queue that took a message with the same id before, within its window.
    Duplicate {
        /// The first one's id within the queue.
        id: u64,
    },
    /// Sent to an exchange.
    Routed {
        /// How many queues have it.
        queues: u32,
        /// How many of them had it before, by its id.
        duplicates: u32,
        /// How many logs took it.
        logs: u32,
        /// Whether an exchange holds it back: where it goes shows when its delay is over.
        held: bool,
    },
    /// Taken without a promise (`acks=none`): nothing is known of it yet.
    Unconfirmed,
}

/// One answer per message, in the order sent.
pub type Receipts = Vec<Result<Receipt, Box<crate::refusal::Refusal>>>;

/// Names a request so that repeating it does not repeat its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// What the client sent, at most 255 bytes.
    pub key: String,
    /// Hash of what the request asked, so that a reused key with another body is noticed.
    pub fingerprint: u64,
}
