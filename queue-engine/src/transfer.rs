//! Messages that leave one queue for others, each in one step: moved by hand, or sent back where they died.
use std::sync::Arc;

use ::message::{ExchangeName, HeaderTable, HeaderTableBuilder, HeaderValue, Timestamp, TopicName};
use segment_store::Block;

use crate::death::source;
use crate::engine::QueueEngine;
use crate::enqueue::{Parcel, room};
use crate::header_edit;
use crate::message::{Message, Origin};
use crate::paging::load;
use crate::publish::log_targets;
use crate::routing::Route;
use crate::slots::State;
use crate::{Destination, MessageId, QueueError, QueueId};

/// What changes in a message on its way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// Headers that it gets, in place of those of the same name.
    pub set_headers: Vec<(String, HeaderValue)>,
    /// Headers that it loses.
    pub remove_headers: Vec<String>,
    /// The priority that it gets.
    pub priority: Option<u8>,
}

impl Edits {
    fn headers(&self, have: &HeaderTable) -> Result<HeaderTable, QueueError> {
        if self.set_headers.is_empty() && self.remove_headers.is_empty() {
            return Ok(have.clone());
        }
        let mut own = HeaderTableBuilder::new();
        for (name, value) in &self.set_headers {
            own.push(name, value)?;
        }
        let set = self.set_headers.iter().map(|(name, _)| name.as_str());
        let names: Vec<&str> = set.chain(self.remove_headers.iter().map(String::as_str)).collect();
        Ok(header_edit::replace(have, &names, own.build().as_bytes()))
    }
}

/// Bytes of a block that are left for what the caller writes beside a message that moves.
const BESIDE: usize = 4096;

/// Why a message stays where it is.
#[derive(Debug)]
pub(crate) enum Stays {
    /// There is nowhere to send it, or not now.
    Nowhere,
    /// No block of the journal could take it for all that it would reach.
    TooLarge,
    Refused(QueueError),
}

impl QueueEngine {
    /// Moves one message to where `to` leads, whoever holds it: it leaves this queue and arrives there in one step, ready
    /// at once, with its time to live starting anew.
    pub fn move_message(
        &mut self,
        block: &mut Block,
        from: &TopicName,
        id: MessageId,
        to: Destination<'_>,
        edits: &Edits,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.begin(block);
        let queue = self.queue(from)?;
        let (queue_id, name) = (queue.id, queue.name.clone());
        let slot = queue.slots.get(id.0);
        let state = slot.map(|slot| slot.state);
        match state {
            None => return Err(QueueError::UnknownMessage { queue: name, id }),
            Some(State::Dying | State::Damaged) => {
                let what = "is on its way to the dead-letter exchange or cannot be read any more";
                return Err(QueueError::InUse(format!("message {id} {what}")));
            }
            Some(_) => {}
        }
        self.core.write_runs(block);
        let moved = self.transfer(block, queue_id, id.0, Some(to), edits, now);
        self.touched.push(queue_id);
        self.wind_up(block, now);
        moved.map_err(|stays| match stays {
            Stays::Refused(error) => error,
            Stays::TooLarge => QueueError::TooLarge(format!(
                "message {id} stays: what it would reach takes more of the journal than one block has"
            )),
            Stays::Nowhere => QueueError::InUse(format!(
                "message {id} stays: no queue or log takes it there, or one that would is full"
            )),
        })
    }

    /// Moves a message to where `to` leads, or to where it died.
    pub(crate) fn transfer(
        &mut self,
        block: &mut Block,
        id: QueueId,
        sequence: u64,
        to: Option<Destination<'_>>,
        edits: &Edits,
        now: Timestamp,
    ) -> Result<(), Stays> {
        let core = &mut self.core;
        let queue = self.queues.get_mut(&id).ok_or(Stays::Nowhere)?;
        let ranked = queue.slots.get(sequence).map(|slot| slot.priority);
        let (kind, prefix) = (queue.options.kind, queue.prefix().to_owned());
        let loaded = load(queue, sequence, &mut core.ledger, &core.config, core.reader.as_deref());
        let message = loaded
            .map_err(|why| Stays::Refused(QueueError::Damaged { queue: id, id: MessageId(sequence), why }))?;
        let headers = edits.headers(&message.headers).map_err(Stays::Refused)?;
        // What somebody changed it to in this queue goes with it.
        let ranked = ranked.filter(|ranked| *ranked != kind.priority(message.priority));
        let priority = edits.priority.or(ranked).or(message.priority);
        let message = Message { headers, priority, ..(*message).clone() };
        let mut route = Route::default();
        let parcel = |origin| Parcel {
            message: Arc::new(Message { origin, ..message.clone() }),
            delay_ms: 0,
            copies: Vec::new(),
        };
        let parcel = match to {
            Some(to) => {
                let (entrance, origin) = self.enter(to).map_err(Stays::Refused)?;
                let parcel = parcel(origin);
                self.spread(&entrance, &parcel, &mut route);
                parcel
            }
            None => parcel(self.way_back(&prefix, &message, &mut route).ok_or(Stays::Nowhere)?),
        };
        let body_len = message.body.len();
        let refuses = |id: &QueueId| self.queues.get(id).is_none_or(|queue| queue.refuses(body_len));
        if route.queues.iter().any(refuses) || route.is_empty() {
            return Err(Stays::Nowhere);
        }
        self.check_logs(&route).map_err(Stays::Refused)?;
        let origin = parcel.message.origin.routing_key.len() + 8;
        let logs = self.logs_room(&route, &parcel.message);
        let needed = room(&parcel, &route) + origin + logs + self.core.pending_bytes();
        if needed + BESIDE > block.largest() {
            return Err(Stays::TooLarge);
        }
        if !block.fits(needed) {
            self.core.wanted = needed + BESIDE;
            return Err(Stays::Refused(QueueError::BlockFull));
        }
        let shown = self.deliver(block, &route, parcel, Some((id, sequence)), now);
        self.outbox.log_appends.extend(log_targets(block, &route, &shown));
        Ok(())
    }

    /// The queue in which a dead letter died last, or what the exchange leads to that it was published to.
    fn way_back(&mut self, prefix: &str, message: &Message, route: &mut Route) -> Option<Arc<Origin>> {
        let (name, exchange, key) = source(&message.headers)?;
        match self.queue_in(prefix, &name) {
            Some(target) => route.queues.push(target),
            None => self.route_from(prefix, &exchange, &key, message, route),
        }
        let exchange = ExchangeName::new(&exchange).ok();
        Some(Arc::new(Origin { exchange, routing_key: key.into() }))
    }
}
