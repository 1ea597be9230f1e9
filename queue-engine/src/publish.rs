use std::sync::Arc;

use ::message::{HeaderTable, Timestamp};
use segment_store::Block;

use crate::binding::ExchangeId;
use crate::engine::QueueEngine;
use crate::enqueue::{Parcel, bound, room};
use crate::envelope::HEAD_BOUND;
use crate::message::{Message, NewMessage, Origin};
use crate::message_record::published_bound;
use crate::outbox::LogTarget;
use crate::routing::{Address, Route};
use crate::virtual_host::qualify;
use crate::{Destination, MessageId, Overflow, Properties, QueueError, QueueId, carbon_copy};

/// What the block itself adds to a record.
pub(crate) const PER_RECORD: usize = segment_store::RECORD_OVERHEAD;

/// Where a message ended up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Its id in the first queue that it reached, if it reached one.
    pub id: Option<MessageId>,
    /// That queue.
    pub queue: Option<QueueId>,
    /// How many queues it reached. Those that had it already count.
    pub queues: usize,
    /// Whether a delayed-message exchange holds it back; where it goes shows when the delay is over.
    pub held: bool,
    /// How many of them had taken a message with this id before, within their window, and did not take it again. `id`
    /// is then the first one's, if `queue` is among them.
    pub duplicates: usize,
    /// The logs that are to get it, with this group.
    pub logs: Vec<LogTarget>,
}

impl Published {
    /// Whether it reached anything: otherwise AMQP's `mandatory` returns it.
    #[must_use]
    pub fn is_routed(&self) -> bool {
        self.queues > 0 || self.held || !self.logs.is_empty()
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
        let result = self.enter(to).and_then(|(entrance, origin)| {
            let parcel = parcel(message, origin, now)?;
            self.spread(&entrance, &parcel, &mut route);
            let result = self.publish_routed(block, &route, parcel, now);
            self.count(&entrance, &result);
            result
        });
        self.route = route;
        self.wind_up(block, now);
        result
    }

    /// Publishes many messages to one destination: routed once unless each may go elsewhere, written as one record.
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
        let (entrance, origin) = self.enter(to)?;
        let parcels = messages.into_iter().map(|message| parcel(message, origin.clone(), now));
        let parcels = parcels.collect::<Result<Vec<Parcel>, QueueError>>()?;
        let mut route = std::mem::take(&mut self.route);
        let result = self.publish_parcels(block, &entrance, &mut route, parcels, now);
        self.route = route;
        self.wind_up(block, now);
        result
    }

    /// Room that publishing these messages needs in the block, with the dead letters that refusing them makes: make sure
    /// of it first, and neither [`publish`](QueueEngine::publish) nor [`publish_batch`](QueueEngine::publish_batch) answers
    /// [`QueueError::BlockFull`].
    pub fn publish_bytes(&mut self, to: Destination<'_>, messages: &[NewMessage]) -> usize {
        // An unknown destination takes nothing.
        let Ok(entrance) = self.entrance(to) else { return 0 };
        let mut route = std::mem::take(&mut self.route);
        let mut each = PER_RECORD;
        each += match to {
            Destination::Exchange { name, routing_key } => name.len() + routing_key.len(),
            Destination::Queue(name) => name.as_str().len(),
        };
        let mut bytes = 0;
        // What the route says is asked once for all that share it.
        let (mut one_by_one, mut buries) = (false, false);
        for (at, message) in messages.iter().enumerate() {
            if at == 0 || route.per_message || carbon_copy::is_copied(&message.headers) {
                let copies = carbon_copy::keys(&message.headers).unwrap_or_default();
                self.spread_to(&entrance, to, message, &copies, &mut route);
                one_by_one = messages.len() > 1 && self.goes_one_by_one(&route);
                buries = self.buries_refused(&route);
            }
            let key = message.key.as_ref().map_or(0, bytes::Bytes::len);
            let texts = message.headers.as_bytes().len() + message.properties.as_bytes().len();
            let own_record = at == 0 || one_by_one;
            let targets = route.queues.len() + route.histories.len();
            let targets = if own_record { published_bound(targets) } else { 0 };
            let mut one = key + texts + message.body.len() + HEAD_BOUND + each + targets;
            one += self.logs_bound(&route, key, texts, message.body.len());
            if buries {
                one += self.refused_room(&route, to, message, messages.len() > 1);
            }
            if !route.delayed.is_empty() {
                one = 2 * one + published_bound(route.delayed.len());
            }
            bytes += one;
        }
        self.route = route;
        bytes
    }

    /// Whether the queue would take so many messages, with bodies of so many bytes in all: for whoever must know before
    /// anything changes. Says no sooner than publishing would, as it does not reckon with consumers.
    pub fn would_take(
        &self,
        queue: &::message::TopicName,
        messages: u64,
        bytes: u64,
    ) -> Result<(), QueueError> {
        let found = self.queue(queue)?;
        match found.would_refuse(messages, bytes) {
            true => Err(QueueError::QueueFull(queue.clone())),
            false if self.logs_full && found.options.keep_in.is_some() => Err(QueueError::LogsFull),
            false => Ok(()),
        }
    }

    /// Whether each message needs a routing or a decision of its own.
    fn goes_one_by_one(&self, route: &Route) -> bool {
        let is_choosy = |id: &QueueId| {
            self.queues.get(id).is_some_and(|queue| queue.may_refuse() || queue.options.dedup.is_some())
        };
        route.per_message || route.queues.iter().any(is_choosy)
    }

    fn publish_parcels(
        &mut self,
        block: &mut Block,
        entrance: &Entrance,
        route: &mut Route,
        parcels: Vec<Parcel>,
        now: Timestamp,
    ) -> Result<Vec<Result<Published, QueueError>>, QueueError> {
        let Some(first) = parcels.first() else { return Ok(Vec::new()) };
        self.spread(entrance, first, route);
        let copied = parcels.iter().any(|parcel| !parcel.copies.is_empty());
        let single = !copied && !self.goes_one_by_one(route);
        let records = if single { 1 } else { parcels.len() };
        let mut more = (records - 1) * (published_bound(route.queues.len()) + PER_RECORD);
        more += parcels.iter().map(|parcel| self.logs_room(route, &parcel.message)).sum::<usize>();
        if !block.fits(bound(parcels.iter(), route.queues.len()) + more) {
            return Err(QueueError::BlockFull);
        }
        if single {
            self.check_logs(route)?;
            if let Entrance::Exchange(id) = entrance {
                let reached = parcels.len() * (route.queues.len() + route.logs.len());
                self.topology.count(*id, parcels.len(), reached);
            }
            return Ok(self.publish_all(block, route, &parcels, now));
        }
        let again = copied || route.per_message;
        let mut results = Vec::with_capacity(parcels.len());
        for (at, parcel) in parcels.into_iter().enumerate() {
            if again && at > 0 {
                self.spread(entrance, &parcel, route);
            }
            let result = self.publish_routed(block, route, parcel, now);
            self.count(entrance, &result);
            results.push(result);
            self.wind_up(block, now);
        }
        Ok(results)
    }

    /// Counts a message where it was published to an exchange, also if what it reached did not take it.
    pub(crate) fn count(&mut self, from: &Entrance, result: &Result<Published, QueueError>) {
        let Entrance::Exchange(id) = from else { return };
        let reached = match result {
            Ok(published) => published.queues - published.duplicates + published.logs.len(),
            Err(_) => 0,
        };
        self.topology.count(*id, 1, reached);
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
        let mut answer = |(at, parcel): (usize, &Parcel)| {
            Ok(Published {
                id: sequence.map(|sequence| MessageId(sequence + at as u64)),
                queue: first,
                queues: route.queues.len(),
                held: false,
                duplicates: 0,
                logs: log_targets(block, route, &parcel.message),
            })
        };
        parcels.iter().enumerate().map(&mut answer).collect()
    }

    /// Publishes one message to where it was routed. Queues that are full refuse it, others take it.
    pub(crate) fn publish_routed(
        &mut self,
        block: &mut Block,
        route: &Route,
        parcel: Parcel,
        now: Timestamp,
    ) -> Result<Published, QueueError> {
        if !block.fits(room(&parcel, route) + self.logs_room(route, &parcel.message)) {
            return Err(QueueError::BlockFull);
        }
        self.check_logs(route)?;
        if let Some((rest, known)) = self.set_duplicates_aside(route, &parcel.message, now) {
            let reached = self.publish_routed(block, &rest, parcel, now)?;
            return Ok(known.with(reached));
        }
        let body_len = parcel.message.body.len();
        let refuses = |id: &QueueId| self.queues.get(id).is_some_and(|queue| queue.refuses(body_len));
        let is_plain = route.histories.is_empty() && route.delayed.is_empty() && parcel.copies.is_empty();
        if !route.queues.iter().any(refuses) {
            if is_plain {
                let parcels = [parcel];
                let mut results = self.publish_all(block, route, &parcels, now);
                return results.pop().unwrap_or_else(|| Ok(Published::default()));
            }
            let queue = route.queues.first().copied();
            let id = queue.and_then(|id| Some(MessageId(self.queues.get(&id)?.next_sequence)));
            let message = self.deliver(block, route, parcel, None, now);
            let logs = log_targets(block, route, &message);
            let held = !route.delayed.is_empty();
            let queues = route.queues.len();
            return Ok(Published { id, queue, queues, held, duplicates: 0, logs });
        }
        let (full, open): (Vec<QueueId>, Vec<QueueId>) = route.queues.iter().partition(|id| refuses(id));
        let open = Route { queues: open, ..route.clone() };
        let message = self.deliver(block, &open, parcel, None, now);
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

    /// Of the queues that a message would reach, takes out those that know its id; `None` when none does.
    fn set_duplicates_aside(
        &mut self,
        route: &Route,
        message: &Message,
        now: Timestamp,
    ) -> Option<(Route, Known)> {
        let dedups = |id: &QueueId| self.queues.get(id).is_some_and(|queue| queue.options.dedup.is_some());
        if !route.queues.iter().any(dedups) {
            return None;
        }
        let id = message.properties.fields().message_id?;
        let mut rest = route.clone();
        let mut known = Known { first: None, count: 0 };
        for (place, target) in route.queues.iter().enumerate() {
            let Some(queue) = self.queues.get_mut(target) else { continue };
            let Some(window) = queue.options.dedup else { continue };
            let Some(first) = queue.seen.first(id, window, now) else { continue };
            queue.totals.duplicates += 1;
            known.count += 1;
            known.first = known.first.or((place == 0).then_some((*target, first)));
            rest.queues.retain(|have| have != target);
        }
        (known.count > 0).then_some((rest, known))
    }

    /// Finds where a message enters.
    fn entrance(&self, to: Destination<'_>) -> Result<Entrance, QueueError> {
        match to {
            Destination::Queue(name) => self.find_queue(name).map(Entrance::Queue),
            Destination::Exchange { name, .. } => match self.hosts.default_exchange(name) {
                Some(prefix) => Ok(Entrance::Default(prefix)),
                None => {
                    let id = self.topology.find(name)?;
                    let exchange = self.topology.get(id).filter(|exchange| !exchange.options.internal);
                    exchange.map(|_| Entrance::Exchange(id)).ok_or_else(|| {
                        let what = format!("exchange {name:?} is internal: only other exchanges feed it");
                        QueueError::Reserved(what)
                    })
                }
            },
        }
    }

    /// Finds where a message enters, and what it will remember of that.
    pub(crate) fn enter(&self, to: Destination<'_>) -> Result<(Entrance, Arc<Origin>), QueueError> {
        let entrance = self.entrance(to)?;
        let routing_key = match to {
            Destination::Queue(name) => name.as_str(),
            Destination::Exchange { routing_key, .. } => routing_key,
        };
        let (queue, exchange) = match &entrance {
            Entrance::Queue(id) => (Some(*id), None),
            Entrance::Default(prefix) => {
                (self.queue_in(prefix.as_deref().unwrap_or_default(), routing_key), None)
            }
            Entrance::Exchange(id) => (None, self.topology.get(*id).map(|exchange| exchange.local.clone())),
        };
        let origin = match queue.and_then(|id| self.queues.get(&id)) {
            Some(queue) => queue.origin.clone(),
            None => Arc::new(Origin { exchange, routing_key: routing_key.into() }),
        };
        Ok((entrance, origin))
    }

    /// Follows a message from where it enters to all that it reaches.
    pub(crate) fn spread(&mut self, from: &Entrance, parcel: &Parcel, route: &mut Route) {
        let message = &parcel.message;
        let key: &str = &message.origin.routing_key;
        if parcel.copies.is_empty() {
            return self.follow(from, &[key], &message.headers, &message.properties, route);
        }
        let keys: Vec<&str> = std::iter::once(key).chain(parcel.copies.iter().map(String::as_str)).collect();
        self.follow(from, &keys, &message.headers, &message.properties, route);
    }

    fn spread_to(
        &mut self,
        from: &Entrance,
        to: Destination<'_>,
        message: &NewMessage,
        copies: &[String],
        route: &mut Route,
    ) {
        let key = match to {
            Destination::Queue(name) => name.as_str(),
            Destination::Exchange { routing_key, .. } => routing_key,
        };
        if copies.is_empty() {
            return self.follow(from, &[key], &message.headers, &message.properties, route);
        }
        let keys: Vec<&str> = std::iter::once(key).chain(copies.iter().map(String::as_str)).collect();
        self.follow(from, &keys, &message.headers, &message.properties, route);
    }

    fn follow(
        &mut self,
        from: &Entrance,
        keys: &[&str],
        headers: &HeaderTable,
        properties: &Properties,
        route: &mut Route,
    ) {
        route.clear();
        match from {
            Entrance::Queue(id) => route.queues.push(*id),
            Entrance::Default(prefix) => {
                let prefix = prefix.as_deref().unwrap_or_default();
                route.queues.extend(keys.iter().filter_map(|key| self.queue_in(prefix, key)));
                if keys.len() > 1 {
                    route.settle();
                }
            }
            Entrance::Exchange(id) => self.topology.route(*id, &Address { keys, headers, properties }, route),
        }
    }

    /// Finds where a message goes that is there already, by names of its virtual host. Goes nowhere when the exchange
    /// is gone.
    pub(crate) fn route_from(
        &mut self,
        prefix: &str,
        exchange: &str,
        key: &str,
        message: &Message,
        route: &mut Route,
    ) {
        let from = match exchange {
            "" => Entrance::Default(Some(prefix.into())),
            name => match self.topology.id(&qualify(prefix, name)) {
                Some(id) => Entrance::Exchange(id),
                None => return,
            },
        };
        self.follow(&from, &[key], &message.headers, &message.properties, route);
    }
}

/// Where a message enters the engine.
#[derive(Clone)]
pub(crate) enum Entrance {
    Queue(QueueId),
    /// The default exchange of a virtual host, given what names in that start with.
    Default(Option<Arc<str>>),
    Exchange(ExchangeId),
}

pub(crate) fn parcel(message: NewMessage, origin: Arc<Origin>, now: Timestamp) -> Result<Parcel, QueueError> {
    let delay_ms = message.delay_ms(now);
    let copies = carbon_copy::keys(&message.headers)?;
    Ok(Parcel { message: Arc::new(Message::from_new(message, origin)), delay_ms, copies })
}

/// What queues said that had a message already.
struct Known {
    /// In the first queue of the route, if that is one of them.
    first: Option<(QueueId, MessageId)>,
    count: usize,
}

impl Known {
    fn with(self, reached: Published) -> Published {
        let first = self.first.or(reached.queue.zip(reached.id));
        Published {
            id: first.map(|(_, id)| id),
            queue: first.map(|(queue, _)| queue),
            queues: reached.queues + self.count,
            duplicates: self.count,
            ..reached
        }
    }
}

/// The logs that a route leads to, with room kept for what they get.
pub(crate) fn log_targets(block: &mut Block, route: &Route, message: &Arc<Message>) -> Vec<LogTarget> {
    route.logs.iter().map(|topic| LogTarget::announce(block, topic, message)).collect()
}
