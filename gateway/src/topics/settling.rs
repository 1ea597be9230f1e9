//! Leases settled, from any connection and any door.

use std::time::Duration;

use queue_engine::{Destination, LeaseFor, LeaseToken, MessageId, NewMessage, Selection, Settle, Settled};

use super::Topics;
use super::lease::Lease;
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
    /// Not done: it returns to its place, or after a delay.
    Nack {
        /// How long it stays out of sight.
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

    /// How many messages of a queue are ready.
    pub(crate) async fn ready(&self, queue: &QueueTopic) -> Result<u64, Refusal> {
        let name = queue.name.clone();
        let look = move |turn: &mut Turn<'_>| Ok(turn.engines.queue.queue_info(&name)?.ready);
        self.shard().call(LOOK, look).await?
    }

    /// Moves up to `max` dead letters from after `after` on; answers how many moved, and whether more are to be looked at.
    pub(crate) async fn redrive_step(
        &self,
        queue: &QueueTopic,
        destination: Option<&str>,
        max: usize,
        after: &mut Option<u64>,
    ) -> Result<(u64, bool), Refusal> {
        let name = queue.name.clone();
        let destination = destination.map(message::TopicName::new).transpose()?;
        let from = after.map(MessageId);
        let step = move |turn: &mut Turn<'_>| match destination {
            None => {
                let (block, engine) = (turn.journal.block(), &mut turn.engines.queue);
                let step = engine.redrive(block, &name, from, max, Selection::All, turn.now)?;
                Ok((step.moved, step.next.map(|next| next.0)))
            }
            Some(destination) => move_messages(turn, &name, &destination, max),
        };
        let terms = Terms { acks: Acks::All, weight: 1 << 20, room: Room::Ordinary };
        let (moved, next): (u64, Option<u64>) = self.shard().call(terms, step).await??;
        *after = next;
        Ok((moved, next.is_some()))
    }
}

/// Takes, publishes and acks in one block: each message is in one queue or in the other.
fn move_messages(
    turn: &mut Turn<'_>,
    from: &message::TopicName,
    to: &message::TopicName,
    max: usize,
) -> Result<(u64, Option<u64>), Refusal> {
    let engine = &mut turn.engines.queue;
    let lease = LeaseFor::Duration(Duration::from_secs(60));
    let taken = engine.receive(turn.journal.block(), from, max, lease, turn.now)?;
    let mut moved = 0;
    for delivery in &taken {
        let message = &delivery.message;
        let copy = NewMessage {
            key: message.key.clone(),
            headers: message.headers.clone(),
            properties: message.properties.clone(),
            body: message.body.clone(),
            priority: message.priority,
            delay: None,
            ttl: None,
        };
        let Some(lease) = delivery.lease else { continue };
        let published = engine.publish(turn.journal.block(), Destination::Queue(to), copy, turn.now);
        let action = match published {
            Ok(_) => queue_engine::SettleAction::Ack,
            Err(_) => queue_engine::SettleAction::Nack { delay: Duration::ZERO },
        };
        engine.settle(turn.journal.block(), &[Settle { lease, action }], turn.now);
        published?;
        moved += 1;
    }
    Ok((moved, (moved > 0).then_some(0)))
}

pub(crate) fn engine_form(request: SettleRequest) -> Settle {
    let action = match request.action {
        SettleAction::Ack => queue_engine::SettleAction::Ack,
        SettleAction::Nack { delay_ms } => {
            queue_engine::SettleAction::Nack { delay: Duration::from_millis(delay_ms.unwrap_or(0)) }
        }
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
