//! Publishes and settles that happen together or not at all (AMQP's `tx`).
use std::collections::{HashMap, HashSet};

use ::message::{ErrorCode, Timestamp};
use segment_store::Block;

use crate::dead_letter::Reason;
use crate::engine::QueueEngine;
use crate::enqueue::{Parcel, room};
use crate::failure::Failures;
use crate::message::NewMessage;
use crate::publish::{Entrance, PER_RECORD, parcel};
use crate::record::Record;
use crate::routing::Route;
use crate::runs::{Run, Runs};
use crate::slots::State;
use crate::{Destination, Published, QueueError, QueueId, Settle, SettleAction, SettleError};

/// What is to be done together.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Messages, published first and in order.
    pub publishes: Vec<TransactionPublish>,
    /// Leases, settled then.
    pub settles: Vec<Settle>,
}

/// One message of a transaction.
#[derive(Clone, Debug)]
pub struct TransactionPublish {
    /// The exchange; empty is the default one.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The message.
    pub message: NewMessage,
}

/// A message, where it was published to, and where it goes from there.
type Routed = (Entrance, Parcel, Route);

/// Why nothing of a transaction was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// This message cannot be published. A queue counts as full if it would be without what its consumers take
    /// meanwhile.
    #[error("message {at} of the transaction: {error}; nothing of it was done")]
    Publish {
        /// Which, from 0.
        at: usize,
        /// Why.
        error: QueueError,
    },
    /// This lease cannot be settled.
    #[error("settlement {at} of the transaction: {error}; nothing of it was done")]
    Settle {
        /// Which, from 0.
        at: usize,
        /// Why.
        error: SettleError,
    },
    /// The journal's block has no room for all of it. Flush it and call again.
    #[error("the journal block has no room for the whole transaction")]
    BlockFull,
}

impl TransactionError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            TransactionError::Publish { error, .. } => error.code(),
            TransactionError::Settle { error, .. } => error.code(),
            TransactionError::BlockFull => ErrorCode::Overloaded,
        }
    }
}

/// Journal bytes for settling one lease, with the notice that a rejected message is dead.
const PER_SETTLE: usize = 2 * (Run::BOUND + 32) + Failures::BOUND;

impl QueueEngine {
    /// Room that a transaction needs in the block: make sure of it first, and [`commit`](QueueEngine::commit) does not
    /// answer [`TransactionError::BlockFull`]. What logs on the way need comes on top.
    pub fn transaction_bytes(&mut self, transaction: &Transaction) -> usize {
        let publishes = transaction.publishes.iter().map(|publish| {
            let to = Destination::Exchange { name: &publish.exchange, routing_key: &publish.routing_key };
            self.publish_bytes(to, std::slice::from_ref(&publish.message))
        });
        let publishes: usize = publishes.sum();
        publishes + transaction.settles.len() * PER_SETTLE + self.core.pending_bytes() + 256
    }

    /// Does all of a transaction, in one block, or nothing. Answers where each message went.
    pub fn commit(
        &mut self,
        block: &mut Block,
        transaction: Transaction,
        now: Timestamp,
    ) -> Result<Vec<Published>, TransactionError> {
        self.begin(block);
        self.check_settles(&transaction.settles)?;
        let routed = self.route_all(transaction.publishes, now)?;
        let one = |(_, parcel, route): &Routed| {
            room(parcel, route) + PER_RECORD + self.logs_room(route, &parcel.message)
        };
        let needed: usize = routed.iter().map(one).sum();
        if !block.fits(needed + transaction.settles.len() * PER_SETTLE + self.core.pending_bytes()) {
            return Err(TransactionError::BlockFull);
        }
        let mut published = Vec::with_capacity(routed.len());
        for (at, (entrance, parcel, route)) in routed.into_iter().enumerate() {
            let done = self.publish_routed(block, &route, parcel, now);
            self.count(&entrance, &done);
            published.push(done.map_err(|error| TransactionError::Publish { at, error })?);
        }
        self.settle_together(block, &transaction.settles, now);
        self.wind_up(block, now);
        self.core.write_runs(block);
        Ok(published)
    }

    /// Whether every lease is open, and named once.
    fn check_settles(&self, settles: &[Settle]) -> Result<(), TransactionError> {
        let mut seen = HashSet::with_capacity(settles.len());
        for (at, settle) in settles.iter().enumerate() {
            let lease = settle.lease;
            let slot = self.queues.get(&lease.queue).and_then(|queue| queue.slots.get(lease.sequence));
            let open = slot.is_some_and(|slot| slot.state == State::Leased && slot.nonce == lease.nonce);
            if !open || !seen.insert((lease.queue, lease.sequence)) {
                return Err(TransactionError::Settle { at, error: SettleError::StaleLease });
            }
        }
        Ok(())
    }

    /// Routes every message, and makes sure that no queue refuses one of them.
    fn route_all(
        &mut self,
        publishes: Vec<TransactionPublish>,
        now: Timestamp,
    ) -> Result<Vec<Routed>, TransactionError> {
        let mut routed = Vec::with_capacity(publishes.len());
        let mut coming: HashMap<QueueId, (u64, u64)> = HashMap::new();
        for (at, publish) in publishes.into_iter().enumerate() {
            let fails = |error| TransactionError::Publish { at, error };
            let to = Destination::Exchange { name: &publish.exchange, routing_key: &publish.routing_key };
            let (entrance, origin) = self.enter(to).map_err(fails)?;
            let parcel = parcel(publish.message, origin, now).map_err(fails)?;
            let mut route = Route::default();
            self.spread(&entrance, &parcel, &mut route);
            self.check_logs(&route).map_err(fails)?;
            let body_len = parcel.message.body.len() as u64;
            for id in &route.queues {
                let Some(queue) = self.queues.get(id).filter(|queue| queue.may_refuse()) else { continue };
                let (messages, bytes) = coming.entry(*id).or_default();
                if queue.would_refuse(*messages + 1, *bytes + body_len) {
                    return Err(fails(QueueError::QueueFull(queue.name.clone())));
                }
                // One that is delayed does not count until it is ready.
                if parcel.delay_ms == 0 {
                    (*messages, *bytes) = (*messages + 1, *bytes + body_len);
                }
            }
            routed.push((entrance, parcel, route));
        }
        Ok(routed)
    }

    /// Settles leases that were checked, and writes down what became of every one before anything else happens.
    fn settle_together(&mut self, block: &mut Block, settles: &[Settle], now: Timestamp) {
        let mut acked = Runs::default();
        let mut delayed: Vec<(Timestamp, Runs)> = Vec::new();
        let mut failures = Failures::default();
        let mut rejected = Runs::default();
        for settle in settles {
            let _ = self.settle_one(*settle, now, &mut acked, &mut delayed, &mut failures);
            let lease = settle.lease;
            let slot = self.queues.get(&lease.queue).and_then(|queue| queue.slots.get(lease.sequence));
            if settle.action == SettleAction::Reject && slot.is_some_and(|slot| slot.state == State::Dying) {
                rejected.push(lease.queue, lease.sequence);
            }
        }
        if !acked.is_empty() {
            self.core.write(block, &Record::Removed(acked));
        }
        for (until, runs) in delayed {
            self.core.write(block, &Record::Delayed { until, runs });
        }
        self.core.write_failures(block, failures);
        if !rejected.is_empty() {
            self.core.write(block, &Record::Doomed { reason: Reason::Rejected, runs: rejected });
        }
        self.core.write_runs(block);
    }
}
