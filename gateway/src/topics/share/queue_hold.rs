use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use log_engine::batch::BatchBuilder;
use log_engine::{AcknowledgeType, Acknowledgement, AcquiredRecords, Offset};
use message::{ErrorCode, GroupName, Timestamp};

use super::ShareRecords;
use crate::refusal::Refusal;
use crate::topics::Topics;
use crate::topics::authorization::Act;
use crate::topics::delivery::QueueDelivery;
use crate::topics::lease::Lease;
use crate::topics::outgoing::{Acks, Outgoing};
use crate::topics::queue_topic::{Hold, QueueSubscription, QueueTopic, SubscribeOptions};
use crate::topics::record_batches;
use crate::topics::settling::{SettleAction, SettleRequest};
use crate::topics::view::Standing;

/// What one member of a share group holds of a queue: leases like any others, under the ids of the messages, which its
/// client takes for offsets. Dropping it returns everything to the queue.
///
/// It outlives the login of whoever began it, so each use of it asks anew whether its user may.
pub struct QueueHold {
    group: GroupName,
    subscription: QueueSubscription,
    lock: Duration,
    /// By message, with the time at which they end by themselves.
    leases: BTreeMap<u64, (Lease, i64)>,
}

impl QueueHold {
    /// Begins to hold messages of a queue for a member of a group, for `lock` each. `holder` is for whoever looks at
    /// them.
    pub async fn open(
        topics: &Topics,
        queue: &QueueTopic,
        group: &GroupName,
        holder: &str,
        lock: Duration,
    ) -> Result<QueueHold, Refusal> {
        topics.allow(Act::UseGroup, group.as_str())?;
        let options = SubscribeOptions {
            credit_messages: 0,
            credit_bytes: 0,
            hold: Hold::For(lock),
            priority: 0,
            exclusive: false,
        };
        let subscription = queue.subscribe_as(options, holder).await?;
        Ok(QueueHold { group: group.clone(), subscription, lock, leases: BTreeMap::new() })
    }

    /// Whether whoever got this handle of the queue may take messages of it for the group, and settle them.
    pub fn allow(&self, topics: &Topics, queue: &QueueTopic) -> Result<(), Refusal> {
        topics.allow(Act::UseGroup, self.group.as_str())?;
        queue.allow(Act::Consume)
    }

    /// How long each message is held.
    #[must_use]
    pub fn lock(&self) -> Duration {
        self.lock
    }

    /// Takes what is ready, up to `most` messages.
    pub async fn take(&mut self, topics: &Topics, most: u64) -> Result<ShareRecords, Refusal> {
        let mut taken = self.subscription.pushed();
        let more = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(taken.len());
        if more > 0 {
            taken.extend(self.subscription.take_ready(more).await?);
        }
        Ok(self.keep(taken, topics.now()))
    }

    /// Waits for messages, up to `most`. Whoever stops waiting calls [`QueueHold::calm`].
    pub async fn arrived(&mut self, topics: &Topics, most: u64) -> Result<ShareRecords, Refusal> {
        self.subscription.allow(u32::try_from(most).unwrap_or(u32::MAX)).await?;
        match self.subscription.next().await {
            Some(taken) => Ok(self.keep(taken, topics.now())),
            None => Err(self.subscription.end()),
        }
    }

    /// Ends a wait: nothing more is pushed. Answers what came meanwhile.
    pub async fn calm(&mut self, topics: &Topics) -> Result<ShareRecords, Refusal> {
        self.subscription.allow(0).await?;
        let taken = self.subscription.pushed();
        Ok(self.keep(taken, topics.now()))
    }

    fn keep(&mut self, mut taken: Vec<QueueDelivery>, now: Timestamp) -> ShareRecords {
        // Clients want offsets in order; priorities and redeliveries mix ids.
        taken.sort_by_key(QueueDelivery::id);
        let mut records = ShareRecords::default();
        for run in taken.chunk_by(|a, b| a.id() + 1 == b.id()) {
            records.batches.extend(batch(run));
        }
        self.leases.retain(|_, (_, ends_at)| *ends_at > now.0);
        for delivery in taken {
            let Standing::Leased { lease, expires_at } = delivery.standing else { continue };
            let deliveries = u16::try_from(delivery.attempt).unwrap_or(u16::MAX);
            let at = offset(delivery.id);
            match records.acquired.last_mut() {
                Some(last) if last.last.next() == at && last.deliveries == deliveries => last.last = at,
                _ => records.acquired.push(AcquiredRecords { first: at, last: at, deliveries }),
            }
            self.leases.insert(delivery.id, (lease, expires_at));
        }
        records
    }

    /// Takes a member's word on messages that it holds: on all of them, or, if it does not hold one of them, on none.
    pub async fn acknowledge(
        &mut self,
        topics: &Topics,
        queue: &QueueTopic,
        acknowledgements: &[Acknowledgement],
    ) -> Result<(), Refusal> {
        self.allow(topics, queue)?;
        let mut requests = Vec::new();
        let mut settled = Vec::new();
        for (first, last, kind) in acknowledgements.iter().flat_map(Acknowledgement::runs) {
            let action = self.action(kind);
            let (first, last) = (u64::try_from(first.0).unwrap_or(0), u64::try_from(last.0).unwrap_or(0));
            let mut expected = first;
            for (id, (lease, _)) in self.leases.range(first..=last) {
                if *id != expected {
                    break;
                }
                requests.push(SettleRequest { lease: *lease, action });
                settled.push((*id, kind));
                expected = id + 1;
            }
            if expected <= last {
                let detail = format!("message {expected} is not in the member's hands (any more)");
                return Err(Refusal::new(ErrorCode::StaleLease, detail));
            }
        }
        let outcomes = topics.settle(requests, Acks::All).await?;
        let mut told = Ok(());
        for ((id, kind), outcome) in settled.into_iter().zip(outcomes) {
            match outcome.map(|settled| settled.lease_expires_at) {
                Ok(Some(ends_at)) if kind == AcknowledgeType::Renew => {
                    self.leases.entry(id).and_modify(|lease| lease.1 = ends_at);
                }
                Ok(_) => _ = self.leases.remove(&id),
                Err(refusal) => {
                    self.leases.remove(&id);
                    told = Err(*refusal);
                }
            }
        }
        told
    }

    fn action(&self, kind: AcknowledgeType) -> SettleAction {
        match kind {
            AcknowledgeType::Accept => SettleAction::Ack,
            AcknowledgeType::Release => SettleAction::Fail,
            AcknowledgeType::Gap | AcknowledgeType::Reject => SettleAction::Reject,
            AcknowledgeType::Renew => {
                SettleAction::Extend { lease_ms: u64::try_from(self.lock.as_millis()).unwrap_or(u64::MAX) }
            }
        }
    }
}

fn offset(id: u64) -> Offset {
    Offset(i64::try_from(id).unwrap_or(i64::MAX))
}

/// Messages of ids without gaps as one batch.
fn batch(run: &[QueueDelivery]) -> Option<Bytes> {
    let first = run.first()?;
    let mut builder = BatchBuilder::new(Timestamp(first.enqueued_at));
    for delivery in run {
        let mut message = Outgoing::from(delivery.message.as_ref());
        message.options.timestamp = Some(delivery.enqueued_at);
        record_batches::push_record(&mut builder, &message);
    }
    Some(builder.build().into_bytes_at(offset(first.id())))
}
