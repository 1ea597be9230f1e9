//! Leases settled, from any connection and any door.

use std::time::Duration;

use queue_engine::{LeaseToken, QueueEngine, Settle, Settled};

use super::Topics;
use super::authorization::Act;
use super::lease::Lease;
use super::outgoing::Acks;
use super::queue_topic::SETTLE_WEIGHT;
use super::shard::{Room, Terms, Turn};
use super::vitals::Vitals;
use crate::auth::Pass;
use crate::refusal::Refusal;

/// What to do with one leased message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettleRequest {
    /// Which.
    pub lease: Lease,
    /// What.
    pub action: SettleAction,
}

/// What can be done with a leased message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleAction {
    /// Done: it is deleted.
    Ack,
    /// Not done: it returns to its place, after a delay.
    Nack {
        /// How long it stays out of sight; absent: as the queue's retry setting says.
        delay_ms: Option<u64>,
    },
    /// Dealing with it failed: it returns to its place at once, or as the queue's retry setting says, and counts towards
    /// the delivery limit in every queue.
    Fail,
    /// Never to be done: it is dead-lettered, or dropped where there is nowhere to send it.
    Reject,
    /// Not done yet: the lease goes on from now.
    Extend {
        /// For this long.
        lease_ms: u64,
    },
}

/// What settling one lease did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledLease {
    /// When the lease ends, if it was extended; milliseconds since the epoch.
    pub lease_expires_at: Option<i64>,
}

impl Topics {
    /// Settles leases, each by itself: one answer per request, in order.
    pub async fn settle(
        &self,
        requests: Vec<SettleRequest>,
        acks: Acks,
    ) -> Result<Vec<Result<SettledLease, Box<Refusal>>>, Refusal> {
        let weight = 256 + requests.len() * SETTLE_WEIGHT;
        let settles: Vec<Settle> = requests.into_iter().map(engine_form).collect();
        let topics = self.clone();
        let settle = move |turn: &mut Turn<'_>| -> Vec<Result<SettledLease, Box<Refusal>>> {
            if let Some(refused) = topics.settles_refused(&turn.engines.queue, &settles) {
                return refused;
            }
            let outcomes = turn.engines.queue.settle(turn.journal.block(), &settles, turn.now);
            let acked = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Settled::Acked))).count();
            Vitals::count(&turn.engines.vitals.acknowledged, acked);
            outcomes
                .into_iter()
                .map(|outcome| outcome.map(told).map_err(|error| Box::new(error.into())))
                .collect()
        };
        self.shard().call(Terms { acks, weight, room: Room::Reserved }, settle).await
    }

    /// Answers for leases of which some belong to queues that the client may not consume; `None` if there are no such.
    /// None of them is settled then: whoever holds what is not theirs is better told at once.
    fn settles_refused(
        &self,
        engine: &QueueEngine,
        settles: &[Settle],
    ) -> Option<Vec<Result<SettledLease, Box<Refusal>>>> {
        if let Pass::Open = self.pass() {
            return None;
        }
        let allowed = |settle: &Settle| match engine.lease_queue(settle.lease) {
            Some((queue, _)) => self.allow(Act::Consume, queue.as_str()),
            None => Ok(()),
        };
        let refusal = settles.iter().find_map(|settle| allowed(settle).err())?;
        Some(settles.iter().map(|_| Err(Box::new(refusal.clone()))).collect())
    }
}

pub(crate) fn engine_form(request: SettleRequest) -> Settle {
    let action = match request.action {
        SettleAction::Ack => queue_engine::SettleAction::Ack,
        SettleAction::Nack { delay_ms: Some(ms) } => {
            queue_engine::SettleAction::Nack { delay: Duration::from_millis(ms) }
        }
        SettleAction::Nack { delay_ms: None } => queue_engine::SettleAction::Retry,
        SettleAction::Fail => queue_engine::SettleAction::Fail,
        SettleAction::Reject => queue_engine::SettleAction::Reject,
        SettleAction::Extend { lease_ms } => {
            queue_engine::SettleAction::Extend { lease_for: Some(Duration::from_millis(lease_ms)) }
        }
    };
    Settle { lease: LeaseToken::from(request.lease), action }
}

fn told(settled: Settled) -> SettledLease {
    match settled {
        Settled::Extended { lease_expires_at } => SettledLease { lease_expires_at: Some(lease_expires_at.0) },
        Settled::Acked | Settled::Returned | Settled::Rejected => SettledLease { lease_expires_at: None },
    }
}
