use ::message::{Timestamp, TopicName};

use crate::dead_letter::Reason;
use crate::{ConsumerId, MessageId, OwnerId, QueueId, QueueOptions};

/// What happened to a queue since the process started. Counters for metrics; they start at 0 after a restart.
///
/// In the order written here, those that every message counts in first: see the queue's own fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QueueTotals {
    /// Messages that came in.
    pub published: u64,
    /// Deliveries, each attempt counted.
    pub delivered: u64,
    /// Those of them that a subscription was given without a lease.
    pub pushed_for_good: u64,
    /// Those of them that somebody took without a subscription, with a lease.
    pub taken: u64,
    /// Those of them that somebody took without a subscription and without a lease.
    pub taken_for_good: u64,
    /// Deliveries that were not a message's first.
    pub redelivered: u64,
    /// Messages that a consumer settled for good, or that were taken without a lease.
    pub acked: u64,
    /// Messages refused because the queue was full.
    pub refused: u64,
    /// Messages not taken because one with the same id was taken before, within the window.
    pub duplicates: u64,
    /// Leases that ended by themselves.
    pub leases_expired: u64,
    /// Messages that left for the dead-letter exchange because a consumer rejected them.
    pub dead_rejected: u64,
    /// The same, because their time was over.
    pub dead_expired: u64,
    /// The same, because the queue was too long.
    pub dead_maxlen: u64,
    /// The same, because they came back too often.
    pub dead_delivery_limit: u64,
    /// Messages that would have left like this, but no dead-letter exchange took them: they are gone.
    pub dropped: u64,
    /// Messages that the journal could not give back.
    pub damaged: u64,
}

impl QueueTotals {
    pub(crate) fn count_delivery(&mut self, consumer: ConsumerId, leased: bool, again: bool) {
        self.delivered += 1;
        self.redelivered += u64::from(again);
        match (consumer == ConsumerId::NOBODY, leased) {
            (true, true) => self.taken += 1,
            (true, false) => self.taken_for_good += 1,
            (false, false) => self.pushed_for_good += 1,
            (false, true) => {}
        }
    }

    pub(crate) fn count_dead(&mut self, reason: Reason) {
        *match reason {
            Reason::Rejected => &mut self.dead_rejected,
            Reason::Expired => &mut self.dead_expired,
            Reason::MaxLen => &mut self.dead_maxlen,
            Reason::DeliveryLimit => &mut self.dead_delivery_limit,
        } += 1;
    }
}

/// What is known of a queue from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueInfo {
    /// Its id.
    pub id: QueueId,
    /// Its name.
    pub name: TopicName,
    /// How it was declared to behave.
    pub options: QueueOptions,
    /// How it behaves, with what policies say.
    pub in_force: QueueOptions,
    /// The user's policy in force.
    pub policy: Option<String>,
    /// The operator's policy in force.
    pub operator_policy: Option<String>,
    /// The id that the next message gets.
    pub next_id: MessageId,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages that a consumer holds.
    pub leased: u64,
    /// Messages that are out of sight until their time.
    pub delayed: u64,
    /// Messages on their way to the dead-letter exchange.
    pub dying: u64,
    /// Messages that the journal could not give back.
    pub damaged: u64,
    /// Bytes of ready bodies, which `max_length_bytes` limits.
    pub ready_bytes: u64,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Bytes of messages held in memory.
    pub loaded_bytes: u64,
    /// Subscriptions.
    pub consumers: u64,
    /// The only subscription that is served, with `single_active_consumer`.
    pub active: Option<ConsumerId>,
    /// Whoever the queue belongs to, if it is exclusive.
    pub owner: Option<OwnerId>,
    /// When the oldest message at the head reached the queue.
    pub head_enqueued_at: Option<Timestamp>,
    /// Counters.
    pub totals: QueueTotals,
}
