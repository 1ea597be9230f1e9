use std::sync::Arc;

use ::message::TopicName;

use crate::message::{Delivery, Message};
use crate::{ConsumerId, QueueId};

/// What the engine wants the world to see once the group's blocks have committed.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Messages for subscriptions, in order.
    pub deliveries: Vec<(ConsumerId, Delivery)>,
    /// Subscriptions that ended although nobody cancelled them.
    pub ended: Vec<(ConsumerId, Ended)>,
    /// Dead letters that an exchange feeds into logs, to be appended with this group.
    pub log_appends: Vec<LogTarget>,
    /// Queues that went by themselves: unused for too long, without consumers, or with their owner.
    pub deleted_queues: Vec<(QueueId, TopicName)>,
}

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It wanted messages `once` and got some.
    Fed,
    /// Its queue was deleted.
    QueueDeleted,
    /// It kept a message for too long. The message went back; what else it holds stays until it is settled, or too
    /// late as well.
    TimedOut,
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
            && self.ended.is_empty()
            && self.log_appends.is_empty()
            && self.deleted_queues.is_empty()
    }
}
