use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use message::ErrorCode;
use queue_engine::{Delivery, Message, QueueError};

use super::operation::{ChannelKey, ConsumerNumber, Publish};
use crate::refusal::Refusal;
use crate::topics::{Lease, LogTopic, RecordChunk, VirtualHost};

/// What a session learns.
#[derive(Debug)]
pub enum SessionEvent {
    /// A batch was carried out: the outcomes of its operations, in order. Settling and credit have none.
    Done {
        /// The outcomes.
        outcomes: Vec<(ChannelKey, Outcome)>,
    },
    /// The store took none of a batch, or cannot promise what was asked: nothing can be said of it.
    Failed(Refusal),
    /// Messages for a subscription.
    Delivered {
        /// Which.
        consumer: ConsumerNumber,
        /// The messages.
        run: Vec<SessionDelivery>,
    },
    /// A reply that came straight from who published it.
    Replied {
        /// The subscription that takes replies.
        consumer: ConsumerNumber,
        /// The reply.
        reply: SessionDelivery,
    },
    /// A subscription ended, not at the session's wish.
    Ended {
        /// Which.
        consumer: ConsumerNumber,
        /// Whether because it kept a message for too long.
        timed_out: bool,
    },
    /// Records of a log for a subscription, read by a task of the session's own.
    Records {
        /// Which.
        consumer: ConsumerNumber,
        /// What was read.
        chunk: Result<RecordChunk, Refusal>,
    },
    /// Somebody left word with whoever drives the session.
    Called,
}

impl SessionEvent {
    /// Every lease that it carries.
    pub(super) fn leases(&self) -> Vec<Lease> {
        match self {
            SessionEvent::Delivered { run, .. } => run.iter().filter_map(SessionDelivery::lease).collect(),
            SessionEvent::Done { outcomes } => {
                let got = outcomes.iter().filter_map(|(_, outcome)| match outcome {
                    Outcome::Asked(Ok(Answer::Got(got))) => got.as_ref()?.0.lease(),
                    _ => None,
                });
                got.collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What one operation came to.
#[derive(Debug)]
pub enum Outcome {
    /// Of a run of publishes.
    Published(Published),
    /// Of a request.
    Asked(Result<Answer, SessionError>),
    /// Of several steps at once.
    Committed(Result<Published, SessionError>),
    /// The channel failed before it.
    Skipped,
}

/// What became of messages published in a row.
#[derive(Debug, Default)]
pub struct Published {
    /// How many were carried out, the failed ones included.
    pub count: u64,
    /// Those that are more than taken, by their place among them.
    pub exceptions: Vec<(u64, PublishFailure)>,
    /// Why the channel failed; the messages from `count` on were dropped.
    pub fatal: Option<SessionError>,
}

/// What can become of a message that was not simply taken.
#[derive(Debug)]
pub enum PublishFailure {
    /// Nothing took it, and its publisher wants it back.
    Unroutable(Box<Publish>),
    /// A queue that it was routed to refused it.
    Refused,
}

/// The answer to a request.
#[derive(Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// A queue as it stands.
    Queue {
        /// Ready messages.
        messages: u64,
        /// Subscriptions.
        consumers: u64,
    },
    /// So many messages went.
    Removed(u64),
    /// A message and how many are left, if there was one.
    Got(Option<(SessionDelivery, u64)>),
    /// The queue to be consumed is a log, which its readers read by themselves.
    Log(LogTopic),
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionError {
    /// Code and words.
    pub refusal: Box<Refusal>,
    /// What exactly is wrong with a declaration, where it is that.
    pub fault: Option<Box<Fault>>,
}

/// What can be wrong with a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It exists, with another value of one property; the values are as RabbitMQ tells them.
    Differs {
        /// The property, as AMQP names it.
        field: String,
        /// What was asked for.
        received: String,
        /// What it is.
        current: String,
    },
    /// An argument or property that makes no sense.
    Argument {
        /// Its name.
        argument: String,
        /// Why.
        why: String,
    },
}

impl SessionError {
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>) -> SessionError {
        Refusal::new(code, detail).into()
    }

    /// A declaration that makes no sense.
    pub(super) fn fault(fault: Fault) -> SessionError {
        let code = match fault {
            Fault::Differs { .. } => ErrorCode::AlreadyExists,
            Fault::Argument { .. } => ErrorCode::InvalidConfig,
        };
        let refusal = Refusal::new(code, format!("{fault:?}"));
        SessionError { refusal: Box::new(refusal), fault: Some(Box::new(fault)) }
    }
}

impl From<Refusal> for SessionError {
    fn from(refusal: Refusal) -> SessionError {
        SessionError { refusal: Box::new(refusal), fault: None }
    }
}

impl From<QueueError> for SessionError {
    fn from(error: QueueError) -> SessionError {
        let refusal = Box::new(Refusal::from(&error));
        let fault = match error {
            QueueError::Differs { field, have, want, .. } => {
                let field = super::exchange_arguments::amqp_name(field);
                let (received, current) = told(&want, &have);
                Some(Fault::Differs { field: field.to_owned(), received, current })
            }
            QueueError::Inequivalent { argument, received, current, .. } => {
                Some(Fault::Differs { field: argument, received, current })
            }
            QueueError::InvalidArgument { argument, why, .. } => Some(Fault::Argument { argument, why }),
            _ => None,
        };
        SessionError { refusal, fault: fault.map(Box::new) }
    }
}

/// Two values as the engine prints them, in RabbitMQ's form.
fn told(want: &str, have: &str) -> (String, String) {
    let plain = |printed: &str| (printed != "none").then(|| printed.trim_matches('"').to_owned());
    let quoted = |value: Option<String>| value.map_or("none".to_owned(), |value| format!("'{value}'"));
    let typed = |value: Option<String>| {
        value.map_or("none".to_owned(), |value| format!("the value '{value}' of type 'longstr'"))
    };
    match (plain(want), plain(have)) {
        (Some(want), Some(have)) => (quoted(Some(want)), quoted(Some(have))),
        (want, have) => (typed(want), typed(have)),
    }
}

/// What happened to a message before this delivery.
#[derive(Clone, Copy, Debug)]
struct DeliveryCounts {
    /// Deliveries that failed.
    failed: u32,
    /// Deliveries, whatever became of them.
    acquired: u32,
}

/// A message on its way to a client.
#[derive(Clone, Debug)]
pub struct SessionDelivery {
    lease: Option<Lease>,
    redelivered: bool,
    /// Of queues that count them.
    counts: Option<DeliveryCounts>,
    /// Bytes at the start of the exchange's name that say where it belongs.
    host_len: usize,
    message: Arc<Message>,
}

impl SessionDelivery {
    /// A message of a queue; whether the queue counts failures is for the caller to know.
    pub(super) fn new(
        delivery: Delivery,
        counts_failures: bool,
        host: Option<&VirtualHost>,
    ) -> SessionDelivery {
        let exchange = delivery.message.origin.exchange_name();
        let host_len = exchange.len() - host.map_or(exchange.len(), |host| host.local(exchange).len());
        let counts =
            DeliveryCounts { failed: delivery.failures, acquired: delivery.attempt.saturating_sub(1) };
        SessionDelivery {
            lease: delivery.lease.map(|lease| Lease(lease.to_bytes())),
            redelivered: delivery.redelivered,
            counts: counts_failures.then_some(counts),
            host_len,
            message: delivery.message,
        }
    }

    /// A message that came by no queue.
    pub(super) fn direct(message: Arc<Message>) -> SessionDelivery {
        SessionDelivery { lease: None, redelivered: false, counts: None, host_len: 0, message }
    }

    /// What to settle it with; `None` when it is gone from the queue already.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        self.lease
    }

    /// Whether it was delivered before.
    #[must_use]
    pub fn is_redelivered(&self) -> bool {
        self.redelivered
    }

    /// The exchange that it was published to; empty for the default one.
    #[must_use]
    pub fn exchange(&self) -> &str {
        self.message.origin.exchange_name().get(self.host_len..).unwrap_or_default()
    }

    /// The routing key that it was published with.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.message.origin.routing_key
    }

    /// Its properties in AMQP's form, without headers.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        self.message.properties.as_bytes()
    }

    /// Its headers in AMQP's form, with the counts of earlier deliveries where its queue keeps them.
    #[must_use]
    pub fn headers(&self) -> Cow<'_, [u8]> {
        const FAILED: &[u8] = b"x-delivery-count";
        const ACQUIRED: &[u8] = b"x-acquired-count";
        let own = self.message.headers.as_bytes();
        let Some(DeliveryCounts { failed, acquired }) = self.counts else { return Cow::Borrowed(own) };
        let acquired = Some((ACQUIRED, acquired)).filter(|(_, count)| *count > 0);
        let mut all = Vec::with_capacity(own.len() + FAILED.len() + ACQUIRED.len() + 20);
        all.extend_from_slice(own);
        for (name, count) in std::iter::once((FAILED, failed)).chain(acquired) {
            all.push(name.len() as u8);
            all.extend_from_slice(name);
            all.push(b'l');
            all.extend_from_slice(&i64::from(count).to_be_bytes());
        }
        Cow::Owned(all)
    }

    /// Its body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.message.body
    }
}

#[cfg(test)]
mod tests {
    use message::{HeaderTable, HeaderValue, Timestamp};
    use queue_engine::{MessageId, Origin, Properties, QueueId};
    use segment_store::Lsn;

    use super::*;

    fn delivery(attempt: u32, failures: u32) -> Delivery {
        let message = Message {
            key: None,
            headers: [("own".to_owned(), HeaderValue::Int(1))].into_iter().collect(),
            properties: Properties::default(),
            body: Bytes::new(),
            origin: Arc::new(Origin { exchange: None, routing_key: "q".into() }),
            priority: None,
            ttl_ms: None,
        };
        Delivery {
            queue: QueueId(1),
            lease: None,
            id: MessageId(1),
            attempt,
            failures,
            redelivered: attempt > 1,
            priority: 0,
            stored_at: Lsn(0),
            enqueued_at: Timestamp(0),
            lease_expires_at: None,
            history: Vec::new(),
            message: Arc::new(message),
        }
    }

    /// The headers of a delivery, by name.
    fn headers(delivery: Delivery, counts: bool) -> Vec<(String, HeaderValue)> {
        let shown = SessionDelivery::new(delivery, counts, None);
        let table = HeaderTable::from_bytes(shown.headers().into_owned().into()).unwrap();
        table.iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn a_queue_that_counts_tells_how_often_a_message_failed_and_how_often_it_was_out() {
        let header = |name: &str, count| (name.to_owned(), HeaderValue::Int(count));
        let own = header("own", 1);
        assert_eq!(headers(delivery(3, 1), false), std::slice::from_ref(&own));
        assert_eq!(headers(delivery(1, 0), true), [own.clone(), header("x-delivery-count", 0)]);
        let told = [own, header("x-delivery-count", 1), header("x-acquired-count", 2)];
        assert_eq!(headers(delivery(3, 1), true), told);
    }
}
