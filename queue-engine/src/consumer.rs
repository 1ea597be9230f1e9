use std::time::Duration;

use ::message::Timestamp;

use crate::config::EngineConfig;
use crate::message::{Delivery, millis};
use crate::prefetch::Pools;
use crate::queue::{Queue, after};
use crate::slots::NEVER;
use crate::{ConsumerId, PoolId, QueueId, QueueType};

/// How long a delivery stays with its consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseFor {
    /// As long as the queue's `lease_ms` says.
    #[default]
    QueueDefault,
    /// This long.
    Duration(Duration),
    /// Until it is settled or the subscription is cancelled, or times out.
    UntilSettled,
    /// Not at all: the message is gone once it is delivered.
    AutoAck,
}

impl LeaseFor {
    /// When a lease that starts now ends; `None` when there is no lease.
    pub(crate) fn due(self, queue: &Queue, now: Timestamp) -> Option<Timestamp> {
        match self {
            LeaseFor::QueueDefault => Some(after(now, queue.options.lease_ms)),
            LeaseFor::Duration(duration) => Some(after(now, millis(duration))),
            LeaseFor::UntilSettled => Some(NEVER),
            LeaseFor::AutoAck => None,
        }
    }
}

/// What a subscription asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// How many messages may be pushed before more credit is given.
    pub credit_messages: u64,
    /// How many bytes of bodies may be pushed; the message that uses them up is still pushed whole. `None`: any.
    pub credit_bytes: Option<u64>,
    /// How long each delivery may take.
    pub lease: LeaseFor,
    /// Ends by itself with the first group in which it got something, keeping its leases: a long poll.
    pub once: bool,
    /// Higher ones are served while they have credit.
    pub priority: i32,
    /// Refused while there are others, and others are refused while it is there. Messages can still be taken one by
    /// one, or `once`.
    pub exclusive: bool,
    /// How many messages it may hold unsettled, beside its credit. `None`: any number.
    pub prefetch: Option<u64>,
    /// A limit on unsettled messages that it shares with others.
    pub pool: Option<PoolId>,
    /// How long it may keep a message before it is cancelled, if it has no lease time; `None` is the queue's time.
    pub timeout: Option<Duration>,
}

/// What happens to a cancelled subscription's leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenLeases {
    /// They end now; the messages take their old places.
    Return,
    /// They go on until settled or expired: whoever has the tokens may settle them.
    Keep,
}

#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) queue: QueueId,
    pub(crate) options: ConsumerOptions,
    pub(crate) messages: u64,
    /// May be below zero after a large message.
    pub(crate) bytes: i64,
    pub(crate) paused: bool,
    /// A `once` subscription that got something in this group.
    pub(crate) fed: bool,
    pub(crate) in_rotation: bool,
    /// Messages that it holds.
    pub(crate) in_flight: u64,
}

impl Consumer {
    pub(crate) fn new(queue: QueueId, options: ConsumerOptions) -> Consumer {
        let bytes = options.credit_bytes.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        Consumer {
            queue,
            options,
            messages: options.credit_messages,
            bytes,
            paused: false,
            fed: false,
            in_rotation: false,
            in_flight: 0,
        }
    }

    /// Whether it can take a message now.
    pub(crate) fn is_hungry(&self, pools: &Pools) -> bool {
        !self.paused
            && self.messages > 0
            && (self.options.credit_bytes.is_none() || self.bytes > 0)
            && (self.options.lease == LeaseFor::AutoAck
                || (self.options.prefetch.is_none_or(|most| self.in_flight < most)
                    && pools.has_room(self.options.pool)))
    }

    /// Pays for a message.
    pub(crate) fn pay(&mut self, delivery: &Delivery, pools: &mut Pools) {
        self.messages -= 1;
        let body_len = i64::try_from(delivery.message.body.len()).unwrap_or(i64::MAX);
        self.bytes = self.bytes.saturating_sub(body_len);
        self.hold(delivery, pools);
    }

    /// Counts a message among those that it holds.
    pub(crate) fn hold(&mut self, delivery: &Delivery, pools: &mut Pools) {
        if delivery.lease.is_some() {
            self.in_flight += 1;
            pools.take(self.options.pool);
        }
    }

    /// How long it may keep a message before it times out, in milliseconds.
    pub(crate) fn patience(&self, queue: &Queue, config: &EngineConfig) -> Option<u64> {
        if self.options.lease != LeaseFor::UntilSettled {
            return None;
        }
        let general = config.consumer_timeout_ms.filter(|_| queue.options.kind == QueueType::Quorum);
        self.options.timeout.map(millis).or(queue.options.consumer_timeout_ms).or(general)
    }
}

impl Queue {
    /// Lets a consumer that can take a message wait for its turn, behind its equals. Answers whether it was not waiting
    /// already.
    pub(crate) fn enter_rotation(&mut self, id: ConsumerId, consumer: &mut Consumer, pools: &Pools) -> bool {
        if consumer.in_rotation || !self.serves(id, consumer) || !consumer.is_hungry(pools) {
            return false;
        }
        consumer.in_rotation = true;
        let priority = consumer.options.priority;
        let at = self.rotation.partition_point(|(have, _)| *have >= priority);
        self.rotation.insert(at, (priority, id));
        true
    }

    /// Whether it is this consumer's part to get messages.
    pub(crate) fn serves(&self, id: ConsumerId, consumer: &Consumer) -> bool {
        !self.options.single_active_consumer || consumer.options.once || (self.active == id && !self.yielding)
    }

    pub(crate) fn leave_rotation(&mut self, id: ConsumerId, consumer: &mut Consumer) {
        if std::mem::take(&mut consumer.in_rotation) {
            self.rotation.retain(|(_, have)| *have != id);
        }
    }
}
