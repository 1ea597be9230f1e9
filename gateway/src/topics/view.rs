use std::sync::Arc;

use message::HeaderTable;

use super::{FailedAttempt, Lease};

/// A stored message on its way out, borrowed from wherever it lies. Doors render it; none of it is copied before.
#[derive(Clone, Debug)]
pub struct MessageView<'a> {
    /// As published.
    pub key: Option<&'a [u8]>,
    /// As published, `content-type` not among them.
    pub headers: HeadersView<'a>,
    /// From the header `content-type` on a log, the property on a queue.
    pub content_type: Option<&'a str>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// What only one of the models knows.
    pub place: Place<'a>,
}

/// Headers of either model.
#[derive(Clone, Debug)]
pub enum HeadersView<'a> {
    /// A record's: raw bytes, a null value is possible.
    Record(Vec<(&'a [u8], Option<&'a [u8]>)>),
    /// A queued message's: typed.
    Table(&'a HeaderTable),
}

/// Where a message stands.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// In a log.
    Log {
        /// Its partition.
        partition: u32,
        /// Its offset.
        offset: i64,
    },
    /// In a queue.
    Queue {
        /// Its id within the queue.
        id: u64,
        /// Its priority.
        priority: u8,
        /// How often it was handed out, this time included; 0 when never.
        attempt: u32,
        /// Whether it was handed out before.
        redelivered: bool,
        /// The property `message_id` and its like, where set: name and value.
        properties: Vec<(&'static str, &'a str)>,
        /// Earlier attempts that failed.
        failures: &'a [FailedAttempt],
        /// How it stands with the reader.
        standing: Standing,
    },
}

/// What a reader of a queue holds of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The reader holds a lease and must settle it.
    Leased {
        /// The token.
        lease: Lease,
        /// When it ends, milliseconds since the epoch; [`Standing::NEVER`] when it does not.
        expires_at: i64,
    },
    /// Delivered for good: nothing to settle.
    Taken,
    /// Only looked at; it is ready.
    Ready,
    /// Only looked at; somebody else holds it until then.
    LeasedByOther {
        /// Milliseconds since the epoch, or [`Standing::NEVER`].
        expires_at: i64,
        /// Who that is, as far as it is known.
        holder: Arc<str>,
    },
    /// Only looked at; it becomes ready then.
    Delayed {
        /// Milliseconds since the epoch.
        ready_at: i64,
    },
    /// Only looked at; it waits to be moved to the dead-letter exchange.
    Dying,
}

impl Standing {
    /// The end of a lease that does not end by itself.
    pub const NEVER: i64 = i64::MAX;
}
