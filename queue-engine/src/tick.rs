use ::message::Timestamp;
use segment_store::Block;

use crate::QueueId;
use crate::engine::{Failure, QueueEngine};
use crate::failure::{Failures, Outcome};
use crate::outbox::Ended;
use crate::queue::after;
use crate::slots::{NEVER, State};

impl QueueEngine {
    /// Does what time asks for: ends leases, cancels consumers that kept a message too long, shows delayed messages, expires messages and queues, and goes on moving
    /// dead letters that the last block had no room for. Bounded; [`next_deadline`] says when to come again.
    ///
    /// [`next_deadline`]: QueueEngine::next_deadline
    pub fn tick(&mut self, block: &mut Block, now: Timestamp) {
        self.begin(block);
        self.core.wanted = 0;
        self.retry_undelivered(now);
        let mut events = self.core.config.tick_events;
        let mut failures = Failures::default();
        let mut rung = Vec::new();
        let mut timed_out = Vec::new();
        while rung.len() < events {
            let Some(id) = self.take_alarm(now) else { break };
            rung.push(id);
        }
        // An order that does not depend on which alarm was set first.
        rung.sort_unstable();
        for id in rung {
            self.touched.push(id);
            if self.is_abandoned(id, now) {
                if let Some(name) = self.queues.get(&id).map(|queue| queue.name.clone())
                    && self.drop_queue(block, id)
                {
                    self.outbox.deleted_queues.push((id, name));
                }
                continue;
            }
            if self.queues.get(&id).is_some_and(|queue| queue.store_of.is_some()) {
                events -= self.release(block, id, now, events);
                continue;
            }
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            if let Some(window) = queue.options.dedup {
                queue.seen.forget_old(window, now);
            }
            while events > 0 {
                if queue.tells_failures() && !failures.have_room(block) {
                    break;
                }
                let Some(sequence) = queue.take_due(now) else { break };
                events -= 1;
                match queue.slots.get(sequence).map(|slot| (slot.state, slot.holder)) {
                    Some((State::Leased, holder)) => {
                        queue.totals.leases_expired += 1;
                        let failure = match holder.is_timed() {
                            true => Failure::Forgiven,
                            false => Failure::Counts,
                        };
                        if queue.tells_failures() && failure == Failure::Counts {
                            let outcome = Outcome::LeaseExpired;
                            self.core.fail(queue, sequence, outcome, None, now, &mut failures);
                        } else {
                            self.core.give_back(queue, sequence, failure, now);
                        }
                        if holder.is_timed() {
                            timed_out.push(holder.consumer());
                        }
                    }
                    Some((State::Delayed, _)) => {
                        queue.change(sequence, State::Ready, NEVER, &mut self.core.ledger);
                        queue.index(sequence);
                    }
                    _ => {}
                }
            }
            for consumer in timed_out.drain(..) {
                if let Some(left) = self.remove_consumer(consumer) {
                    self.queues.get_mut(&left).into_iter().for_each(|queue| queue.used_at = now);
                    self.outbox.ended.push((consumer, Ended::TimedOut));
                }
            }
        }
        self.core.write_failures(block, failures);
        self.wind_up(block, now);
    }

    fn is_abandoned(&self, id: QueueId, now: Timestamp) -> bool {
        self.queues.get(&id).is_some_and(|queue| {
            let expires_ms = queue.options.expires_ms.filter(|_| queue.consumers.is_empty());
            expires_ms.is_some_and(|expires_ms| after(queue.used_at, expires_ms) <= now)
        })
    }
}
