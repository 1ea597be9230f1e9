//! Replies that go straight from who answers to who asked: no queue in between, nothing kept (RabbitMQ's direct reply-to).

use std::collections::HashMap;
use std::sync::Arc;

use queue_engine::{Message, NewMessage, Origin};

use super::link::Link;
use super::operation::ConsumerNumber;
use super::outcome::{SessionDelivery, SessionEvent};

/// The queue that a client consumes to get replies, and names in `reply_to` to ask for them.
pub const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Addresses begin with it.
const ADDRESS: &str = "amq.rabbitmq.reply-to.";

/// Who takes replies at which address.
#[derive(Default)]
pub(crate) struct ReplyBook {
    takers: HashMap<Box<str>, (Arc<Link>, ConsumerNumber)>,
}

/// A reply on its way.
pub(super) struct Reply {
    to: Arc<Link>,
    consumer: ConsumerNumber,
    delivery: SessionDelivery,
}

impl Reply {
    pub(super) fn send(self) {
        self.to.tell(SessionEvent::Replied { consumer: self.consumer, reply: self.delivery });
    }
}

impl ReplyBook {
    pub(super) fn open(&mut self, address: &str, link: &Arc<Link>, consumer: ConsumerNumber) {
        self.takers.insert(address.into(), (Arc::clone(link), consumer));
    }

    pub(super) fn close(&mut self, address: &str) {
        self.takers.remove(address);
    }

    /// Whether a routing key or a queue's name is an address at all.
    pub(super) fn is_address(name: &str) -> bool {
        name.starts_with(ADDRESS)
    }

    /// Whether anybody takes replies there.
    pub(super) fn is_taken(&self, address: &str) -> bool {
        self.takers.contains_key(address)
    }

    /// Messages for whoever takes them; `None` when nobody does.
    pub(super) fn replies(&self, address: &str, messages: Vec<NewMessage>) -> Option<Vec<Reply>> {
        let (link, consumer) = self.takers.get(address)?;
        let origin = Arc::new(Origin { exchange: None, routing_key: address.into() });
        let reply = |message: NewMessage| {
            let message = Message {
                key: message.key,
                headers: message.headers,
                properties: message.properties,
                body: message.body,
                origin: Arc::clone(&origin),
                priority: None,
                ttl_ms: None,
            };
            let delivery = SessionDelivery::direct(Arc::new(message));
            Reply { to: Arc::clone(link), consumer: *consumer, delivery }
        };
        Some(messages.into_iter().map(reply).collect())
    }
}
