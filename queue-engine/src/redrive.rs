use std::sync::Arc;

use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::death::source;
use crate::engine::QueueEngine;
use crate::enqueue::{Parcel, bound};
use crate::message::{Message, Origin};
use crate::paging::load;
use crate::publish::log_targets;
use crate::routing::Route;
use crate::slots::State;
use crate::virtual_host::qualify;
use crate::{MessageId, QueueError, QueueId};

/// Which dead letters to send back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection<'a> {
    /// All that are ready.
    All,
    /// These, where they are ready.
    Ids(&'a [MessageId]),
    /// Those that died in this queue last.
    From(&'a TopicName),
}

/// What one step of a redrive did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedriveStep {
    /// Messages that went back.
    pub moved: u64,
    /// Messages that were looked at and stay: not selected, without a source that still exists, or refused there.
    pub skipped: u64,
    /// Ready messages in the queue now.
    pub remaining: u64,
    /// Where the next step goes on; `None` when all were looked at.
    pub next: Option<MessageId>,
}

impl QueueEngine {
    /// Sends up to `max` dead letters back to where they came from: into the queue that `x-death` names last, or
    /// through the exchange that they were published to when that queue is gone. Each moves in one record.
    ///
    /// Start without `after`, then go on with each step's `next`.
    pub fn redrive(
        &mut self,
        block: &mut Block,
        from: &TopicName,
        after: Option<MessageId>,
        max: usize,
        selection: Selection<'_>,
        now: Timestamp,
    ) -> Result<RedriveStep, QueueError> {
        self.begin(block);
        let id = self.find_queue(from)?;
        let mut step = RedriveStep::default();
        let start = after.map_or(0, |after| after.0.saturating_add(1));
        let queue = self.queue(from)?;
        // Messages that move into this very queue get later ids and are not looked at again.
        let ready = queue.slots.iter_from(start).filter(|(_, slot)| slot.state == State::Ready);
        let mut candidates: Vec<u64> = ready.map(|(sequence, _)| sequence).take(max + 1).collect();
        let has_more = candidates.len() > max;
        candidates.truncate(max);
        if has_more {
            step.next = candidates.last().map(|sequence| MessageId(*sequence));
        }
        let mut last = after;
        for sequence in candidates {
            let chosen = match selection {
                Selection::Ids(ids) => ids.contains(&MessageId(sequence)),
                Selection::All | Selection::From(_) => true,
            };
            let done = if chosen { self.send_back(block, id, sequence, selection, now) } else { Ok(false) };
            match done {
                Ok(true) => step.moved += 1,
                Ok(false) => step.skipped += 1,
                Err(QueueError::BlockFull) if step.moved > 0 => {
                    step.next = last;
                    break;
                }
                Err(error) => return Err(error),
            }
            last = Some(MessageId(sequence));
        }
        self.touched.push(id);
        self.wind_up(block, now);
        step.remaining = self.queue(from).map_or(0, |queue| queue.counts.ready);
        Ok(step)
    }

    fn send_back(
        &mut self,
        block: &mut Block,
        id: QueueId,
        sequence: u64,
        selection: Selection<'_>,
        now: Timestamp,
    ) -> Result<bool, QueueError> {
        let core = &mut self.core;
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(false) };
        let loaded = load(queue, sequence, &mut core.ledger, &core.config, core.reader.as_deref());
        let Ok(message) = loaded else { return Ok(false) };
        let Some((name, exchange, key)) = source(&message.headers) else { return Ok(false) };
        let prefix = queue.prefix().to_owned();
        if matches!(selection, Selection::From(want) if want.as_str() != qualify(&prefix, &name)) {
            return Ok(false);
        }
        let mut route = Route::default();
        match self.queue_in(&prefix, &name) {
            Some(target) => route.queues.push(target),
            None => self.route_from(&prefix, &exchange, &key, &message, &mut route),
        }
        let body_len = message.body.len();
        let refuses = |id: &QueueId| self.queues.get(id).is_none_or(|queue| queue.refuses(body_len));
        if route.queues.iter().any(refuses) || (route.queues.is_empty() && route.logs.is_empty()) {
            return Ok(false);
        }
        let exchange = message::ExchangeName::new(&exchange).ok();
        let origin = Arc::new(Origin { exchange, routing_key: key.into() });
        let parcel = Parcel {
            message: Arc::new(Message { origin, ..(*message).clone() }),
            delay_ms: 0,
            copies: Vec::new(),
        };
        let origin = parcel.message.origin.routing_key.len() + 8;
        if !block.fits(bound(std::iter::once(&parcel), route.queues.len()) + origin) {
            return Err(QueueError::BlockFull);
        }
        self.outbox.log_appends.extend(log_targets(&route, &parcel.message));
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.remove(sequence, &mut self.core.ledger);
        }
        self.core.store(block, &mut self.queues, &route.queues, &[parcel], Some((id, sequence)), now);
        self.touched.extend_from_slice(&route.queues);
        Ok(true)
    }
}
