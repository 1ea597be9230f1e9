//! Having the processor fetch what is about to be needed, several queues side by side: met one by one, each that its caches
//! have forgotten would be waited for by itself.
use std::hint::black_box;
use std::sync::Arc;

use crate::engine::QueueEngine;
use crate::names::Names;
use crate::queue::Queue;
use crate::{Destination, LeaseToken, QueueId, Settle};

impl QueueEngine {
    /// How many queues [`foresee`](QueueEngine::foresee) looks at.
    pub const FORESEEN: usize = Names::RECENT;

    /// Says which queues messages are going to be published to next, in this order: of more than
    /// [`FORESEEN`](QueueEngine::FORESEEN) only the first count. Changes nothing but how fast that is.
    pub fn foresee<'a>(&self, destinations: impl IntoIterator<Item = Destination<'a>>) {
        let mut ids = [QueueId(0); Names::RECENT];
        let mut news = 0;
        for destination in destinations.into_iter().take(Names::RECENT) {
            let found = match destination {
                Destination::Queue(name) => self.names.find(name.as_str()),
                Destination::Exchange { name, routing_key } => match self.hosts.default_exchange(name) {
                    Some(prefix) => self.find_in(prefix.as_deref().unwrap_or_default(), routing_key),
                    None => None,
                },
            };
            if let Some(found) = found.filter(|found| found.is_news) {
                ids[news] = found.id;
                news += 1;
            }
        }
        self.names.rewind(news);
        let queues = || ids[..news].iter().filter_map(|id| self.queues.get(id));
        queues().for_each(|queue| queue.bring_near());
        for queue in queues() {
            if let Some((_, consumer)) = queue.rotation.front() {
                black_box(self.consumers.get(consumer).map(|consumer| (consumer.messages, consumer.paused)));
            }
        }
    }

    /// Has the processor fetch what several leases are about to be settled in.
    pub(crate) fn bring_near(&self, settles: &[Settle]) {
        let mut last = None;
        for LeaseToken { queue, .. } in settles.iter().map(|settle| settle.lease) {
            if last.replace(queue) != Some(queue) {
                self.queues.get(&queue).into_iter().for_each(|queue| queue.bring_near());
            }
        }
        last = None;
        for LeaseToken { queue, sequence, .. } in settles.iter().map(|settle| settle.lease) {
            if last.replace(queue) != Some(queue)
                && let Some(slot) = self.queues.get(&queue).and_then(|queue| queue.slots.get(sequence))
            {
                let consumer = self.consumers.get(&slot.holder.consumer());
                black_box((
                    slot.message.as_ref().map(Arc::strong_count),
                    consumer.map(|consumer| (consumer.in_flight, consumer.options.prefetch)),
                ));
            }
        }
    }
}

impl Queue {
    /// Has the processor fetch what a message is about to touch, all of it at once.
    pub(crate) fn bring_near(&self) {
        black_box((
            (self.counts.loaded, self.slots.is_empty(), self.ready.first(), self.rotation.front()),
            (self.leases.first(), self.delays.first(), self.totals.acked, self.key_order.is_some()),
            (self.options.message_ttl_ms, self.options.lease_ms, self.options.keep_in.is_some()),
            Arc::strong_count(&self.origin),
        ));
    }
}
