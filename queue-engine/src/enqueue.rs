//! Putting messages into queues: one journal record however many queues they reach.
use std::sync::Arc;

use ::message::Timestamp;
use segment_store::{Block, Lsn};

use crate::engine::{Core, QueueEngine};
use crate::envelope::{head_bound, put_head};
use crate::fields::put_varint;
use crate::holder::Holder;
use crate::identity::IdMap;
use crate::key_order::KeyMark;
use crate::message::Message;
use crate::message_record::{PublishTarget, published_bound, put_published};
use crate::outbox::LogTarget;
use crate::queue::{Queue, after};
use crate::record::{MOVED, PUBLISHED, Record};
use crate::routing::{Route, delay_ms};
use crate::runs::{Run, Runs};
use crate::slots::{NEVER, Slot, State};
use crate::{MessageId, QueueId, carbon_copy};

/// A message that was routed and waits to be stored.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) message: Arc<Message>,
    pub(crate) delay_ms: u64,
    /// Further routing keys, of `CC` and `BCC`.
    pub(crate) copies: Vec<String>,
}

impl Parcel {
    /// The message as consumers may see it.
    fn shown(&self) -> Parcel {
        let mut shown = self.clone();
        if !self.copies.is_empty() {
            let headers = carbon_copy::without_blind(&self.message.headers);
            shown.message = Arc::new(Message { headers, ..(*self.message).clone() });
        }
        shown
    }
}

/// Where an envelope lies in the record that is being written.
pub(crate) struct Mark {
    /// Start of its length and head in the scratch buffer.
    start: usize,
    /// Start of the envelope in the record's payload.
    offset: u64,
    envelope_len: u32,
}

/// Most bytes that storing these messages takes.
pub(crate) fn bound<'a>(messages: impl Iterator<Item = &'a Parcel>, targets: usize) -> usize {
    let each = messages.map(|parcel| head_bound(&parcel.message) + parcel.message.body.len());
    each.sum::<usize>() + published_bound(targets)
}

/// Most bytes that one more queue adds to storing a message.
pub(crate) const PER_TARGET: usize = 25;
/// Most bytes of a record that takes one message away.
pub(crate) const REMOVAL: usize = 16 + Run::BOUND;
/// The place of a message that stays where it is while copies of it go on: no queue has this id.
pub(crate) const NOBODY: (QueueId, u64) = (QueueId(0), 0);

/// Most bytes that storing a message takes on all its ways, and taking it away where it was.
pub(crate) fn room(parcel: &Parcel, route: &Route) -> usize {
    let taking = match route.queues.len() + route.histories.len() {
        0 => REMOVAL,
        targets => bound(std::iter::once(parcel), targets),
    };
    match route.delayed.len() {
        0 => taking,
        held => taking + segment_store::RECORD_OVERHEAD + bound(std::iter::once(parcel), held),
    }
}

/// What a message's place in a queue is made of, live and when it is read back.
pub(crate) struct Arrival {
    pub(crate) lsn: Lsn,
    pub(crate) envelope_len: u32,
    pub(crate) body_len: u32,
    pub(crate) priority: u8,
    pub(crate) at: Timestamp,
    pub(crate) delay_ms: u64,
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) queue_ttl_ms: Option<u64>,
}

impl Arrival {
    pub(crate) fn slot(&self, message: Option<Arc<Message>>) -> Slot {
        let ready_at = after(self.at, self.delay_ms);
        let ttl_ms = match (self.ttl_ms, self.queue_ttl_ms) {
            (Some(own), Some(queue)) => Some(own.min(queue)),
            (own, queue) => own.or(queue),
        };
        let delayed = self.delay_ms > 0;
        Slot {
            lsn: self.lsn,
            message,
            enqueued_at: self.at,
            expires_at: ttl_ms.map_or(NEVER, |ttl_ms| after(ready_at, ttl_ms)),
            due: if delayed { ready_at } else { NEVER },
            holder: Holder::NOBODY,
            forgiven: 0,
            envelope_len: self.envelope_len,
            body_len: self.body_len,
            nonce: 0,
            attempts: 0,
            state: if delayed { State::Delayed } else { State::Ready },
            priority: self.priority,
        }
    }
}

impl Core {
    /// Writes the messages once and books them into every queue. The caller checked that the block has room for
    /// [`bound`] bytes. `moved` is the message that they replace, which the same record takes away.
    pub(crate) fn store(
        &mut self,
        block: &mut Block,
        queues: &mut IdMap<QueueId, Box<Queue>>,
        ids: &[QueueId],
        parcels: &[Parcel],
        moved: Option<(QueueId, u64)>,
        now: Timestamp,
    ) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut marks = std::mem::take(&mut self.marks);
        scratch.clear();
        marks.clear();
        self.targets.clear();
        let mut implied = None;
        for id in ids {
            let Some(queue) = queues.get(id) else { continue };
            implied = Some(&queue.origin);
            let ttl_ms = queue.options.message_ttl_ms;
            self.targets.push(PublishTarget { queue: *id, first: queue.next_sequence, ttl_ms });
        }
        let implied = implied.filter(|_| self.targets.len() == 1);
        match moved {
            None => scratch.push(PUBLISHED),
            Some((from, sequence)) => {
                scratch.push(MOVED);
                put_varint(&mut scratch, u64::from(from.0));
                put_varint(&mut scratch, sequence);
            }
        }
        put_published(&mut scratch, now, &self.targets, parcels.len());
        let mut bodies = 0u64;
        for Parcel { message, delay_ms, .. } in parcels {
            let start = if marks.is_empty() { 0 } else { scratch.len() };
            scratch.extend_from_slice(&[0; 4]);
            let head = scratch.len();
            put_head(&mut scratch, message, *delay_ms, implied);
            let envelope_len = (scratch.len() - head + message.body.len()) as u32;
            scratch[head - 4..head].copy_from_slice(&envelope_len.to_le_bytes());
            marks.push(Mark { start, offset: head as u64 + bodies, envelope_len });
            bodies += message.body.len() as u64;
        }
        let base = match parcels {
            [one] => self.push(block, &[&scratch, &one.message.body]),
            many => {
                let mut parts: Vec<&[u8]> = Vec::with_capacity(many.len() * 2);
                for (at, parcel) in many.iter().enumerate() {
                    let end = marks.get(at + 1).map_or(scratch.len(), |next| next.start);
                    parts.push(&scratch[marks[at].start..end]);
                    parts.push(&parcel.message.body);
                }
                self.push(block, &parts)
            }
        };
        for at in 0..self.targets.len() {
            let target = self.targets[at];
            if let Some(queue) = queues.get_mut(&target.queue) {
                if let Some(log) = &queue.options.keep_in {
                    let passed =
                        parcels.iter().map(|parcel| LogTarget::announce(block, log, &parcel.message));
                    self.kept.extend(passed);
                }
                if let Some(window) = queue.options.dedup.filter(|_| moved.is_none()) {
                    for (parcel, sequence) in parcels.iter().zip(target.first..) {
                        if let Some(id) = parcel.message.properties.fields().message_id {
                            queue.seen.remember(id, MessageId(sequence), window, now);
                        }
                    }
                }
                self.admit(queue, target, parcels, &marks, base, now);
            }
        }
        self.scratch = scratch;
        self.marks = marks;
    }

    fn admit(
        &mut self,
        queue: &mut Queue,
        target: PublishTarget,
        parcels: &[Parcel],
        marks: &[Mark],
        base: Lsn,
        now: Timestamp,
    ) {
        queue.totals.published += parcels.len() as u64;
        for ((parcel, mark), sequence) in parcels.iter().zip(marks).zip(target.first..) {
            let message = &parcel.message;
            let arrival = Arrival {
                lsn: base.plus(mark.offset),
                envelope_len: mark.envelope_len,
                body_len: message.body.len() as u32,
                priority: queue.options.kind.priority(message.priority),
                at: now,
                delay_ms: parcel.delay_ms,
                ttl_ms: message.ttl_ms,
                queue_ttl_ms: target.ttl_ms,
            };
            let key = KeyMark::of(message.key.as_deref());
            queue.insert(sequence, arrival.slot(Some(message.clone())), key, &mut self.ledger);
            if self.is_over_budget(queue) {
                self.fresh.push((queue.id, sequence));
            }
            queue.index(sequence);
        }
    }

    /// Whether a queue, or all together, hold more in memory than they may.
    pub(crate) fn is_over_budget(&self, queue: &Queue) -> bool {
        queue.counts.loaded > self.config.queue_memory_bytes || self.ledger.loaded > self.config.memory_bytes
    }
}

impl QueueEngine {
    /// Stores one message in everything of this engine that its route leads to; what it replaces (`moved`) goes. The
    /// caller checked that the block has [`room`]. Answers the message as logs on the route get it.
    pub(crate) fn deliver(
        &mut self,
        block: &mut Block,
        route: &Route,
        parcel: Parcel,
        moved: Option<(QueueId, u64)>,
        now: Timestamp,
    ) -> Arc<Message> {
        let mut moved = moved;
        if let Some((id, sequence)) = moved {
            self.queues.get_mut(&id).into_iter().for_each(|queue| {
                queue.remove(sequence, &mut self.core.ledger);
            });
        }
        let shown = parcel.shown();
        let taking = route.taking();
        if !taking.is_empty() {
            let parcels = std::slice::from_ref(&shown);
            self.core.store(block, &mut self.queues, &taking, parcels, moved.take(), now);
            self.touched.extend_from_slice(&taking);
        }
        if !route.delayed.is_empty() {
            let delay_ms = delay_ms(&parcel.message.headers).unwrap_or(0).saturating_add(parcel.delay_ms);
            let held = [Parcel { delay_ms, ..parcel }];
            self.core.store(block, &mut self.queues, &route.delayed, &held, moved.take(), now);
            self.touched.extend_from_slice(&route.delayed);
        }
        match moved {
            // In the block of what the logs get, so that the message is here or there.
            Some((queue, sequence)) if moved != Some(NOBODY) && !route.logs.is_empty() => {
                let mut runs = Runs::default();
                runs.push(queue, sequence);
                self.core.write(block, &Record::Removed(runs));
            }
            Some((queue, sequence)) if moved != Some(NOBODY) => self.core.removed.push(queue, sequence),
            _ => {}
        }
        shown.message
    }
}
