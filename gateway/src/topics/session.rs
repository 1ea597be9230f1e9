//! Clients that ask for many things in order and get answers and messages in one stream: what AMQP connections are made
//! of.
//!
//! A session hands the owner its operations in batches, one command for everything that was read from the socket at a
//! time. They are carried out in order. Answers, deliveries and the ends of subscriptions come back through one queue, in
//! the order in which they became true.

mod batch;
mod commit;
mod exchange_arguments;
mod link;
mod names;
mod operation;
mod outcome;
mod permission;
mod properties;
mod property_json;
mod publishing;
mod queue_arguments;
mod replies;
mod requests;

use std::sync::Arc;

use futures_channel::mpsc;
use tokio::task::coop::cooperative;

pub use operation::{
    Action, BindTo, Binding, ChannelKey, Consume, ConsumerNumber, Durability, ExchangeDeclaration, Operation,
    Publish, QueueDeclaration, Request, Settlement,
};
pub use outcome::{
    Answer, Fault, Outcome, PublishFailure, Published, SessionDelivery, SessionError, SessionEvent,
};

pub use properties::{MessageProperties, read_properties, with_reply_to};
pub use property_json::{
    PropertyFault, properties_from_json, properties_to_json, table_from_json, table_to_json,
};
pub use queue_arguments::interval_ms;
pub use replies::REPLY_TO;

use batch::{Batch, Weight};
pub(crate) use link::Link;
pub(crate) use replies::ReplyBook;

use super::Topics;
use super::outgoing::Acks;
use super::shard::{Room, Terms};
use crate::refusal::Refusal;

/// One client's way to the owner. Dropping it ends its subscriptions; what they held returns.
pub struct Session {
    topics: Topics,
    link: Arc<Link>,
    inlet: mpsc::UnboundedReceiver<SessionEvent>,
    ended: bool,
}

impl Topics {
    /// A session of its own for one client.
    #[must_use]
    pub fn open_session(&self) -> Session {
        // Not tokio's channel: that one keeps room for 32 events, which for an idle client is more than all the rest of it.
        let (outlet, inlet) = mpsc::unbounded();
        Session { topics: self.clone(), link: Arc::new(Link::new(outlet)), inlet, ended: false }
    }
}

impl Session {
    /// Says, once, which virtual host the session's names belong to; before it is the default one.
    pub fn enter(&self, host: super::VirtualHost) {
        self.link.enter(host);
    }

    /// Says, once, what others are told of its client where it holds a message.
    pub fn known_as(&self, client: String) {
        self.link.call(client);
    }

    /// From now on the session acts for a client with this pass, whose use is measured so.
    pub fn act_for(&mut self, pass: crate::auth::Pass, usage: crate::auth::Usage) {
        self.topics = self.topics.acting_for(pass).measured_by(usage);
    }

    /// The seam, on behalf of the session's client.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Hands operations to the owner, waiting while too many bytes are on their way there already.
    ///
    /// One [`SessionEvent::Done`] answers them, after those of all batches before it.
    pub async fn submit(&self, mut operations: Vec<Operation>) -> Result<(), Refusal> {
        self.link.names(&self.topics).refuse_publishes(&mut operations);
        let Weight { bytes, acks } = Weight::of(&operations);
        // What brings new data looks for room by itself, so that what frees some is never held up by it.
        let terms = Terms { acks, weight: bytes.min(Batch::ROOM), room: Room::Reserved };
        let (link, topics) = (Arc::clone(&self.link), self.topics.clone());
        let make = move |permit| -> Box<dyn super::shard::Command> {
            Box::new(Batch::new(terms, operations, link, topics, permit))
        };
        self.topics.shard().submit(bytes, make).await
    }

    /// The next event. Dropping the future loses none.
    pub async fn next(&mut self) -> SessionEvent {
        // In turns with other tasks, however many events wait.
        match cooperative(self.inlet.recv()).await {
            Ok(event) => event,
            // The link holds a sender as long as the session lives.
            Err(_) => std::future::pending().await,
        }
    }

    /// Another event that is there already.
    pub fn try_next(&mut self) -> Option<SessionEvent> {
        self.inlet.try_recv().ok()
    }

    /// A way for others to tell this session something: its own readers of logs.
    #[must_use]
    pub fn outlet(&self) -> mpsc::UnboundedSender<SessionEvent> {
        self.link.outlet()
    }

    /// What its exclusive queues belong to.
    #[must_use]
    pub fn owner(&self) -> u64 {
        self.link.owner().0
    }

    /// Ends every subscription and returns what is held, `leases` included.
    pub fn end(mut self, leases: Vec<super::Lease>) {
        self.finish(leases);
    }

    fn finish(&mut self, mut leases: Vec<super::Lease>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.inlet.close();
        while let Ok(event) = self.inlet.try_recv() {
            leases.extend(event.leases());
        }
        let link = Arc::clone(&self.link);
        // Each step of it makes sure of its own room: as one piece it might need more than a journal segment has.
        self.topics.shard().post(0, move |turn| link.end(turn, &leases));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.finish(Vec::new());
    }
}

impl Weight {
    /// Acks that are as strict as the strictest operation wants.
    fn strictest(wanted: impl Iterator<Item = Durability>) -> Acks {
        match wanted.max() {
            Some(Durability::Disk) => Acks::All,
            Some(Durability::Cache) => Acks::Leader,
            Some(Durability::None) | None => Acks::None,
        }
    }
}
