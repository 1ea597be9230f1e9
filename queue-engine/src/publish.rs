use std::sync::Arc;

use ::message::Timestamp;
use segment_store::Block;

use crate::engine::QueueEngine;
use crate::enqueue::{Parcel, bound};
use crate::envelope::HEAD_BOUND;
use crate::message::{Message, NewMessage, Origin, millis};
use crate::outbox::LogTarget;
use crate::record::published_bound;
use crate::routing::Route;
use crate::{Destination, MessageId, Overflow, QueueError, QueueId};

/// What the block itself adds to a record.
const PER_RECORD: usize = segment_store::RECORD_OVERHEAD;

/// Where a message ended up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Its id in the first queue that it reached, if it reached one.
    pub id: Option<MessageId>,
    /// That queue.
    pub queue: Option<QueueId>,
    /// How many queues it reached.
    pub queues: usize,
    /// The logs that are to get it, with this group.
    pub logs: Vec<LogTarget>,
}

impl Published {
    /// Whether it reached anything: otherwise AMQP's `mandatory` returns it.
    #[must_use]
    pub fn is_routed(&self) -> bool {
        self.queues > 0 || !self.logs.is_empty()
    }
}

impl QueueEngine {
    /// Publishes one message.
    ///
    /// A message that reaches nothing is not an error here; the answer says so.
    pub fn publish(
        &mut self,
        block: &mut Block,
        to: Destination<'_>,
        message: NewMessage,
        now: Timestamp,
    ) -> Result<Published, QueueError> {
        self.begin(block);
        let mut route = std::mem::take(&mut self.route);
        route.clear();
        let result = self.resolve(to, &message, &mut route).and_then(|origin| {
            let parcel = parcel(message, origin);
            self.publish_routed(block, &route, parcel, now)
        });
        self.route = route;
        self.wind_up(block, now);
        result
    }

    /// Publishes many messages to one destination: routed once unless headers decide, written as one record.
    ///
    /// The answers are in the order of the messages. An error for all means that nothing was published.
    pub fn publish_batch(
        &mut self,
        block: &mut Block,
        to: Destination<'_>,
        messages: Vec<NewMessage>,
        now: Timestamp,
    ) -> Result<Vec<Result<Published, QueueError>>, QueueError> {
        self.begin(block);
        let Some(first) = messages.first() else { return Ok(Vec::new()) };
        let mut route = std::mem::take(&mut self.route);
        route.clear();
        let result = match self.resolve(to, first, &mut route) {
            Err(error) => Err(error),
            Ok(origin) => {
                let parcels = messages.into_iter().map(|message| parcel(message, origin.clone())).collect();
                self.publish_parcels(block, &mut route, parcels, now)
            }
        };
        self.route = route;
        self.wind_up(block, now);
        result
    }

    /// Room that publishing these messages needs in the block, dead letters aside: make sure of it first, and
    /// neither [`publish`](QueueEngine::publish) nor [`publish_batch`](QueueEngine::publish_batch) answers
    /// [`QueueError::BlockFull`].
    pub fn publish_bytes(&mut self, to: Destination<'_>, messages: &[NewMessage]) -> usize {
        let mut route = std::mem::take(&mut self.route);
        let mut each = PER_RECORD;
        if let Destination::Exchange { name, routing_key } = to {
            each += name.len() + routing_key.len();
        }
        let mut bytes = 0;
        for (at, message) in messages.iter().enumerate() {
            if at == 0 || route.reads_headers {
                route.clear();
                // An unknown destination takes nothing.
                let _ = self.resolve(to, message, &mut route);
            }
            let key = message.key.as_ref().map_or(0, bytes::Bytes::len);
            let texts = message.headers.as_bytes().len() + message.properties.as_bytes().len();
            let own_record = at == 0 || self.goes_one_by_one(&route);
            let targets = if own_record { published_bound(route.queues.len()) } else { 0 };
            bytes += key + texts + message.body.len() + HEAD_BOUND + each + targets;
        }
        self.route = route;
        bytes
    }

    /// Whether each message needs a routing or a decision of its own.
    fn goes_one_by_one(&self, route: &Route) -> bool {
        let refusing = |id: &QueueId| self.queues.get(id).is_some_and(|queue| queue.may_refuse());
        route.reads_headers || route.queues.iter().any(refusing)
    }

    fn publish_parcels(
        &mut self,
        block: &mut Block,
        route: &mut Route,
        parcels: Vec<Parcel>,
        now: Timestamp,
    ) -> Result<Vec<Result<Published, QueueError>>, QueueError> {
        let single = !self.goes_one_by_one(route);
        let records = if single { 1 } else { parcels.len() };
        let more = (records - 1) * (published_bound(route.queues.len()) + PER_RECORD);
        if !block.fits(bound(parcels.iter(), route.queues.len()) + more) {
            return Err(QueueError::BlockFull);
        }
        if single {
            return Ok(self.publish_all(block, route, &parcels, now));
        }
        let mut results = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            if route.reads_headers {
                route.clear();
                let origin = &parcel.message.origin;
                self.route_from(origin.exchange_name(), &origin.routing_key, &parcel.message, route);
                route.reads_headers = true;
            }
            results.push(self.publish_routed(block, route, parcel, now));
            self.wind_up(block, now);
        }
        Ok(results)
    }

    fn publish_all(
        &mut self,
        block: &mut Block,
        route: &Route,
        parcels: &[Parcel],
        now: Timestamp,
    ) -> Vec<Result<Published, QueueError>> {
        let first = route.queues.first().copied();
        let sequence = first.and_then(|id| Some(self.queues.get(&id)?.next_sequence));
        if !route.queues.is_empty() {
            self.core.store(block, &mut self.queues, &route.queues, parcels, None, now);
            self.touched.extend_from_slice(&route.queues);
        }
        let answer = |(at, parcel): (usize, &Parcel)| {
            Ok(Published {
                id: sequence.map(|sequence| MessageId(sequence + at as u64)),
                queue: first,
                queues: route.queues.len(),
                logs: log_targets(route, &parcel.message),
            })
        };
        parcels.iter().enumerate().map(answer).collect()
    }

    /// Publishes one message to where it was routed. Queues that are full refuse it, others take it.
    fn publish_routed(
        &mut self,
        block: &mut Block,
        route: &Route,
        parcel: Parcel,
        now: Timestamp,
    ) -> Result<Published, QueueError> {
        if !block.fits(bound(std::iter::once(&parcel), route.queues.len())) {
            return Err(QueueError::BlockFull);
        }
        let body_len = parcel.message.body.len();
        let refuses = |id: &QueueId| self.queues.get(id).is_some_and(|queue| queue.refuses(body_len));
        if !route.queues.iter().any(refuses) {
            let parcels = [parcel];
            let mut results = self.publish_all(block, route, &parcels, now);
            return results.pop().unwrap_or_else(|| Ok(Published::default()));
        }
        let (full, open): (Vec<QueueId>, Vec<QueueId>) = route.queues.iter().partition(|id| refuses(id));
        let message = parcel.message.clone();
        if !open.is_empty() {
            self.core.store(block, &mut self.queues, &open, &[parcel], None, now);
            self.touched.extend_from_slice(&open);
        }
        let mut name = None;
        for id in full {
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.totals.refused += 1;
            name = name.or_else(|| Some(queue.name.clone()));
            if queue.options.overflow == Overflow::RejectPublishDlx {
                self.bury_refused(block, id, &message, now);
            }
        }
        match name {
            Some(name) => Err(QueueError::QueueFull(name)),
            None => Ok(Published::default()),
        }
    }

    /// Finds where a message goes, and what it will remember of that.
    fn resolve(
        &mut self,
        to: Destination<'_>,
        message: &NewMessage,
        route: &mut Route,
    ) -> Result<Arc<Origin>, QueueError> {
        match to {
            Destination::Queue(name) => {
                let queue = self.queue(name)?;
                route.queues.push(queue.id);
                Ok(queue.origin.clone())
            }
            Destination::Exchange { name: "", routing_key } => {
                let queue = self.names.get(routing_key).and_then(|id| self.queues.get(id));
                route.queues.extend(queue.map(|queue| queue.id));
                let unrouted = || Arc::new(Origin { exchange: None, routing_key: routing_key.into() });
                Ok(queue.map_or_else(unrouted, |queue| queue.origin.clone()))
            }
            Destination::Exchange { name, routing_key } => {
                let id = self.topology.find(name)?;
                let exchange = self.topology.get(id).filter(|exchange| !exchange.options.internal);
                let Some(exchange) = exchange else {
                    let what = format!("exchange {name:?} is internal: only other exchanges feed it");
                    return Err(QueueError::Reserved(what));
                };
                let exchange = Some(exchange.name.clone());
                self.topology.route(id, routing_key, &message.headers, route);
                Ok(Arc::new(Origin { exchange, routing_key: routing_key.into() }))
            }
        }
    }

    /// Finds where a message goes that is there already. Goes nowhere when the exchange is gone.
    pub(crate) fn route_from(&mut self, exchange: &str, key: &str, message: &Message, route: &mut Route) {
        if exchange.is_empty() {
            route.queues.extend(self.names.get(key));
        } else if let Some(id) = self.topology.id(exchange) {
            self.topology.route(id, key, &message.headers, route);
        }
    }
}

fn parcel(message: NewMessage, origin: Arc<Origin>) -> Parcel {
    let delay_ms = message.delay.map_or(0, millis);
    Parcel { message: Arc::new(Message::from_new(message, origin)), delay_ms }
}

pub(crate) fn log_targets(route: &Route, message: &Arc<Message>) -> Vec<LogTarget> {
    let target = |topic: &message::TopicName| LogTarget { topic: topic.clone(), message: message.clone() };
    route.logs.iter().map(target).collect()
}
