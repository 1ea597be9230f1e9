use std::sync::Arc;

use ::message::Timestamp;
use segment_store::Block;

use crate::death::{is_cycle, record_death};
use crate::engine::QueueEngine;
use crate::enqueue::Parcel;
use crate::failure::with_history;
use crate::handover::{Handover, TooLarge};
use crate::message::{Message, NewMessage, Origin};
use crate::paging::load;
use crate::properties::PropertyFields;
use crate::publish::log_targets;
use crate::record::Record;
use crate::routing::{Address, Route};
use crate::runs::Runs;
use crate::slots::{NEVER, State};
use crate::virtual_host::qualify;
use crate::{DeadLetterStrategy, Destination, Overflow, QueueId, carbon_copy};

/// Why a message left its queue for the dead-letter exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A consumer rejected it.
    Rejected,
    /// Its time to live was over.
    Expired,
    /// The queue was too long.
    MaxLen,
    /// It came back more often than the queue allows.
    DeliveryLimit,
}

impl Reason {
    const ALL: [Reason; 4] = [Reason::Rejected, Reason::Expired, Reason::MaxLen, Reason::DeliveryLimit];

    /// The name in `x-death`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Rejected => "rejected",
            Reason::Expired => "expired",
            Reason::MaxLen => "maxlen",
            Reason::DeliveryLimit => "delivery_limit",
        }
    }

    /// The number in the journal; 0 is none.
    pub(crate) fn number(self) -> u8 {
        match self {
            Reason::Rejected => 1,
            Reason::Expired => 2,
            Reason::MaxLen => 3,
            Reason::DeliveryLimit => 4,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.number() == number)
    }
}

/// A message that waits to be moved to its dead-letter exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dying {
    pub(crate) queue: QueueId,
    pub(crate) sequence: u64,
    pub(crate) reason: Reason,
}

impl QueueEngine {
    /// Moves the dying to their dead-letter exchanges, each with one record that takes it away here and puts it there.
    /// Answers whether all are moved; otherwise the block is full.
    pub(crate) fn bury(&mut self, block: &mut Block, now: Timestamp) -> bool {
        while let Some(dying) = self.core.dying.front().copied() {
            if !self.bury_one(block, dying, now) {
                return false;
            }
            self.core.dying.pop_front();
            self.core.dying_recorded = self.core.dying_recorded.saturating_sub(1);
        }
        true
    }

    fn bury_one(&mut self, block: &mut Block, dying: Dying, now: Timestamp) -> bool {
        let Dying { queue: id, sequence, reason } = dying;
        let core = &mut self.core;
        let Some(queue) = self.queues.get_mut(&id) else { return true };
        if queue.slots.get(sequence).is_none_or(|slot| slot.state != State::Dying) {
            return true;
        }
        let message = match load(queue, sequence, &mut core.ledger, &core.config, core.reader.as_deref()) {
            Ok(message) => message,
            Err(_) => {
                queue.totals.damaged += 1;
                queue.change(sequence, State::Damaged, NEVER, &mut core.ledger);
                return true;
            }
        };
        let strategy = queue.options.dead_letter_strategy.unwrap_or_default();
        let message = match queue.history(sequence) {
            [] => message,
            history => {
                let headers = with_history(&message.headers, queue.name.as_str(), history);
                Arc::new(Message { headers, ..(*message).clone() })
            }
        };
        let mut route = Route::default();
        let mut blocked = false;
        let letter = self.dead_letter(id, &message, reason, now, &mut route, &mut blocked);
        if blocked && strategy == DeadLetterStrategy::AtLeastOnce {
            return self.core.keep_undelivered(block, dying, now);
        }
        let Some(parcel) = letter.filter(|_| !route.is_empty()) else {
            self.drop_dead(id, sequence);
            return true;
        };
        if self.is_held(&route) {
            return self.core.keep_undelivered(block, dying, now);
        }
        // What goes on in several steps must not come back to life between them.
        if self.exceeds_a_block(block, &route, &parcel) && !self.core.note_dying(block, dying) {
            return false;
        }
        let too_large = match strategy {
            DeadLetterStrategy::AtLeastOnce => TooLarge::Waits,
            DeadLetterStrategy::AtMostOnce => TooLarge::GoesWithout,
        };
        match self.hand_over(block, &mut route, parcel, (id, sequence), too_large, now) {
            Handover::NextBlock => false,
            Handover::TooLarge => self.core.keep_undelivered(block, dying, now),
            Handover::Complete(_) => {
                if strategy == DeadLetterStrategy::AtLeastOnce {
                    self.core.undelivered.progress(now);
                }
                true
            }
        }
    }

    /// A message that its dead-letter exchange did not take is gone, as in RabbitMQ.
    fn drop_dead(&mut self, id: QueueId, sequence: u64) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.totals.dropped += 1;
            queue.remove(sequence, &mut self.core.ledger);
            self.core.removed.push(id, sequence);
        }
    }

    /// Whether a queue on the route sends what it refuses to its dead-letter exchange.
    pub(crate) fn buries_refused(&self, route: &Route) -> bool {
        let buries = |id: &QueueId| {
            let queue = self.queues.get(id);
            queue.is_some_and(|queue| queue.options.overflow == Overflow::RejectPublishDlx)
        };
        route.queues.iter().any(buries)
    }

    /// Room for the dead letters of those on the route that would refuse this message into their exchanges: it is in no
    /// queue where its letter could wait. A letter that hardly any block takes has to do without.
    pub(crate) fn refused_room(
        &mut self,
        route: &Route,
        to: Destination<'_>,
        message: &NewMessage,
        among_others: bool,
    ) -> usize {
        let body_len = message.body.len();
        let refuses = |id: &QueueId| {
            self.queues.get(id).is_some_and(|queue| {
                queue.options.overflow == Overflow::RejectPublishDlx
                    && (queue.refuses(body_len) || among_others && queue.may_refuse())
            })
        };
        let refusing: Vec<QueueId> = route.queues.iter().copied().filter(refuses).collect();
        if refusing.is_empty() {
            return 0;
        }
        let Ok((_, origin)) = self.enter(to) else { return 0 };
        let message = Arc::new(Message::from_new(message.clone(), origin));
        let most = self.core.config.segment_bytes / 2;
        let mut bytes = 0;
        for id in refusing {
            let mut route = Route::default();
            let when = Timestamp(0);
            if let Some(letter) = self.dead_letter(id, &message, Reason::MaxLen, when, &mut route, &mut false)
            {
                let room = self.room_on(&route, &letter) + segment_store::RECORD_OVERHEAD;
                bytes += if room as u64 > most { 0 } else { room };
            }
        }
        bytes
    }

    /// Dead-letters a copy of a message that a full queue refused.
    pub(crate) fn bury_refused(
        &mut self,
        block: &mut Block,
        id: QueueId,
        message: &Arc<Message>,
        now: Timestamp,
    ) {
        let mut route = Route::default();
        let letter = self.dead_letter(id, message, Reason::MaxLen, now, &mut route, &mut false);
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.totals.count_dead(Reason::MaxLen);
        }
        let goes = |parcel: &Parcel| !self.is_held(&route) && block.fits(self.room_on(&route, parcel));
        let Some(parcel) = letter.filter(goes) else { return };
        let shown = self.deliver(block, &route, parcel, None, now);
        self.outbox.log_appends.extend(log_targets(block, &route, &shown));
    }

    /// The message as its dead-letter exchange gets it, and where that sends it. `None` without such an exchange.
    /// `blocked` tells whether the message could go further some other time: that nothing is there to take it, or
    /// something that does not now.
    fn dead_letter(
        &mut self,
        id: QueueId,
        message: &Arc<Message>,
        reason: Reason,
        now: Timestamp,
        route: &mut Route,
        blocked: &mut bool,
    ) -> Option<Parcel> {
        let queue = self.queues.get(&id)?;
        let exchange = queue.options.dead_letter_exchange.as_deref()?;
        let prefix = queue.prefix();
        let own_key = queue.options.dead_letter_routing_key.as_deref();
        let key = own_key.unwrap_or(&message.origin.routing_key);
        let mut headers = record_death(message, queue.local_name(), reason, now);
        let copies = match own_key {
            // Somebody else's choice of key replaces all of the publisher's.
            Some(_) => {
                headers = carbon_copy::without_open(&headers);
                Vec::new()
            }
            None => carbon_copy::keys(&headers).unwrap_or_default(),
        };
        let keys: Vec<&str> = std::iter::once(key).chain(copies.iter().map(String::as_str)).collect();
        let exchange = if exchange.is_empty() {
            route.queues.extend(keys.iter().filter_map(|key| self.queue_in(prefix, key)));
            route.settle();
            None
        } else {
            *blocked = true;
            let to = self.topology.id(&qualify(prefix, exchange))?;
            let address = Address { keys: &keys, headers: &headers, properties: &message.properties };
            self.topology.route(to, &address, route);
            Some(self.topology.get(to)?.local.clone())
        };
        *blocked = route.is_empty();
        let body_len = message.body.len();
        route.queues.retain(|target| {
            let Some(queue) = self.queues.get(target) else { return false };
            if reason != Reason::Rejected && is_cycle(&headers, queue.local_name()) {
                return false;
            }
            let takes = !queue.refuses(body_len);
            *blocked |= !takes;
            takes
        });
        let fields = message.properties.fields();
        let properties = match fields.expiration {
            None => message.properties.clone(),
            Some(_) => PropertyFields { expiration: None, ..fields }.build().unwrap_or_default(),
        };
        let origin = Arc::new(Origin { exchange, routing_key: key.into() });
        let message = Message {
            key: message.key.clone(),
            headers,
            properties,
            body: message.body.clone(),
            origin,
            priority: message.priority,
            ttl_ms: None,
        };
        Some(Parcel { message: Arc::new(message), delay_ms: 0, copies })
    }

    /// Writes down which messages are dying but could not be moved yet, so that none of them comes back to life.
    pub(crate) fn record_dying(&mut self, block: &mut Block) {
        while let Some(first) = self.core.dying.get(self.core.dying_recorded).copied() {
            let mut runs = Runs::default();
            let mut taken = 0;
            for dying in self.core.dying.iter().skip(self.core.dying_recorded) {
                let record = 16 + runs.stored_len() + crate::runs::Run::BOUND;
                if dying.reason != first.reason || taken == 1000 || !block.fits(record) {
                    break;
                }
                runs.push(dying.queue, dying.sequence);
                taken += 1;
            }
            if taken == 0 || !self.core.write(block, &Record::Doomed { reason: first.reason, runs }) {
                return;
            }
            self.core.dying_recorded += taken;
        }
    }
}
