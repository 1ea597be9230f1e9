use ::message::{HeaderTable, TopicName};
use bytes::Bytes;

use crate::dedup::DedupWindow;
use crate::retry::RetryPolicy;

use crate::fields::{Fields, Malformed, put_bytes, put_varint};
use crate::{DeadLetterStrategy, QueueError, QueueType};

/// How a queue behaves. Every option but its type may be changed while the queue lives.
///
/// In the order written here, those that every message looks at first, on one line of the processor's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct QueueOptions {
    /// Which of RabbitMQ's queues it behaves like.
    pub kind: QueueType,
    /// What happens to a message too many.
    pub overflow: Overflow,
    /// Whether the queue and its messages survive a restart.
    pub durable: bool,
    /// Whether the queue goes when its last subscription ends. Not before there was one.
    pub auto_delete: bool,
    /// Whether one subscription gets everything while the others wait to take its place.
    pub single_active_consumer: bool,
    /// Whether of the messages with the same key only one is out at a time, in order.
    pub order_per_key: bool,
    /// Highest priority that makes a difference, 0 to 255; larger ones count as this. `None`: order of arrival only.
    pub max_priority: Option<u8>,
    /// How long a lease lasts when the consumer does not say, in milliseconds. Not 0.
    pub lease_ms: u64,
    /// Longest wait of a ready message, in milliseconds; the shorter of this and the message's own wins.
    pub message_ttl_ms: Option<u64>,
    /// Most ready messages.
    pub max_length: Option<u64>,
    /// Most bytes of ready bodies.
    pub max_length_bytes: Option<u64>,
    /// Deletes the queue after this many milliseconds without consumers, receives, purges, declarations and changes. Not 0.
    pub expires_ms: Option<u64>,
    /// Within which window a message whose id came before is not taken again. `None`: every message is taken.
    pub dedup: Option<DedupWindow>,
    /// The log that keeps every message which enters the queue.
    pub keep_in: Option<TopicName>,
    /// How often a message may come back before it is dead-lettered; what counts depends on the type. `None` is the
    /// type's own limit, [`QueueOptions::NO_DELIVERY_LIMIT`] is none.
    pub delivery_limit: Option<u32>,
    /// Where rejected, expired and displaced messages go: an exchange, or `""` for the default exchange.
    pub dead_letter_exchange: Option<String>,
    /// The routing key that they get there; `None` keeps theirs. Needs `dead_letter_exchange`.
    pub dead_letter_routing_key: Option<String>,
    /// What becomes of those that nothing takes; `None` is at most once.
    pub dead_letter_strategy: Option<DeadLetterStrategy>,
    /// How long a subscription without a lease time may keep a message before it is cancelled, in milliseconds. Not 0.
    /// For quorum queues only; `None` is the engine's own time.
    pub consumer_timeout_ms: Option<u64>,
    /// The arguments that an AMQP client declared it with: what it is told when it declares it anew. Options decide,
    /// not these; an update keeps them.
    pub arguments: Option<Box<HeaderTable>>,
    /// How messages that failed are tried again. `None`: at once.
    pub retry: Option<RetryPolicy>,
}

/// What a queue does with a message beyond its length limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Takes it and dead-letters (or drops) the oldest.
    #[default]
    DropHead,
    /// Refuses it.
    RejectPublish,
    /// Refuses it and dead-letters a copy.
    RejectPublishDlx,
}

impl Overflow {
    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Overflow::DropHead => "drop_head",
            Overflow::RejectPublish => "reject_publish",
            Overflow::RejectPublishDlx => "reject_publish_dlx",
        }
    }
}

impl Default for QueueOptions {
    fn default() -> QueueOptions {
        QueueOptions {
            kind: QueueType::Classic,
            max_priority: None,
            message_ttl_ms: None,
            expires_ms: None,
            max_length: None,
            max_length_bytes: None,
            overflow: Overflow::DropHead,
            dead_letter_exchange: None,
            dead_letter_routing_key: None,
            dead_letter_strategy: None,
            delivery_limit: None,
            lease_ms: 30_000,
            durable: true,
            auto_delete: false,
            single_active_consumer: false,
            consumer_timeout_ms: None,
            arguments: None,
            order_per_key: false,
            retry: None,
            dedup: None,
            keep_in: None,
        }
    }
}

// Tags of the stored form; an option at its default is not stored.
const MAX_PRIORITY: u8 = 1;
const MESSAGE_TTL: u8 = 2;
const EXPIRES: u8 = 3;
const MAX_LENGTH: u8 = 4;
const MAX_LENGTH_BYTES: u8 = 5;
const OVERFLOW: u8 = 6;
const DEAD_LETTER_EXCHANGE: u8 = 7;
const DEAD_LETTER_ROUTING_KEY: u8 = 8;
const DELIVERY_LIMIT: u8 = 9;
const LEASE: u8 = 10;
const TRANSIENT: u8 = 11;
const QUORUM: u8 = 12;
const AUTO_DELETE: u8 = 13;
const SINGLE_ACTIVE_CONSUMER: u8 = 14;
const CONSUMER_TIMEOUT: u8 = 15;
const ARGUMENTS: u8 = 16;
const DEAD_LETTER_STRATEGY: u8 = 40;
const ORDER_PER_KEY: u8 = 32;
const RETRY: u8 = 33;
const DEDUP: u8 = 34;
const KEEP_IN: u8 = 35;
const END: u8 = 0;

impl QueueOptions {
    /// As `delivery_limit`: a message may come back any number of times.
    pub const NO_DELIVERY_LIMIT: u32 = u32::MAX;

    /// How often a message may come back.
    pub(crate) fn delivery_limit(&self) -> Option<u32> {
        let own = match self.kind {
            QueueType::Classic => None,
            QueueType::Quorum => Some(QueueType::QUORUM_DELIVERY_LIMIT),
        };
        self.delivery_limit.or(own).filter(|limit| *limit != QueueOptions::NO_DELIVERY_LIMIT)
    }

    /// The level that a priority means here.
    pub(crate) fn level(&self, priority: u8) -> u8 {
        match self.kind {
            QueueType::Classic => priority.min(self.max_priority.unwrap_or(0)),
            QueueType::Quorum => priority.min(QueueType::QUORUM_HIGHEST),
        }
    }

    fn check_type(&self) -> Result<(), QueueError> {
        let refuse = |field, why: &str| Err(QueueError::ConflictingOptions { field, why: why.to_owned() });
        match self.kind {
            QueueType::Classic if self.consumer_timeout_ms.is_some() => {
                refuse("consumer_timeout_ms", "only quorum queues have a consumer timeout")
            }
            QueueType::Quorum if self.max_priority.is_some() => {
                refuse("max_priority", "a quorum queue always has priorities 0 to 31")
            }
            QueueType::Quorum if !self.durable => refuse("durable", "a quorum queue is always durable"),
            QueueType::Quorum if self.auto_delete => refuse(
                "auto_delete",
                "a quorum queue cannot delete itself with its last consumer; use expires_ms",
            ),
            QueueType::Classic | QueueType::Quorum => Ok(()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), QueueError> {
        let invalid = |field, why: &str| Err(QueueError::InvalidOption { field, why: why.to_owned() });
        if self.expires_ms == Some(0) {
            return invalid("expires_ms", "must be at least 1");
        }
        if self.lease_ms == 0 {
            return invalid("lease_ms", "must be at least 1");
        }
        if self.consumer_timeout_ms == Some(0) {
            return invalid("consumer_timeout_ms", "must be at least 1");
        }
        self.check_type()?;
        if self.dead_letter_routing_key.is_some() && self.dead_letter_exchange.is_none() {
            let why = "needs dead_letter_exchange as well".to_owned();
            return Err(QueueError::ConflictingOptions { field: "dead_letter_routing_key", why });
        }
        for (field, value) in [
            ("dead_letter_exchange", &self.dead_letter_exchange),
            ("dead_letter_routing_key", &self.dead_letter_routing_key),
        ] {
            if value.as_ref().is_some_and(|text| text.len() > 255) {
                return invalid(field, "must be at most 255 bytes");
            }
        }
        if let Some(DedupWindow { window_ms, max_ids }) = self.dedup
            && (window_ms == 0 || !(1..=DedupWindow::MOST_IDS).contains(&max_ids))
        {
            let most = DedupWindow::MOST_IDS;
            let why = format!("the window must be at least 1 ms, the number of ids 1 to {most}");
            return Err(QueueError::InvalidOption { field: "dedup", why });
        }
        self.retry.as_ref().map_or(Ok(()), RetryPolicy::check)
    }

    /// The first option that differs: its name, the value here and the value there.
    pub(crate) fn difference(&self, other: &QueueOptions) -> Option<(&'static str, String, String)> {
        macro_rules! compare {
            ($($field:ident),*) => {
                $(if self.$field != other.$field {
                    return Some((stringify!($field), format!("{:?}", self.$field), format!("{:?}", other.$field)));
                })*
            };
        }
        if self.kind != other.kind {
            return Some(("type", self.kind.as_str().to_owned(), other.kind.as_str().to_owned()));
        }
        compare!(max_priority, message_ttl_ms, expires_ms, max_length, max_length_bytes, overflow);
        compare!(
            dead_letter_exchange,
            dead_letter_routing_key,
            dead_letter_strategy,
            delivery_limit,
            lease_ms,
            durable
        );
        compare!(auto_delete, single_active_consumer, consumer_timeout_ms);
        compare!(order_per_key, retry, dedup, keep_in);
        None
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let numbers = [
            (MAX_PRIORITY, self.max_priority.map(u64::from)),
            (MESSAGE_TTL, self.message_ttl_ms),
            (EXPIRES, self.expires_ms),
            (MAX_LENGTH, self.max_length),
            (MAX_LENGTH_BYTES, self.max_length_bytes),
            (OVERFLOW, (self.overflow != Overflow::DropHead).then_some(self.overflow as u64)),
            (DELIVERY_LIMIT, self.delivery_limit.map(u64::from)),
            (DEAD_LETTER_STRATEGY, self.dead_letter_strategy.map(DeadLetterStrategy::number)),
            (LEASE, (self.lease_ms != 30_000).then_some(self.lease_ms)),
            (TRANSIENT, (!self.durable).then_some(1)),
            (QUORUM, (self.kind == QueueType::Quorum).then_some(1)),
            (AUTO_DELETE, self.auto_delete.then_some(1)),
            (SINGLE_ACTIVE_CONSUMER, self.single_active_consumer.then_some(1)),
            (CONSUMER_TIMEOUT, self.consumer_timeout_ms),
            (ORDER_PER_KEY, self.order_per_key.then_some(1)),
        ];
        for (tag, value) in numbers {
            if let Some(value) = value {
                out.push(tag);
                put_varint(out, value);
            }
        }
        for (tag, value) in [
            (DEAD_LETTER_EXCHANGE, &self.dead_letter_exchange),
            (DEAD_LETTER_ROUTING_KEY, &self.dead_letter_routing_key),
        ] {
            if let Some(value) = value {
                out.push(tag);
                put_bytes(out, value.as_bytes());
            }
        }
        if let Some(arguments) = &self.arguments {
            out.push(ARGUMENTS);
            put_bytes(out, arguments.as_bytes());
        }
        if let Some(retry) = &self.retry {
            out.push(RETRY);
            retry.put(out);
        }
        if let Some(log) = &self.keep_in {
            out.push(KEEP_IN);
            put_bytes(out, log.as_str().as_bytes());
        }
        if let Some(DedupWindow { window_ms, max_ids }) = self.dedup {
            out.push(DEDUP);
            put_varint(out, window_ms);
            put_varint(out, u64::from(max_ids));
        }
        out.push(END);
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<QueueOptions, Malformed> {
        let mut options = QueueOptions::default();
        loop {
            match fields.byte()? {
                MAX_PRIORITY => options.max_priority = Some(fields.number()?),
                MESSAGE_TTL => options.message_ttl_ms = Some(fields.varint()?),
                EXPIRES => options.expires_ms = Some(fields.varint()?),
                MAX_LENGTH => options.max_length = Some(fields.varint()?),
                MAX_LENGTH_BYTES => options.max_length_bytes = Some(fields.varint()?),
                OVERFLOW => {
                    options.overflow = match fields.varint()? {
                        1 => Overflow::RejectPublish,
                        2 => Overflow::RejectPublishDlx,
                        _ => return Err(Malformed),
                    }
                }
                DELIVERY_LIMIT => options.delivery_limit = Some(fields.number()?),
                DEAD_LETTER_STRATEGY => {
                    options.dead_letter_strategy = Some(DeadLetterStrategy::from_number(fields.varint()?)?);
                }
                LEASE => options.lease_ms = fields.varint()?,
                TRANSIENT => options.durable = fields.varint()? == 0,
                QUORUM if fields.varint()? == 1 => options.kind = QueueType::Quorum,
                AUTO_DELETE => options.auto_delete = fields.varint()? != 0,
                SINGLE_ACTIVE_CONSUMER => options.single_active_consumer = fields.varint()? != 0,
                ARGUMENTS => {
                    let arguments = Bytes::copy_from_slice(fields.bytes()?);
                    let arguments = HeaderTable::from_bytes(arguments).map_err(|_| Malformed)?;
                    options.arguments = Some(Box::new(arguments));
                }
                CONSUMER_TIMEOUT => options.consumer_timeout_ms = Some(fields.varint()?),
                ORDER_PER_KEY => options.order_per_key = fields.varint()? != 0,
                DEAD_LETTER_EXCHANGE => options.dead_letter_exchange = Some(fields.text()?.to_owned()),
                DEAD_LETTER_ROUTING_KEY => options.dead_letter_routing_key = Some(fields.text()?.to_owned()),
                RETRY => options.retry = Some(RetryPolicy::read(fields)?),
                DEDUP => {
                    options.dedup =
                        Some(DedupWindow { window_ms: fields.varint()?, max_ids: fields.number()? });
                }
                KEEP_IN => {
                    options.keep_in = Some(TopicName::new(fields.text()?).map_err(|_| Malformed)?);
                }
                END => return Ok(options),
                _ => return Err(Malformed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_stored() {
        let options = QueueOptions {
            dead_letter_strategy: Some(DeadLetterStrategy::AtLeastOnce),
            kind: QueueType::Quorum,
            max_priority: Some(9),
            message_ttl_ms: Some(1),
            expires_ms: Some(2),
            max_length: Some(3),
            max_length_bytes: Some(4),
            overflow: Overflow::RejectPublishDlx,
            dead_letter_exchange: Some(String::new()),
            dead_letter_routing_key: Some("dead".to_owned()),
            delivery_limit: Some(5),
            lease_ms: 6,
            durable: false,
            auto_delete: true,
            single_active_consumer: true,
            consumer_timeout_ms: Some(7),
            arguments: Some(Box::default()),
            order_per_key: true,
            retry: Some(RetryPolicy::Delays(vec![1, 1000])),
            dedup: Some(DedupWindow { window_ms: 7, max_ids: 8 }),
            keep_in: TopicName::new("log").ok(),
        };
        for options in [options, QueueOptions::default()] {
            let mut stored = Vec::new();
            options.put(&mut stored);
            assert_eq!(QueueOptions::read(&mut Fields::new(&stored)), Ok(options));
        }
    }

    fn quorum() -> QueueOptions {
        QueueOptions { kind: QueueType::Quorum, ..QueueOptions::default() }
    }

    #[test]
    fn impossible_options_are_refused_by_name() {
        let refused = |options: QueueOptions, conflict: bool| match options.check() {
            Err(QueueError::InvalidOption { field, .. }) if !conflict => field,
            Err(QueueError::ConflictingOptions { field, .. }) if conflict => field,
            other => panic!("{other:?}"),
        };
        let plain = QueueOptions::default;
        for (options, name) in [
            (QueueOptions { expires_ms: Some(0), ..plain() }, "expires_ms"),
            (QueueOptions { lease_ms: 0, ..plain() }, "lease_ms"),
            (QueueOptions { consumer_timeout_ms: Some(0), ..plain() }, "consumer_timeout_ms"),
        ] {
            assert_eq!(refused(options, false), name);
        }
        let dead_key = Some("k".to_owned());
        for (options, name) in [
            (QueueOptions { consumer_timeout_ms: Some(9), ..plain() }, "consumer_timeout_ms"),
            (QueueOptions { max_priority: Some(9), ..quorum() }, "max_priority"),
            (QueueOptions { durable: false, ..quorum() }, "durable"),
            (QueueOptions { auto_delete: true, ..quorum() }, "auto_delete"),
            (QueueOptions { dead_letter_routing_key: dead_key, ..plain() }, "dead_letter_routing_key"),
        ] {
            assert_eq!(refused(options, true), name);
        }
    }
}
