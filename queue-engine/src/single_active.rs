//! `single_active_consumer`: one subscription gets everything, the others wait to take its place.
use crate::consumer::Consumer;
use crate::engine::QueueEngine;
use crate::{ConsumerId, QueueId, QueueType};

impl QueueEngine {
    /// Chooses who is served, after somebody came, left, or finished what it had.
    ///
    /// The first of the highest priority is active until it leaves. In a quorum queue a higher one takes its place as
    /// soon as the active one has settled what it holds; until then nobody gets anything (RabbitMQ 4.0).
    pub(crate) fn elect(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if !queue.options.single_active_consumer {
            return;
        }
        let lasting = |id: &ConsumerId| {
            let consumer = self.consumers.get(id).filter(|consumer| !consumer.options.once)?;
            Some((*id, consumer.options.priority))
        };
        // Of equals the one that came first.
        let best = queue.consumers.iter().filter_map(lasting).rev().max_by_key(|(_, priority)| *priority);
        let active = self.consumers.get(&queue.active);
        let gives_way = |active: &Consumer| {
            queue.options.kind == QueueType::Quorum
                && best.is_some_and(|(_, priority)| priority > active.options.priority)
        };
        let next = match (active, best) {
            (Some(active), _) if !gives_way(active) => queue.active,
            (Some(active), _) if active.in_flight > 0 => queue.active,
            (_, best) => best.map_or(ConsumerId::NOBODY, |(id, _)| id),
        };
        let yielding = next == queue.active && active.is_some_and(gives_way);
        if (next, yielding) == (queue.active, queue.yielding) {
            return;
        }
        let former = std::mem::replace(&mut queue.active, next);
        queue.yielding = yielding;
        for id in [former, next] {
            if let Some(consumer) = self.consumers.get_mut(&id) {
                queue.leave_rotation(id, consumer);
                queue.enter_rotation(id, consumer, &self.pools);
            }
        }
        self.touched.push(id);
    }

    /// Starts or ends the choice, after the queue's options changed.
    pub(crate) fn reform_consumers(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.active = ConsumerId::NOBODY;
        queue.yielding = false;
        for id in queue.consumers.clone() {
            if let Some(consumer) = self.consumers.get_mut(&id) {
                queue.leave_rotation(id, consumer);
                queue.enter_rotation(id, consumer, &self.pools);
            }
        }
        self.elect(id);
    }
}
