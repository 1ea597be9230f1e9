//! What exchanges keep themselves: the latest messages of a recent-history exchange, those that a delayed-message
//! exchange holds back. Each lies in a queue that nobody can name, so that it costs, survives and is moved forward
//! like any other.
use std::collections::BTreeSet;
use std::sync::Arc;

use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::binding::{ExchangeId, Target};
use crate::engine::QueueEngine;
use crate::enqueue::{Parcel, room};
use crate::exchange_kind::{ExchangeKind, ExchangeOptions};
use crate::handover::{Handover, TooLarge};
use crate::message::Message;
use crate::outbox::log_room_of;
use crate::paging::{load, peek};
use crate::publish::{PER_RECORD, log_targets};
use crate::queue::Queue;
use crate::routing::{Address, Route, after_delay, delay_ms};
use crate::slots::{NEVER, Slot, State};
use crate::{BindingTarget, Overflow, QueueError, QueueId, QueueOptions, carbon_copy};

/// Most bytes of bodies that a recent-history exchange keeps, whatever its length says.
const HISTORY_BYTES: u64 = 4 << 20;
/// Most bytes of a binding's record beside its arguments, and of those.
pub(crate) const BINDING_BYTES: usize = 1024;
const ARGUMENTS_BYTES: usize = 64 << 10;
/// Journal bytes that one message of the history takes beside its own and its targets'.
const PER_MESSAGE: usize = 512;

impl QueueEngine {
    /// The store that an exchange of this kind needs, empty.
    pub(crate) fn new_store(&self, kind: ExchangeKind) -> Result<Option<(QueueId, u64)>, QueueError> {
        match (kind.keeps_messages(), self.next_queue) {
            (false, _) => Ok(None),
            (true, u32::MAX) => Err(QueueError::OutOfIds),
            (true, next) => Ok(Some((QueueId(next), 0))),
        }
    }

    /// Books in the store of an exchange, new or read back.
    pub(crate) fn add_store(&mut self, exchange: ExchangeId, id: QueueId, next_sequence: u64) {
        self.next_queue = self.next_queue.max(id.0.saturating_add(1));
        let Some(owner) = self.topology.get_mut(exchange) else { return };
        owner.store = Some(id);
        let length = owner.options.history_length.unwrap_or(ExchangeOptions::HISTORY_DEFAULT);
        let keeps_all = owner.kind == ExchangeKind::Delayed;
        let options = QueueOptions {
            durable: owner.options.durable,
            max_length: (!keeps_all).then_some(u64::from(length)),
            max_length_bytes: (!keeps_all).then_some(HISTORY_BYTES),
            ..QueueOptions::default()
        };
        // A name for messages about it; it is not among the names of queues.
        let Ok(name) = TopicName::new(owner.name.as_str()) else { return };
        if let Some(store) = self.queues.get_mut(&id) {
            store.next_sequence = store.next_sequence.max(next_sequence);
            store.store_of = Some(exchange);
            return;
        }
        let mut store = Queue::new(id, name, owner.prefix().len(), options);
        store.next_sequence = next_sequence;
        store.store_of = Some(exchange);
        self.queues.insert(id, Box::new(store));
    }

    /// Lets the stores of exchanges go that are gone.
    pub(crate) fn drop_orphans(&mut self) {
        while let Some(id) = self.topology.orphans.pop() {
            self.forget_queue(id);
        }
    }

    /// Routes messages whose delay is over, at most `most` of them; answers how many that were.
    pub(crate) fn release(&mut self, block: &mut Block, id: QueueId, now: Timestamp, most: usize) -> usize {
        let mut released = 0;
        while released < most {
            let Some(store) = self.queues.get_mut(&id) else { break };
            let Some(exchange) = store.store_of else { break };
            let Some(sequence) = store.take_due(now) else { break };
            let due = store.slots.get(sequence).map_or(now, |slot| slot.due);
            let core = &mut self.core;
            let Ok(message) = load(store, sequence, &mut core.ledger, &core.config, core.reader.as_deref())
            else {
                store.totals.damaged += 1;
                store.change(sequence, State::Damaged, NEVER, &mut core.ledger);
                continue;
            };
            if !self.release_one(block, exchange, (id, sequence), &message, now) {
                // The block is full: the next one has room.
                self.queues.get_mut(&id).into_iter().for_each(|store| store.watch_delay(due, sequence));
                break;
            }
            released += 1;
        }
        released
    }

    fn release_one(
        &mut self,
        block: &mut Block,
        exchange: ExchangeId,
        held: (QueueId, u64),
        message: &Arc<Message>,
        now: Timestamp,
    ) -> bool {
        let headers = after_delay(&message.headers, delay_ms(&message.headers).unwrap_or(0));
        let message = Arc::new(Message { headers, ..(**message).clone() });
        let copies = carbon_copy::keys(&message.headers).unwrap_or_default();
        let parcel = Parcel { message, delay_ms: 0, copies };
        let mut route = Route::default();
        self.topology.route_parcel(exchange, &parcel, &mut route);
        if self.is_held(&route) {
            self.hold_back(held, now);
            return true;
        }
        self.go_on(held, &mut route);
        let body_len = parcel.message.body.len();
        let refuses = |id: &QueueId| self.queues.get(id).is_some_and(|queue| queue.refuses(body_len));
        let (full, open): (Vec<QueueId>, Vec<QueueId>) = route.queues.iter().partition(|id| refuses(id));
        route.queues = open;
        let leads_nowhere = route.is_empty();
        let handover = self.hand_over(block, &mut route, parcel, held, TooLarge::GoesWithout, now);
        let Handover::Complete(shown) = handover else { return false };
        if leads_nowhere {
            self.queues.get_mut(&held.0).into_iter().for_each(|store| store.totals.dropped += 1);
        }
        for id in full {
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.totals.refused += 1;
            if queue.options.overflow == Overflow::RejectPublishDlx {
                self.bury_refused(block, id, &shown, now);
            }
        }
        true
    }

    /// Room that a new binding of this exchange needs in the block at most: with a history, that of all its messages.
    #[must_use]
    pub fn bind_bytes(&self, source: &::message::ExchangeName, target: &BindingTarget) -> usize {
        // What is not there is not bound.
        let history = self.target(target).map_or(0, |target| self.history_bytes(source, &target));
        BINDING_BYTES + ARGUMENTS_BYTES + history
    }

    /// Room for the messages that a new binding of this exchange gets at once.
    pub(crate) fn history_bytes(&self, source: &::message::ExchangeName, target: &Target) -> usize {
        let exchange = self.topology.id(source.as_str()).and_then(|id| self.topology.get(id));
        let history = exchange.filter(|exchange| exchange.kind == ExchangeKind::RecentHistory);
        let history = history.and_then(|exchange| self.queues.get(&exchange.store?));
        history.map_or(0, |store| {
            let each = PER_MESSAGE + self.queues.len().min(1000) * 25;
            let logs = self.logs_behind(target);
            let in_logs = |slot: &Slot| {
                let body = slot.body_len as usize;
                logs * (log_room_of(0, (slot.envelope_len as usize).saturating_sub(body), body) + PER_RECORD)
            };
            store.ready_in_order().map(|(_, slot)| slot.envelope_len as usize + each + in_logs(slot)).sum()
        })
    }

    /// The most logs that one message may reach by way of a target.
    fn logs_behind(&self, target: &Target) -> usize {
        let keeps = |queue: &Queue| queue.options.keep_in.is_some();
        match target {
            Target::Log(_) => 1,
            Target::Queue(id) => usize::from(self.queues.get(id).is_some_and(|queue| keeps(queue))),
            Target::Exchange(_) => {
                let logs: BTreeSet<&TopicName> = self
                    .topology
                    .bindings()
                    .filter_map(|(_, target, _)| match target {
                        Target::Log(topic) => Some(topic),
                        Target::Queue(_) | Target::Exchange(_) => None,
                    })
                    .collect();
                let kept = if self.keeps_any {
                    self.queues.values().filter(|queue| keeps(queue)).count()
                } else {
                    0
                };
                logs.len() + kept
            }
        }
    }

    /// Gives a new binding the exchange's latest messages, oldest first.
    pub(crate) fn retell(&mut self, block: &mut Block, source: ExchangeId, target: &Target, now: Timestamp) {
        let exchange =
            self.topology.get(source).filter(|exchange| exchange.kind == ExchangeKind::RecentHistory);
        let Some(store) = exchange.and_then(|exchange| self.queues.get(&exchange.store?)) else { return };
        let kept =
            store.ready_in_order().map(|(sequence, _)| peek(store, sequence, self.core.reader.as_deref()));
        let kept: Vec<Arc<Message>> = kept.filter_map(Result::ok).collect();
        for message in kept {
            // Blind copies were forgotten when it was kept.
            let copies = carbon_copy::keys(&message.headers).unwrap_or_default();
            let parcel = Parcel { message, delay_ms: 0, copies };
            let mut route = Route::default();
            match target {
                Target::Queue(id) => route.queues.push(*id),
                Target::Log(topic) => route.logs.push(topic.clone()),
                Target::Exchange(id) => self.topology.route_parcel(*id, &parcel, &mut route),
            }
            let body_len = parcel.message.body.len();
            route.queues.retain(|id| self.queues.get(id).is_some_and(|queue| !queue.refuses(body_len)));
            // Who bound made sure of the room; what would not fit all the same is left out.
            if block.fits(room(&parcel, &route) + self.logs_room(&route, &parcel.message)) {
                let shown = self.deliver(block, &route, parcel, None, now);
                self.outbox.log_appends.extend(log_targets(block, &route, &shown));
            }
        }
    }
}

impl crate::binding::Topology {
    /// Follows a message that was published before.
    pub(crate) fn route_parcel(&mut self, from: ExchangeId, parcel: &Parcel, route: &mut Route) {
        let message = &parcel.message;
        let mut keys: Vec<&str> = vec![&message.origin.routing_key];
        keys.extend(parcel.copies.iter().map(String::as_str));
        let address = Address { keys: &keys, headers: &message.headers, properties: &message.properties };
        self.route(from, &address, route);
    }
}
