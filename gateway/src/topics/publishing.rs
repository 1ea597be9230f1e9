//! Messages in: one call to the owner a request, whatever the model and however many messages.

use log_engine::{Enrolment, LogError, TransactionalId};
use message::Limits;
use queue_engine::{Destination, NewMessage, Published};

use super::authorization::Act;
use super::log_topic::LogTopic;
use super::outgoing::{Acks, IdempotencyKey, Outgoing, Receipt, Receipts};
use super::queue_message;
use super::queue_topic::{QueueTopic, SETTLE_WEIGHT};
use super::record_batches::{self, Place, RecordBatches};
use super::shard::{Idempotency, JobStep, Room, Terms, Turn};
use super::vitals::Vitals;
use super::{Topic, Topics};
use crate::auth::routing_keys::KeyUse;
use crate::refusal::Refusal;

/// Journal bytes that a message takes beside its own: ids, lengths, the delivery that it may cause at once.
const MESSAGE_OVERHEAD: usize = 64 + SETTLE_WEIGHT;

/// What is written of a publish beside its effect, in the same block: both are there after a crash, or neither.
pub(crate) enum Beside {
    Nothing,
    /// The answer, for whoever asks again under this key.
    Answer(IdempotencyKey),
    /// How far a job came. How many messages it moved is filled in.
    Step(JobStep),
}

impl From<Option<IdempotencyKey>> for Beside {
    fn from(key: Option<IdempotencyKey>) -> Beside {
        key.map_or(Beside::Nothing, Beside::Answer)
    }
}

impl Beside {
    /// Journal bytes that it takes at most, for so many messages.
    fn bytes(&self, messages: usize) -> usize {
        match self {
            Beside::Nothing => 0,
            Beside::Answer(key) => Idempotency::answer_bytes(key, messages),
            Beside::Step(_) => JobStep::BYTES,
        }
    }
}

impl Topics {
    /// Publishes to a topic of either model: one receipt or refusal per message, in the order sent.
    ///
    /// # Errors
    /// When the request as a whole could not be carried out; nothing of it was then.
    pub async fn publish(
        &self,
        topic: &str,
        messages: Vec<Outgoing>,
        acks: Acks,
        key: Option<IdempotencyKey>,
    ) -> Result<Receipts, Refusal> {
        self.check_takes_messages()?;
        self.publish_beside(topic, messages, acks, key.into()).await
    }

    /// The same with something that is written down beside it.
    pub(crate) async fn publish_beside(
        &self,
        topic: &str,
        messages: Vec<Outgoing>,
        acks: Acks,
        beside: Beside,
    ) -> Result<Receipts, Refusal> {
        self.allow(Act::Publish, topic)?;
        self.check_not_draining()?;
        match self.topic(topic)? {
            Topic::Log(log) => self.publish_to_log(&log, messages, acks, beside).await,
            Topic::Queue(queue) => self.publish_to_queue(&queue, messages, acks, beside).await,
        }
    }

    async fn publish_to_log(
        &self,
        log: &LogTopic,
        messages: Vec<Outgoing>,
        acks: Acks,
        beside: Beside,
    ) -> Result<Receipts, Refusal> {
        let count = messages.len();
        let built = record_batches::build(
            &messages,
            log.partitions(),
            &log.0.settings,
            self.limits(),
            &log.0.partitioner,
            self.now(),
            None,
        );
        drop(messages);
        let bytes = batches_weight(&built);
        let log = log.clone();
        let work = move |turn: &mut Turn<'_>| Appends { log: &log, transaction: None }.apply(turn, built);
        self.publish_with(count, bytes, acks, beside, work).await
    }

    async fn publish_to_queue(
        &self,
        queue: &QueueTopic,
        messages: Vec<Outgoing>,
        acks: Acks,
        beside: Beside,
    ) -> Result<Receipts, Refusal> {
        let count = messages.len();
        let (messages, bytes) = convert(messages, self.limits());
        let name = queue.name.clone();
        let work = move |turn: &mut Turn<'_>| {
            let receipt = |published: &Published| {
                let id = published.id.map_or(0, |id| id.0);
                if published.duplicates > 0 { Receipt::Duplicate { id } } else { Receipt::Queue { id } }
            };
            enqueue(turn, Destination::Queue(&name), messages, receipt)
        };
        self.publish_with(count, bytes, acks, beside, work).await
    }

    /// Publishes through an exchange (`""` is the default one): each receipt says how many topics took the message.
    pub async fn publish_to_exchange(
        &self,
        exchange: &str,
        routing_key: &str,
        messages: Vec<Outgoing>,
        acks: Acks,
        key: Option<IdempotencyKey>,
    ) -> Result<Receipts, Refusal> {
        self.check_takes_messages()?;
        self.publish_through(exchange, routing_key, messages, acks, key.into()).await
    }

    /// The same with something that is written down beside it.
    pub(crate) async fn publish_through(
        &self,
        exchange: &str,
        routing_key: &str,
        messages: Vec<Outgoing>,
        acks: Acks,
        beside: Beside,
    ) -> Result<Receipts, Refusal> {
        self.allow_publish_through(exchange, routing_key)?;
        self.allow_routing_key(KeyUse::Publish, exchange, Some(routing_key))?;
        self.check_not_draining()?;
        let count = messages.len();
        let (messages, bytes) = convert(messages, self.limits());
        let (exchange, routing_key) = (exchange.to_owned(), routing_key.to_owned());
        let work = move |turn: &mut Turn<'_>| {
            let to = Destination::Exchange { name: &exchange, routing_key: &routing_key };
            enqueue(turn, to, messages, |published| Receipt::Routed {
                duplicates: published.duplicates as u32,
                queues: published.queues as u32,
                logs: published.logs.len() as u32,
                held: published.held,
            })
        };
        self.publish_with(count, bytes, acks, beside, work).await
    }

    /// One trip to the owner, with what is written down beside it.
    pub(crate) async fn publish_with<F>(
        &self,
        count: usize,
        bytes: usize,
        acks: Acks,
        beside: Beside,
        work: F,
    ) -> Result<Receipts, Refusal>
    where
        F: FnOnce(&mut Turn<'_>) -> Result<Receipts, Refusal> + Send + 'static,
    {
        let tail = beside.bytes(count);
        let weight = 256 + bytes + tail;
        if acks == Acks::None && matches!(beside, Beside::Nothing) {
            // Nobody asked what becomes of it.
            self.shard().cast(weight, Room::Ordinary, |turn| drop(work(turn))).await?;
            return Ok(vec![Ok(Receipt::Unconfirmed); count]);
        }
        Vitals::count(&self.vitals().confirmed, count);
        let work = move |turn: &mut Turn<'_>| {
            turn.tail = tail;
            turn.publish_beside(beside, work)
        };
        self.shard().call(Terms { acks, weight, room: Room::Ordinary }, work).await?
    }
}

impl Turn<'_> {
    fn publish_beside(
        &mut self,
        beside: Beside,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Receipts, Refusal>,
    ) -> Result<Receipts, Refusal> {
        match beside {
            Beside::Nothing => work(self),
            Beside::Answer(key) => {
                if let Some(receipts) = self.engines.idempotency.find(&key, self.now)? {
                    return Ok(receipts);
                }
                let receipts = work(self)?;
                self.engines.idempotency.keep(self.journal.block(), &key, &receipts, self.now);
                Ok(receipts)
            }
            Beside::Step(step) => {
                self.engines.jobs.check_at_work(step.number)?;
                let receipts = work(self)?;
                let moved = receipts.iter().filter(|receipt| receipt.is_ok()).count() as u64;
                self.engines.jobs.note(self.journal.block(), JobStep { moved, ..step });
                Ok(receipts)
            }
        }
    }
}

/// Journal bytes that appending these takes at most.
pub(crate) fn batches_weight(built: &RecordBatches) -> usize {
    built.batches.iter().map(|(_, batch)| batch.len() + MESSAGE_OVERHEAD).sum()
}

/// Where batches are appended.
pub(crate) struct Appends<'a> {
    pub log: &'a LogTopic,
    /// The open transaction that they belong to, which their headers name too.
    pub transaction: Option<&'a TransactionalId>,
}

impl Appends<'_> {
    /// Appends all of them; each by itself is taken or refused.
    pub(crate) fn apply(&self, turn: &mut Turn<'_>, built: RecordBatches) -> Result<Receipts, Refusal> {
        let mut appended: Vec<Result<_, LogError>> = Vec::with_capacity(built.batches.len());
        for (partition, batch) in built.batches {
            let id = self.log.partition(partition)?.id;
            let count = batch.count() as usize;
            let (engine, block) = (&mut turn.engines.log, turn.journal.block());
            let outcome = match self.transaction {
                None => engine.append(block, id, batch, turn.now),
                Some(transaction) => {
                    let enrolment = Enrolment { id: transaction, implicit: true };
                    engine.append_transactional(block, id, batch, enrolment, turn.now)
                }
            };
            Vitals::count(&turn.engines.vitals.received, count);
            Vitals::count(&turn.engines.vitals.routed, if outcome.is_ok() { count } else { 0 });
            appended.push(outcome.map(|done| (partition, done.base_offset.0, done.timestamp.0)));
        }
        let receipt = |place: Place| match &appended[place.batch as usize] {
            Ok((partition, base, batch_timestamp)) => Ok(Receipt::Log {
                partition: *partition,
                offset: base + i64::from(place.index),
                timestamp: if self.log.stamps_arrival() { *batch_timestamp } else { place.timestamp },
            }),
            Err(error) => Err(Box::new(Refusal::from(error))),
        };
        Ok(built.slots.into_iter().map(|slot| slot.and_then(receipt)).collect())
    }
}

pub(crate) type Converted = Vec<Result<NewMessage, Box<Refusal>>>;

pub(crate) fn convert(messages: Vec<Outgoing>, limits: &Limits) -> (Converted, usize) {
    let mut bytes = 0;
    let converted = messages.into_iter().map(|message| {
        let message = queue_message::from_outgoing(message, limits)?;
        let key = message.key.as_ref().map_or(0, |key| key.len());
        let texts = message.headers.as_bytes().len() + message.properties.as_bytes().len();
        bytes += message.body.len() + key + texts + MESSAGE_OVERHEAD;
        Ok(message)
    });
    (converted.collect(), bytes)
}

pub(crate) fn enqueue(
    turn: &mut Turn<'_>,
    destination: Destination<'_>,
    messages: Converted,
    receipt: impl Fn(&Published) -> Receipt,
) -> Result<Receipts, Refusal> {
    let mut receipts = Receipts::with_capacity(messages.len());
    let mut good = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Ok(message) => {
                receipts.push(Ok(Receipt::Unconfirmed));
                good.push(message);
            }
            Err(refusal) => receipts.push(Err(refusal)),
        }
    }
    Vitals::count(&turn.engines.vitals.received, good.len());
    let room = turn.engines.queue.publish_bytes(destination, &good);
    turn.ensure(room)?;
    let published = turn.engines.queue.publish_batch(turn.journal.block(), destination, good, turn.now)?;
    let reached = published.iter().flatten().filter(|published| published.is_routed()).count();
    Vitals::count(&turn.engines.vitals.routed, reached);
    Vitals::count(&turn.engines.vitals.unroutable, published.iter().flatten().count() - reached);
    let routed = published.iter().flatten().flat_map(|published| published.logs.iter().cloned()).collect();
    turn.engines.append_routed(turn.journal, routed, turn.now);
    let mut published = published.into_iter();
    for slot in receipts.iter_mut().filter(|slot| slot.is_ok()) {
        if let Some(outcome) = published.next() {
            *slot = outcome.as_ref().map(&receipt).map_err(|error| Box::new(Refusal::from(error)));
        }
    }
    Ok(receipts)
}
