use std::sync::Arc;

use ::message::TopicName;

use crate::message::{Delivery, Message};
use crate::{ConsumerId, QueueId};

/// What the engine wants the world to see once the group's blocks have committed.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Messages for subscriptions, in order.
    pub deliveries: Vec<(ConsumerId, Delivery)>,
    /// Subscriptions that ended: a `once` that got something, or one whose queue went.
    pub cancelled: Vec<ConsumerId>,
    /// Dead letters that an exchange feeds into logs, to be appended with this group.
    pub log_appends: Vec<LogTarget>,
    /// Queues that deleted themselves because nobody used them.
    pub expired_queues: Vec<(QueueId, TopicName)>,
}

/// A message that a log is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTarget {
    /// The log.
    pub topic: TopicName,
    /// What it gets.
    pub message: Arc<Message>,
}

impl Outbox {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
            && self.cancelled.is_empty()
            && self.log_appends.is_empty()
            && self.expired_queues.is_empty()
    }
}
