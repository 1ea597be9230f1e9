use std::time::Duration;

use ::message::Timestamp;
use segment_store::Block;

use crate::dead_letter::Reason;
use crate::engine::{Failure, QueueEngine};
use crate::failure::{Failures, Outcome};
use crate::message::millis;
use crate::queue::after;
use crate::record::Record;
use crate::runs::{Run, Runs};
use crate::slots::State;
use crate::{LeaseToken, MessageId, SettleError};

/// What becomes of one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The lease, as it was delivered.
    pub lease: LeaseToken,
    /// What to do.
    pub action: SettleAction,
}

/// What can become of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleAction {
    /// The message is done with and goes.
    Ack,
    /// The message is to be delivered again: from its old place, after `delay`. Not a failure in a quorum queue. On a
    /// queue with a retry policy a delay makes it a failed attempt, which is tried again after that delay.
    Nack {
        /// How long it stays out of sight.
        delay: Duration,
    },
    /// Dealing with the message failed; it is to be delivered again, from its old place. AMQP's `basic.reject` with
    /// `requeue`, or a consumer that fell. On a queue with a retry policy the same as `Retry`.
    Fail,
    /// The message failed: it is delivered again after the wait that the queue's retry policy sets, or leaves when it
    /// failed too often. On a queue without such a policy the same as `Nack` without a delay.
    Retry,
    /// The message cannot be dealt with: to the dead-letter exchange, or away.
    Reject,
    /// The lease ends later.
    Extend {
        /// How long from now; `None` for the queue's `lease_ms`.
        lease_for: Option<Duration>,
    },
}

/// What became of one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The message is gone.
    Acked,
    /// The message waits again, or went to the dead-letter exchange because it came back too often.
    Returned,
    /// The message left its queue.
    Rejected,
    /// The lease goes on until then.
    Extended {
        /// When it ends by itself.
        lease_expires_at: Timestamp,
    },
}

/// Leases whose queues are fetched into the processor's caches together.
const FETCHED_AT_ONCE: usize = 16;

impl QueueEngine {
    /// Settles leases, each on its own: the answers are in the order of the requests.
    ///
    /// Of two settles of one lease, the second finds it stale.
    pub fn settle(
        &mut self,
        block: &mut Block,
        settles: &[Settle],
        now: Timestamp,
    ) -> Vec<Result<Settled, SettleError>> {
        self.begin(block);
        let mut acked = Runs::default();
        let mut delayed: Vec<(Timestamp, Runs)> = Vec::new();
        let mut failures = Failures::default();
        // Two runs and two records each at worst; those without room are answered so, untouched.
        let each = Failures::BOUND.max(2 * (Run::BOUND + 16));
        let room = settles.len().min(block.remaining() / each);
        let (now_settled, later) = settles.split_at(room);
        let mut results = Vec::with_capacity(settles.len());
        for stretch in now_settled.chunks(FETCHED_AT_ONCE) {
            self.bring_near(stretch);
            for settle in stretch {
                results.push(self.settle_one(*settle, now, &mut acked, &mut delayed, &mut failures));
            }
        }
        results.extend(later.iter().map(|_| Err(SettleError::BlockFull)));
        if !acked.is_empty() {
            self.core.write(block, &Record::Removed(acked));
        }
        for (until, runs) in delayed {
            self.core.write(block, &Record::Delayed { until, runs });
        }
        self.core.write_failures(block, failures);
        self.wind_up(block, now);
        // A rejected message that nothing took is gone for good with this block.
        self.core.write_runs(block);
        results
    }

    pub(crate) fn settle_one(
        &mut self,
        settle: Settle,
        now: Timestamp,
        acked: &mut Runs,
        delayed: &mut Vec<(Timestamp, Runs)>,
        failures: &mut Failures,
    ) -> Result<Settled, SettleError> {
        let LeaseToken { queue: id, sequence, nonce } = settle.lease;
        let queue = self.queues.get_mut(&id).ok_or(SettleError::StaleLease)?;
        let slot = queue.slots.get(sequence).ok_or(SettleError::StaleLease)?;
        if slot.state != State::Leased || slot.nonce != nonce {
            return Err(SettleError::StaleLease);
        }
        let core = &mut self.core;
        match settle.action {
            SettleAction::Ack => {
                queue.totals.acked += 1;
                queue.remove(sequence, &mut core.ledger);
                acked.push(id, sequence);
                // The next of its key may go now.
                if queue.key_order.is_some() {
                    self.touch(id);
                }
                Ok(Settled::Acked)
            }
            SettleAction::Nack { delay } if queue.tells_failures() && !delay.is_zero() => {
                core.fail(queue, sequence, Outcome::Returned, Some(millis(delay).max(1)), now, failures);
                self.touch(id);
                Ok(Settled::Returned)
            }
            SettleAction::Retry | SettleAction::Fail if queue.tells_failures() => {
                core.fail(queue, sequence, Outcome::Returned, None, now, failures);
                self.touch(id);
                Ok(Settled::Returned)
            }
            SettleAction::Fail => {
                core.give_back(queue, sequence, Failure::Counts, now);
                self.touch(id);
                Ok(Settled::Returned)
            }
            SettleAction::Retry => {
                core.give_back(queue, sequence, Failure::Forgiven, now);
                self.touch(id);
                Ok(Settled::Returned)
            }
            SettleAction::Nack { delay } if delay.is_zero() => {
                core.give_back(queue, sequence, Failure::Forgiven, now);
                self.touch(id);
                Ok(Settled::Returned)
            }
            SettleAction::Nack { delay } => {
                core.forgive(queue, sequence);
                if queue.is_over_limit(sequence) {
                    core.give_back(queue, sequence, Failure::Counts, now);
                    self.touch(id);
                    return Ok(Settled::Returned);
                }
                let until = after(now, millis(delay).max(1));
                queue.change(sequence, State::Delayed, until, &mut core.ledger);
                queue.watch_delay(until, sequence);
                if delayed.last().is_none_or(|(at, _)| *at != until) {
                    delayed.push((until, Runs::default()));
                }
                delayed.last_mut().into_iter().for_each(|(_, runs)| runs.push(id, sequence));
                self.touch(id);
                Ok(Settled::Returned)
            }
            SettleAction::Reject if queue.tells_failures() => {
                core.fail(queue, sequence, Outcome::Rejected, None, now, failures);
                self.touch(id);
                Ok(Settled::Rejected)
            }
            SettleAction::Reject => {
                core.kill(queue, sequence, Reason::Rejected);
                if queue.key_order.is_some() {
                    self.touch(id);
                }
                Ok(Settled::Rejected)
            }
            SettleAction::Extend { lease_for } => {
                let lease_expires_at = after(now, lease_for.map_or(queue.options.lease_ms, millis));
                queue.change(sequence, State::Leased, lease_expires_at, &mut core.ledger);
                queue.watch_lease(lease_expires_at, sequence);
                self.touch(id);
                Ok(Settled::Extended { lease_expires_at })
            }
        }
    }

    fn touch(&mut self, id: crate::QueueId) {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// The queue and message that a token names, if its lease is open: for authorization before settling.
    #[must_use]
    pub fn lease_queue(&self, lease: LeaseToken) -> Option<(&message::TopicName, MessageId)> {
        let queue = self.queues.get(&lease.queue)?;
        let slot = queue.slots.get(lease.sequence)?;
        let open = slot.state == State::Leased && slot.nonce == lease.nonce;
        open.then_some((&queue.name, MessageId(lease.sequence)))
    }
}
