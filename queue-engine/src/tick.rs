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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::message::TopicName;
    use segment_store::Lsn;

    use super::*;
    use crate::timers::LOOKED_AT;
    use crate::{
        Destination, EngineConfig, LeaseFor, MessageId, NewMessage, QueueOptions, Settle, SettleAction,
    };

    const PENDING: u64 = 1_000_000;
    const FIRST_DUE: i64 = 3_600_000;

    /// How many timers are looked at for `work`.
    fn looked_at(work: impl FnOnce()) -> u64 {
        let before = LOOKED_AT.get();
        work();
        LOOKED_AT.get() - before
    }

    /// A million messages of which one is due each millisecond from an hour on, in no order, beside whatever else goes on.
    #[test]
    fn a_million_pending_messages_cost_nothing_until_they_are_due() {
        let mut engine = QueueEngine::new(EngineConfig::default());
        let queue = TopicName::new("later").unwrap();
        let (mut block, mut now) = (Block::for_test(Lsn(0)), Timestamp(0));
        engine.declare_queue(&mut block, &queue, QueueOptions::default(), now).unwrap();
        let coming = looked_at(|| {
            for batch in 0..PENDING / 1000 {
                let message = |nth: u64| {
                    // Every number below a million once, as this prime does not divide it.
                    let at = ((batch * 1000 + nth) * 611_953) % PENDING;
                    let delay = Duration::from_millis(FIRST_DUE as u64 + at);
                    NewMessage { delay: Some(delay), ..NewMessage::default() }
                };
                let messages = (0..1000).map(message).collect();
                let mut block = Block::for_test(Lsn(1 + (batch << 20)));
                engine.publish_batch(&mut block, Destination::Queue(&queue), messages, now).unwrap();
                engine.take_outbox(&mut block);
            }
        });
        assert!(coming <= 2 * PENDING, "{coming} timers for a million messages");
        assert_eq!(engine.queue_info(&queue).unwrap().delayed, PENDING);
        assert_eq!(engine.next_deadline(), Some(Timestamp(FIRST_DUE)), "there is nothing to do before");

        let mut block = Block::for_test(Lsn(1 << 40));
        let others = looked_at(|| {
            for nth in 0..1000 {
                now.0 += 1;
                let to = Destination::Queue(&queue);
                engine.publish(&mut block, to, NewMessage::default(), now).unwrap();
                let taken = engine.receive(&mut block, &queue, 1, LeaseFor::QueueDefault, now).unwrap();
                let settle = Settle { lease: taken[0].lease.unwrap(), action: SettleAction::Ack };
                engine.settle(&mut block, &[settle], now)[0].unwrap();
                engine.delete_message(&mut block, &queue, MessageId(nth * 999)).unwrap();
                engine.tick(&mut block, now);
            }
        });
        assert!(others <= 10_000, "{others} timers for a thousand messages that were not delayed");

        // What is due is shown when it is due, and that is all that is looked at.
        let left = engine.queue_info(&queue).unwrap().delayed;
        let mut ticks = 0;
        let due = looked_at(|| {
            while let Some(due) = engine.next_deadline().filter(|due| due.0 < FIRST_DUE + 1000) {
                now = due;
                engine.tick(&mut block, now);
                ticks += 1;
            }
        });
        let shown = left - engine.queue_info(&queue).unwrap().delayed;
        assert!((900..=1000).contains(&shown), "{shown}");
        assert!(ticks <= 2 * 1000 && due <= 20_000, "{ticks} ticks, {due} timers for {shown} messages");
    }
}
