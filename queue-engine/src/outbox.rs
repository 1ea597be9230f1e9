use std::sync::Arc;

use ::message::TopicName;
use segment_store::Block;

use crate::message::{Delivery, Message};
use crate::{ConsumerId, QueueId};

/// What the engine wants the world to see once the group's blocks have committed.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Messages for subscriptions, in order.
    pub deliveries: Vec<(ConsumerId, Delivery)>,
    /// Subscriptions that ended although nobody cancelled them.
    pub ended: Vec<(ConsumerId, Ended)>,
    /// What logs are to get: what passed queues that are bound to them, and dead letters that exchanges send there. To be
    /// appended with this group; [`QueueEngine::take_log_appends`](crate::QueueEngine::take_log_appends) hands it out sooner.
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

impl LogTarget {
    /// Bytes of the block that are kept free for the record that puts the message into its log, and that whoever does so
    /// gives back first ([`Block::release`]).
    #[must_use]
    pub fn room(&self) -> usize {
        log_room(&self.message)
    }

    pub(crate) fn announce(block: &mut Block, topic: &TopicName, message: &Arc<Message>) -> LogTarget {
        let target = LogTarget { topic: topic.clone(), message: Arc::clone(message) };
        block.reserve(target.room());
        target
    }
}

/// More than a log's record of a message takes: numbers become text there, tables JSON.
pub(crate) fn log_room(message: &Message) -> usize {
    let key = message.key.as_ref().map_or(0, bytes::Bytes::len);
    let texts = message.headers.as_bytes().len() + message.properties.as_bytes().len();
    log_room_of(key, texts, message.body.len())
}

pub(crate) fn log_room_of(key: usize, texts: usize, body: usize) -> usize {
    1024 + key + 8 * texts + body + body / 32
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
