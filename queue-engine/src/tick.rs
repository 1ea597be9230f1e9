use ::message::Timestamp;
use segment_store::Block;

use crate::QueueId;
use crate::engine::QueueEngine;
use crate::queue::after;
use crate::slots::{NEVER, State};

impl QueueEngine {
    /// Does what time asks for: ends leases, shows delayed messages, expires messages and queues, and goes on moving
    /// dead letters that the last block had no room for. Bounded; [`next_deadline`] says when to come again.
    ///
    /// [`next_deadline`]: QueueEngine::next_deadline
    pub fn tick(&mut self, block: &mut Block, now: Timestamp) {
        self.begin(block);
        let mut events = self.core.config.tick_events;
        let mut rung = Vec::new();
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
                    self.outbox.expired_queues.push((id, name));
                }
                continue;
            }
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            while events > 0 {
                let Some(sequence) = queue.take_due(now) else { break };
                events -= 1;
                match queue.slots.get(sequence).map(|slot| slot.state) {
                    Some(State::Leased) => {
                        queue.totals.leases_expired += 1;
                        self.core.give_back(queue, sequence);
                    }
                    Some(State::Delayed) => {
                        queue.change(sequence, State::Ready, NEVER);
                        queue.index(sequence);
                    }
                    _ => {}
                }
            }
        }
        self.wind_up(block, now);
    }

    fn is_abandoned(&self, id: QueueId, now: Timestamp) -> bool {
        self.queues.get(&id).is_some_and(|queue| {
            let expires_ms = queue.options.expires_ms.filter(|_| queue.consumers.is_empty());
            expires_ms.is_some_and(|expires_ms| after(queue.used_at, expires_ms) <= now)
        })
    }
}
