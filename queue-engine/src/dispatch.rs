use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::consumer::{Consumer, LeaseFor};
use crate::dead_letter::Reason;
use crate::engine::{Core, QueueEngine};
use crate::holder::Holder;
use crate::identity::IdMap;
use crate::message::Delivery;
use crate::paging::load;
use crate::prefetch::Pools;
use crate::queue::{Queue, after};
use crate::slots::{NEVER, State};
use crate::{ConsumerId, LeaseToken, MessageId, QueueError, QueueOptions, QueueType};

/// Who may get a queue's messages, and what they got.
pub(crate) struct Audience<'a> {
    pub(crate) consumers: &'a mut IdMap<ConsumerId, Consumer>,
    pub(crate) pools: &'a mut Pools,
    /// `once` subscriptions that got something.
    pub(crate) fed: &'a mut Vec<ConsumerId>,
    pub(crate) deliveries: &'a mut Vec<(ConsumerId, Delivery)>,
}

impl Core {
    /// Takes the next message out for a consumer; on the way, those whose time is over and those that came back too
    /// often leave.
    fn hand_over(
        &mut self,
        queue: &mut Queue,
        consumer: ConsumerId,
        lease: LeaseFor,
        patience: Option<u64>,
        now: Timestamp,
    ) -> Option<Delivery> {
        loop {
            let (level, sequence) = queue.head()?;
            let slot = queue.slots.get(sequence)?;
            let died = if slot.expires_at < now {
                Some(Reason::Expired)
            } else if slot.attempts > 0 && queue.is_over_limit(sequence) {
                // Its last consumer fell together with the process.
                Some(Reason::DeliveryLimit)
            } else {
                None
            };
            if let Some(reason) = died {
                queue.take_head();
                self.kill(queue, sequence, reason);
                continue;
            }
            let message = match load(queue, sequence, &mut self.ledger, &self.config, self.reader.as_deref())
            {
                Ok(message) => message,
                Err(_) => {
                    queue.take_head();
                    queue.totals.damaged += 1;
                    queue.change(sequence, State::Damaged, NEVER, &mut self.ledger);
                    continue;
                }
            };
            queue.take_head();
            let history = queue.history(sequence).to_vec();
            let due = match patience {
                Some(patience) => Some(after(now, patience)),
                None => lease.due(queue, now),
            };
            let state = if due.is_some() { State::Leased } else { State::Ready };
            let slot = queue.change(sequence, state, due.unwrap_or(NEVER), &mut self.ledger)?;
            let failures = slot.strikes();
            slot.attempts = slot.attempts.saturating_add(1);
            let (attempts, enqueued_at, lsn) = (slot.attempts, slot.enqueued_at, slot.lsn);
            let mut token = None;
            if let Some(due) = due {
                slot.nonce = self.nonce;
                slot.holder = Holder::new(consumer, patience.is_some());
                token = Some(LeaseToken { queue: queue.id, sequence, nonce: self.nonce });
                self.nonce = self.nonce.wrapping_add(1);
                queue.watch_lease(due, sequence);
                self.delivered.push(queue.id, sequence);
                // A long queue keeps what comes next in memory rather than what is out.
                if queue.counts.loaded * 2 > self.config.queue_memory_bytes && !self.is_unwritten(lsn) {
                    queue.forget(sequence, &mut self.ledger);
                }
            } else {
                queue.totals.acked += 1;
                queue.remove(sequence, &mut self.ledger);
                self.removed.push(queue.id, sequence);
            }
            queue.totals.count_delivery(consumer, token.is_some(), attempts > 1);
            return Some(Delivery {
                queue: queue.id,
                lease: token,
                id: MessageId(sequence),
                attempt: u32::from(attempts),
                failures,
                redelivered: attempts > 1,
                priority: level,
                stored_at: lsn,
                enqueued_at,
                lease_expires_at: due.filter(|due| *due != NEVER),
                history,
                message,
            });
        }
    }

    /// Hands a queue's messages to its consumers in turn while they have credit.
    pub(crate) fn dispatch(&mut self, queue: &mut Queue, audience: Audience<'_>, now: Timestamp) {
        let Audience { consumers, pools, fed, deliveries } = audience;
        while let Some((_, consumer_id)) = queue.rotation.front().copied() {
            let Some(consumer) = consumers.get_mut(&consumer_id) else {
                queue.rotation.pop_front();
                continue;
            };
            // What it shares with others may have been used up by them.
            if !consumer.is_hungry(pools) {
                queue.rotation.pop_front();
                consumer.in_rotation = false;
                continue;
            }
            let (lease, patience) = (consumer.options.lease, consumer.patience(queue, &self.config));
            loop {
                let Some(delivery) = self.hand_over(queue, consumer_id, lease, patience, now) else {
                    return;
                };
                consumer.pay(&delivery, pools);
                deliveries.push((consumer_id, delivery));
                if consumer.options.once && !std::mem::replace(&mut consumer.fed, true) {
                    queue.used_at = now;
                    fed.push(consumer_id);
                }
                let hungry = consumer.is_hungry(pools);
                // Alone, it keeps its turn.
                if !hungry || queue.rotation.len() > 1 {
                    queue.rotation.pop_front();
                    consumer.in_rotation = false;
                    queue.enter_rotation(consumer_id, consumer, pools);
                    break;
                }
            }
        }
    }
}

impl QueueEngine {
    /// Takes up to `max` messages at once, or as many as are ready. The leases belong to whoever has the tokens. A quorum
    /// queue with a single active consumer does not give them, a classic one does, as in RabbitMQ.
    pub fn receive(
        &mut self,
        block: &mut Block,
        queue: &TopicName,
        max: usize,
        lease: LeaseFor,
        now: Timestamp,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.begin(block);
        let id = self.find_queue(queue)?;
        let refuses =
            |options: &QueueOptions| options.single_active_consumer && options.kind == QueueType::Quorum;
        if self.queues.get(&id).is_some_and(|queue| refuses(&queue.options)) {
            return Err(QueueError::SingleActive(queue.clone()));
        }
        let mut taken = Vec::new();
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.used_at = now;
            while taken.len() < max {
                match self.core.hand_over(queue, ConsumerId::NOBODY, lease, None, now) {
                    Some(delivery) => taken.push(delivery),
                    None => break,
                }
            }
        }
        self.touched.push(id);
        self.wind_up(block, now);
        Ok(taken)
    }

    /// Takes up to `max` messages at once for a subscription, beside its credit: as many as are ready. It holds them as it
    /// does those that are pushed to it.
    pub fn receive_for(
        &mut self,
        block: &mut Block,
        consumer: ConsumerId,
        max: usize,
        now: Timestamp,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.begin(block);
        let taker = self.consumers.get_mut(&consumer).ok_or(QueueError::UnknownConsumer)?;
        let id = taker.queue;
        let mut taken = Vec::new();
        if let Some(queue) = self.queues.get_mut(&id).filter(|queue| queue.serves(consumer, taker)) {
            queue.used_at = now;
            let (lease, patience) = (taker.options.lease, taker.patience(queue, &self.core.config));
            while taken.len() < max {
                let Some(delivery) = self.core.hand_over(queue, consumer, lease, patience, now) else {
                    break;
                };
                taker.hold(&delivery, &mut self.pools);
                taken.push(delivery);
            }
        }
        self.touched.push(id);
        self.wind_up(block, now);
        Ok(taken)
    }
}
