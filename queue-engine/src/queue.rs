use std::sync::Arc;

use ::message::{Timestamp, TopicName};
use segment_store::Lsn;

use crate::binding::ExchangeId;
use crate::counts::Counts;
use crate::dedup::SeenIds;
use crate::engine::Failure;
use crate::failure::FailedAttempt;
use crate::identity::IdMap;
use crate::key_order::{KeyMark, KeyOrder};
use crate::ledger::Ledger;
use crate::line::Line;
use crate::message::{Message, Origin};
use crate::policy::InForce;
use crate::ready::ReadyOrder;
use crate::retry::RetryPolicy;
use crate::slots::{NEVER, Slot, Slots, State};
use crate::timers::{Timer, Timers};
use crate::totals::{QueueInfo, QueueTotals};
use crate::{ConsumerId, MessageId, OwnerId, QueueId, QueueOptions};

/// One queue: where each of its messages stands. The engine decides; the queue keeps the books straight.
///
/// In the order written here, what every message touches first: with ten thousand queues each message meets one that the
/// processor's caches have forgotten, and what counts is how many lines of it are looked at.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    /// Whether a message with a time to live was ever put in.
    has_expiring: bool,
    /// Whether there ever was a subscription, for `auto_delete`.
    pub(crate) had_subscriber: bool,
    /// Whether the active one only finishes what it has: another is to take its place.
    pub(crate) yielding: bool,
    /// Whether its owner is gone.
    pub(crate) is_orphan: bool,
    pub(crate) next_sequence: u64,
    /// What a message that was published straight into this queue remembers.
    pub(crate) origin: Arc<Origin>,
    /// The earliest moment at which the engine will look at this queue again.
    pub(crate) alarm: Timestamp,
    pub(crate) counts: Counts,
    pub(crate) slots: Slots,
    pub(crate) ready: ReadyOrder,
    /// Consumers that can take a message now with their priorities, next first.
    pub(crate) rotation: Line<(i32, ConsumerId)>,
    /// Ends of leases. One counts only while its slot is leased and has the same `due`.
    pub(crate) leases: Timers,
    /// Ends of delays, likewise. Apart from the leases, so that a million messages far from due are in nobody's way.
    pub(crate) delays: Timers,
    /// While the queue keeps order per key.
    pub(crate) key_order: Option<Box<KeyOrder>>,
    /// Attempts that failed, of messages that had any on a queue with a retry policy. Boxed, since few queues have it.
    #[allow(clippy::box_collection, reason = "what most queues never have should take one word")]
    pub(crate) histories: Option<Box<IdMap<u64, Vec<FailedAttempt>>>>,
    /// How it behaves: as declared, and as policies say.
    pub(crate) options: QueueOptions,
    pub(crate) totals: QueueTotals,
    /// Subscriptions in order of arrival, long polls among them.
    pub(crate) consumers: Vec<ConsumerId>,
    /// Message ids of a queue that deduplicates.
    pub(crate) seen: SeenIds,
    /// How many of the consumers are there to stay.
    pub(crate) subscribers: u32,
    /// The only consumer that is served, with `single_active_consumer`.
    pub(crate) active: ConsumerId,
    pub(crate) name: TopicName,
    /// What was declared, where policies changed something.
    declared: Option<Box<QueueOptions>>,
    /// The policies in force.
    pub(crate) policy: Option<Arc<str>>,
    pub(crate) operator_policy: Option<Arc<str>>,
    /// How many bytes of the name say in which virtual host it is.
    prefix_len: u8,
    /// The exchange whose memory this is: such a queue has no name that anybody could use.
    pub(crate) store_of: Option<ExchangeId>,
    /// Whoever the queue belongs to, and dies with.
    pub(crate) owner: Option<OwnerId>,
    /// When it last had a consumer or was received from, purged, declared or changed, for `expires_ms`.
    pub(crate) used_at: Timestamp,
}

impl Queue {
    /// An empty queue. The first `prefix_len` bytes of its name are those of its virtual host.
    pub(crate) fn new(id: QueueId, name: TopicName, prefix_len: usize, options: QueueOptions) -> Queue {
        let local = name.as_str().get(prefix_len..).unwrap_or_default();
        let origin = Arc::new(Origin { exchange: None, routing_key: local.into() });
        let key_order = options.order_per_key.then(Box::default);
        Queue {
            id,
            name,
            options,
            declared: None,
            policy: None,
            operator_policy: None,
            prefix_len: prefix_len as u8,
            store_of: None,
            origin,
            slots: Slots::default(),
            ready: ReadyOrder::default(),
            key_order,
            leases: Timers::default(),
            delays: Timers::default(),
            histories: None,
            seen: SeenIds::default(),
            next_sequence: 0,
            counts: Counts::default(),
            totals: QueueTotals::default(),
            has_expiring: false,
            consumers: Vec::new(),
            subscribers: 0,
            had_subscriber: false,
            active: ConsumerId::NOBODY,
            yielding: false,
            owner: None,
            is_orphan: false,
            rotation: Line::default(),
            alarm: NEVER,
            used_at: Timestamp(0),
        }
    }

    /// The name in the queue's virtual host.
    pub(crate) fn local_name(&self) -> &str {
        self.name.as_str().get(usize::from(self.prefix_len)..).unwrap_or_default()
    }

    /// What names in the queue's virtual host start with.
    pub(crate) fn prefix(&self) -> &str {
        self.name.as_str().get(..usize::from(self.prefix_len)).unwrap_or_default()
    }

    /// What was declared, policies aside.
    pub(crate) fn declared(&self) -> &QueueOptions {
        self.declared.as_deref().unwrap_or(&self.options)
    }

    /// Takes what was declared; policies are to be applied anew.
    pub(crate) fn redeclare(&mut self, options: QueueOptions) {
        self.declared = None;
        self.options = options;
    }

    /// Lets policies decide. Answers whether that changed anything.
    pub(crate) fn enforce(&mut self, in_force: InForce) -> bool {
        (self.policy, self.operator_policy) = (in_force.policy, in_force.operator_policy);
        let before = std::mem::replace(&mut self.options, in_force.options);
        let changed = before != self.options;
        if self.declared.is_none() && changed {
            self.declared = Some(Box::new(before));
        } else if self.declared.as_deref() == Some(&self.options) {
            self.declared = None;
        }
        changed
    }

    /// The level that a priority means here.
    pub(crate) fn level(&self, priority: u8) -> u8 {
        self.options.level(priority)
    }

    /// Books a message in. The durable part of arriving; `index` makes it known to consumers and timers.
    pub(crate) fn insert(&mut self, sequence: u64, slot: Slot, key: KeyMark, ledger: &mut Ledger) {
        self.next_sequence = self.next_sequence.max(sequence + 1);
        self.has_expiring |= slot.expires_at != NEVER;
        self.counts.enter(slot.state, slot.body_len);
        self.counts.bytes += u64::from(slot.body_len);
        ledger.segments.add(slot.lsn, slot.envelope_len);
        if let Some(message) = &slot.message {
            let footprint = message.footprint();
            self.counts.loaded += footprint;
            ledger.loaded += footprint;
        }
        self.slots.insert(sequence, slot, key, &mut ledger.spares);
    }

    /// Lets consumers or timers know of a message that was booked in.
    pub(crate) fn index(&mut self, sequence: u64) {
        let Some(slot) = self.slots.get(sequence) else { return };
        let (state, due, level) = (slot.state, slot.due, self.level(slot.priority));
        match state {
            State::Ready => self.line_up(level, sequence),
            State::Leased => self.watch_lease(due, sequence),
            State::Delayed => self.watch_delay(due, sequence),
            State::Vacant | State::Dying | State::Damaged => {}
        }
    }

    /// Books a message out, whatever its state.
    pub(crate) fn remove(&mut self, sequence: u64, ledger: &mut Ledger) -> Option<Slot> {
        if self.key_order.is_some() {
            let slot = self.slots.get(sequence)?;
            let from = (slot.state, slot.attempts, self.level(slot.priority));
            self.leave_lane(sequence, from, (State::Vacant, 0));
        }
        let slot = self.slots.remove(sequence, &mut ledger.spares)?;
        self.counts.leave(slot.state, slot.body_len);
        self.counts.bytes -= u64::from(slot.body_len);
        ledger.segments.subtract(slot.lsn, slot.envelope_len);
        if slot.state == State::Leased {
            ledger.release(slot.holder);
        }
        if let Some(message) = &slot.message {
            self.unload(message, ledger);
        }
        if let Some(histories) = &mut self.histories {
            histories.remove(&sequence);
        }
        if self.counts.all() == 0 {
            if self.ready.first().is_some() {
                self.ready.clear();
            }
            self.leases.clear();
            self.delays.clear();
        }
        Some(slot)
    }

    /// Books a message from one state into another.
    pub(crate) fn change(
        &mut self,
        sequence: u64,
        to: State,
        due: Timestamp,
        ledger: &mut Ledger,
    ) -> Option<&mut Slot> {
        if self.key_order.is_some() {
            let slot = self.slots.get(sequence)?;
            let (attempts, level) = (slot.attempts, self.level(slot.priority));
            self.leave_lane(sequence, (slot.state, attempts, level), (to, attempts));
        }
        let slot = self.slots.get_mut(sequence)?;
        if slot.state == State::Leased && to != State::Leased {
            ledger.release(slot.holder);
        }
        self.counts.leave(slot.state, slot.body_len);
        self.counts.enter(to, slot.body_len);
        slot.state = to;
        slot.due = due;
        Some(slot)
    }

    /// Watches the end of a lease.
    pub(crate) fn watch_lease(&mut self, due: Timestamp, sequence: u64) {
        let (slots, live) = (&self.slots, self.counts.leased as usize);
        self.leases.set((due, sequence), live, |timer| is_timed(slots, State::Leased, timer));
    }

    /// Watches the end of a delay.
    pub(crate) fn watch_delay(&mut self, due: Timestamp, sequence: u64) {
        let (slots, live) = (&self.slots, self.counts.delayed as usize);
        self.delays.set((due, sequence), live, |timer| is_timed(slots, State::Delayed, timer));
    }

    /// The next lease or delay that is over at `now`.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<u64> {
        let slots = &self.slots;
        let lease = self.leases.first_that(|timer| is_timed(slots, State::Leased, timer));
        let delay = self.delays.first_that(|timer| is_timed(slots, State::Delayed, timer));
        let first = lease.into_iter().chain(delay).min().filter(|(due, _)| *due <= now)?;
        match lease == Some(first) {
            true => self.leases.take_first(),
            false => self.delays.take_first(),
        }
        Some(first.1)
    }

    /// The message that leaves next.
    pub(crate) fn head(&mut self) -> Option<(u8, u64)> {
        loop {
            let (level, sequence) = self.ready.first()?;
            let waits_here = |slot: &Slot| slot.state == State::Ready && self.level(slot.priority) == level;
            if self.slots.get(sequence).is_some_and(waits_here) && self.is_its_turn(level, sequence) {
                return Some((level, sequence));
            }
            self.ready.take_first();
        }
    }

    /// Lets the head leave the order; its slot stays as it is.
    pub(crate) fn take_head(&mut self) {
        self.ready.take_first();
    }

    /// Whether a message that comes back now came back too often.
    pub(crate) fn is_over_limit(&self, sequence: u64) -> bool {
        let limits = [self.options.delivery_limit(), self.options.retry.as_ref().map(RetryPolicy::retries)];
        let Some(limit) = limits.into_iter().flatten().min() else { return false };
        self.slots.get(sequence).is_some_and(|slot| slot.strikes() > limit)
    }

    /// Whether a message that comes back has failed an attempt, which is told.
    pub(crate) fn tells_failures(&self) -> bool {
        self.options.retry.as_ref().is_some_and(RetryPolicy::tells_failures)
    }

    /// How long a message that comes back stays out of sight, if it does.
    pub(crate) fn pause_ms(&self, sequence: u64, failure: Failure) -> Option<u64> {
        let retry = self.options.retry.as_ref()?;
        retry.pause_ms(failure, self.slots.get(sequence)?.strikes())
    }

    /// The head if it had to go by `now`.
    pub(crate) fn expired_head(&mut self, now: Timestamp) -> Option<u64> {
        if !self.has_expiring {
            return None;
        }
        let (_, sequence) = self.head()?;
        self.slots.get(sequence).is_some_and(|slot| slot.expires_at <= now).then_some(sequence)
    }

    /// Ready messages in the order in which they leave.
    pub(crate) fn ready_in_order(&self) -> impl Iterator<Item = (u64, &Slot)> {
        let slot = |sequence| Some((sequence, self.slots.get(sequence)?));
        self.ready.iter().filter_map(slot).filter(|(_, slot)| slot.state == State::Ready)
    }

    /// Orders the ready messages anew, after `max_priority` changed or after recovery.
    pub(crate) fn rebuild_order(&mut self) {
        self.slots.settle_strays();
        self.ready.clear();
        self.leases.clear();
        self.delays.clear();
        self.rebuild_lanes();
        for (sequence, slot) in self.slots.iter_from(0) {
            let level = self.options.level(slot.priority);
            match slot.state {
                State::Ready if !self.is_its_turn(level, sequence) => {}
                State::Ready => self.ready.push(level, sequence),
                State::Leased => self.leases.add((slot.due, sequence)),
                State::Delayed => self.delays.add((slot.due, sequence)),
                State::Vacant | State::Dying | State::Damaged => {}
            }
        }
    }

    /// Whether the queue has to go: its owner did, or the last of its subscriptions.
    pub(crate) fn is_deserted(&self) -> bool {
        self.is_orphan || (self.options.auto_delete && self.had_subscriber && self.subscribers == 0)
    }

    /// When something is to be done here although nobody asks.
    pub(crate) fn next_due(&mut self) -> Timestamp {
        if self.is_deserted() {
            return Timestamp(0);
        }
        let first = [self.leases.first(), self.delays.first()].into_iter().flatten().min();
        let mut next = first.map_or(NEVER, |(due, _)| due);
        if self.has_expiring {
            let head = self.head().and_then(|(_, sequence)| self.slots.get(sequence));
            next = next.min(head.map_or(NEVER, |slot| slot.expires_at));
        }
        if let (Some(expires_ms), true) = (self.options.expires_ms, self.consumers.is_empty()) {
            next = next.min(after(self.used_at, expires_ms));
        }
        if let Some(window) = self.options.dedup {
            next = next.min(self.seen.empty_at(window).unwrap_or(NEVER));
        }
        next
    }

    /// Gives a slot its message back.
    pub(crate) fn keep(&mut self, sequence: u64, message: &Arc<Message>, ledger: &mut Ledger) {
        let Some(slot) = self.slots.get_mut(sequence) else { return };
        if slot.message.is_none() {
            slot.message = Some(message.clone());
            let footprint = message.footprint();
            self.counts.loaded += footprint;
            ledger.loaded += footprint;
        }
    }

    /// Lets a slot forget its message; the journal has it.
    pub(crate) fn forget(&mut self, sequence: u64, ledger: &mut Ledger) {
        if let Some(message) = self.slots.get_mut(sequence).and_then(|slot| slot.message.take()) {
            self.unload(&message, ledger);
        }
    }

    fn unload(&mut self, message: &Message, ledger: &mut Ledger) {
        let footprint = message.footprint();
        self.counts.loaded -= footprint;
        ledger.loaded -= footprint;
    }

    /// Points a slot at a new copy of its envelope.
    pub(crate) fn relocate(&mut self, sequence: u64, lsn: Lsn, ledger: &mut Ledger) {
        if let Some(slot) = self.slots.get(sequence) {
            ledger.segments.subtract(slot.lsn, slot.envelope_len);
            ledger.segments.add(lsn, slot.envelope_len);
            self.slots.relocate(sequence, lsn);
        }
    }

    /// Books everything out, before the queue goes.
    pub(crate) fn empty(&mut self, ledger: &mut Ledger) {
        self.slots.settle_strays();
        for (_, slot) in self.slots.iter_from(0) {
            ledger.segments.subtract(slot.lsn, slot.envelope_len);
            if slot.state == State::Leased {
                ledger.release(slot.holder);
            }
        }
        ledger.loaded -= self.counts.loaded;
        self.slots = Slots::default();
        self.key_order = self.options.order_per_key.then(Box::default);
        self.counts = Counts::default();
        self.ready.clear();
        self.leases = Timers::default();
        self.delays = Timers::default();
        self.histories = None;
    }

    /// Messages that a consumer holds, in order.
    pub(crate) fn leased_by(&self, consumer: ConsumerId) -> Vec<u64> {
        let is_theirs = |sequence: &u64| {
            let slot = self.slots.get(*sequence);
            slot.is_some_and(|slot| slot.state == State::Leased && slot.holder.consumer() == consumer)
        };
        let mut held: Vec<u64> = self.leases.iter().map(|(_, sequence)| sequence).filter(is_theirs).collect();
        held.sort_unstable();
        held.dedup();
        held
    }

    pub(crate) fn info(&self) -> QueueInfo {
        let head_enqueued_at = self.ready_in_order().next().map(|(_, slot)| slot.enqueued_at);
        let counts = self.counts;
        QueueInfo {
            id: self.id,
            name: self.name.clone(),
            options: self.declared().clone(),
            in_force: self.options.clone(),
            policy: self.policy.as_deref().map(str::to_owned),
            operator_policy: self.operator_policy.as_deref().map(str::to_owned),
            next_id: MessageId(self.next_sequence),
            ready: counts.ready,
            leased: counts.leased,
            delayed: counts.delayed,
            dying: counts.dying,
            damaged: counts.damaged,
            ready_bytes: counts.ready_bytes,
            bytes: counts.bytes,
            loaded_bytes: counts.loaded,
            consumers: self.consumers.len() as u64,
            active: Some(self.active).filter(|active| *active != ConsumerId::NOBODY),
            owner: self.owner,
            head_enqueued_at,
            totals: self.totals,
        }
    }
}

fn is_timed(slots: &Slots, state: State, (due, sequence): Timer) -> bool {
    #[cfg(test)]
    crate::timers::LOOKED_AT.set(crate::timers::LOOKED_AT.get() + 1);
    slots.get(sequence).is_some_and(|slot| slot.due == due && slot.state == state)
}

/// A moment `ms` milliseconds later, at the latest the end of time.
pub(crate) fn after(at: Timestamp, ms: u64) -> Timestamp {
    Timestamp(at.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An idle queue is this, its name and its place in three maps: far from the 2 KiB that it may take. What few queues
    /// have goes into a box; what the first message needs does not.
    #[test]
    fn an_idle_queue_is_small() {
        let size = std::mem::size_of::<Queue>();
        assert!(size <= 896, "{size} bytes");
        let hot = std::mem::offset_of!(Queue, options);
        assert!(hot <= 328, "what a message touches beside options takes {hot} bytes");
    }
}
