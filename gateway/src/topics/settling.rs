//! Leases settled, from any connection and any door.

use std::sync::Arc;
use std::time::Duration;

use message::TopicName;
use queue_engine::{Edits, LeaseToken, MessageId, QueueError, Redrive, Search, Settle, Settled};

use super::Topics;
use super::job_spec::RedriveSpec;
use super::lease::Lease;
use super::message_edit::{TRANSFER_OVERHEAD, Way};
use super::outgoing::Acks;
use super::queue_topic::{LOOK, QueueTopic, SETTLE_WEIGHT};
use super::shard::{Room, Terms, Turn};
use super::vitals::Vitals;
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
        let settle = move |turn: &mut Turn<'_>| -> Vec<Result<SettledLease, Box<Refusal>>> {
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

    /// How many messages of a queue are ready, and the id that its next message gets.
    pub(crate) async fn ready(&self, queue: &QueueTopic) -> Result<(u64, u64), Refusal> {
        let name = queue.name.clone();
        let look = move |turn: &mut Turn<'_>| {
            let info = turn.engines.queue.queue_info(&name)?;
            Ok((info.ready, info.next_id.0))
        };
        self.shard().call(LOOK, look).await?
    }

    /// Moves chosen messages from after `after` on, looking at up to `max`; answers how many moved, and whether more are
    /// to be looked at.
    pub(crate) async fn redrive_step(
        &self,
        queue: &QueueTopic,
        selection: Arc<Selection>,
        max: usize,
        after: &mut Option<u64>,
    ) -> Result<(u64, bool), Refusal> {
        let name = queue.name.clone();
        let from = after.map(MessageId);
        let largest = self.limits().message_bytes;
        let step = move |turn: &mut Turn<'_>| {
            let redrive = selection.redrive();
            let engine = &mut turn.engines.queue;
            let mut step = engine.redrive(turn.journal.block(), &name, from, max, &redrive, turn.now);
            if let Err(QueueError::BlockFull) = step {
                // A message that needs a block of its own.
                turn.journal.ensure(largest + TRANSFER_OVERHEAD)?;
                step = engine.redrive(turn.journal.block(), &name, from, 1, &redrive, turn.now);
            }
            let step = step?;
            Ok::<_, Refusal>((step.moved, step.next.map(|next| next.0)))
        };
        let terms = Terms { acks: Acks::All, weight: 1 << 20, room: Room::Ordinary };
        let (moved, next): (u64, Option<u64>) = self.shard().call(terms, step).await??;
        *after = next;
        Ok((moved, next.is_some()))
    }
}

/// Which messages a redrive moves, in the engine's words.
pub(crate) struct Selection {
    ids: Vec<MessageId>,
    died_in: Option<TopicName>,
    search: Search,
    way: Option<Way>,
    edits: Edits,
    /// The last message that is looked at.
    pub upto: Option<u64>,
}

impl Selection {
    pub(crate) fn new(spec: &RedriveSpec) -> Result<Selection, Refusal> {
        let mut ids: Vec<MessageId> = spec.ids.iter().copied().map(MessageId).collect();
        ids.sort_unstable();
        Ok(Selection {
            ids,
            died_in: spec.died_in.as_deref().map(TopicName::new).transpose()?,
            search: spec.filter.clone().into(),
            way: spec.destination.as_ref().map(Way::new).transpose()?,
            edits: spec.edits.clone().into(),
            upto: None,
        })
    }

    fn redrive(&self) -> Redrive<'_> {
        Redrive {
            ids: &self.ids,
            died_in: self.died_in.as_ref(),
            search: Some(&self.search),
            // Without messages there is no last one, and nothing to move.
            upto: Some(MessageId(self.upto.unwrap_or(0))),
            to: self.way.as_ref().map(Way::destination),
            edits: Some(&self.edits),
        }
    }
}

pub(crate) fn engine_form(request: SettleRequest) -> Settle {
    let action = match request.action {
        SettleAction::Ack => queue_engine::SettleAction::Ack,
        SettleAction::Nack { delay_ms: Some(ms) } => {
            queue_engine::SettleAction::Nack { delay: Duration::from_millis(ms) }
        }
        SettleAction::Nack { delay_ms: None } => queue_engine::SettleAction::Retry,
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
