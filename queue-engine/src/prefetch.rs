//! How many unsettled messages consumers may hold: each by itself, and several together.
use ::message::Timestamp;
use segment_store::Block;

use crate::consumer::Consumer;
use crate::engine::QueueEngine;
use crate::identity::IdMap;
use crate::{ConsumerId, PoolId, QueueError};

/// A limit that several subscriptions share, as AMQP's `basic.qos` with `global` sets it for a channel.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// `None`: any number.
    limit: Option<u64>,
    in_flight: u64,
    members: Vec<ConsumerId>,
}

impl Pool {
    fn has_room(&self) -> bool {
        self.limit.is_none_or(|limit| self.in_flight < limit)
    }
}

/// All shared limits, and what their former members still hold.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    open: IdMap<PoolId, Pool>,
    opened: u64,
    /// Cancelled subscriptions whose messages are not settled yet.
    retired: IdMap<ConsumerId, (PoolId, u64)>,
}

impl Pools {
    /// Whether a member may get one more message.
    pub(crate) fn has_room(&self, pool: Option<PoolId>) -> bool {
        pool.and_then(|pool| self.open.get(&pool)).is_none_or(Pool::has_room)
    }

    /// Counts a message that a member got.
    pub(crate) fn take(&mut self, pool: Option<PoolId>) {
        if let Some(pool) = pool.and_then(|pool| self.open.get_mut(&pool)) {
            pool.in_flight += 1;
        }
    }

    /// Takes a member in with what it holds.
    fn join(&mut self, pool: PoolId, id: ConsumerId, in_flight: u64) {
        if let Some(pool) = self.open.get_mut(&pool) {
            pool.members.push(id);
            pool.in_flight += in_flight;
        }
    }

    /// Lets a member go; what it holds counts until it is settled.
    pub(crate) fn leave(&mut self, id: ConsumerId, consumer: &Consumer) {
        let Some(pool) = consumer.options.pool else { return };
        if let Some(open) = self.open.get_mut(&pool) {
            open.members.retain(|have| *have != id);
            if consumer.in_flight > 0 {
                self.retired.insert(id, (pool, consumer.in_flight));
            }
        }
    }

    /// Counts messages that were settled. Answers members that may go on because of that.
    fn give(&mut self, pool: PoolId, messages: u64) -> Vec<ConsumerId> {
        let Some(pool) = self.open.get_mut(&pool) else { return Vec::new() };
        let was_full = !pool.has_room();
        pool.in_flight = pool.in_flight.saturating_sub(messages);
        if was_full && pool.has_room() { pool.members.clone() } else { Vec::new() }
    }

    /// The same for what a former member held.
    fn give_retired(&mut self, id: ConsumerId, messages: u64) -> Vec<ConsumerId> {
        let Some((pool, left)) = self.retired.get_mut(&id) else { return Vec::new() };
        let pool = *pool;
        *left = left.saturating_sub(messages);
        if *left == 0 {
            self.retired.remove(&id);
        }
        self.give(pool, messages)
    }
}

impl QueueEngine {
    /// Opens a limit on how many unsettled messages its members may hold together; `None` is any number.
    pub fn open_pool(&mut self, limit: Option<u64>) -> PoolId {
        self.pools.opened += 1;
        let id = PoolId(self.pools.opened);
        self.pools.open.insert(id, Pool { limit, ..Pool::default() });
        id
    }

    /// Changes a shared limit. What its members hold beyond it they keep.
    pub fn set_pool_limit(
        &mut self,
        block: &mut Block,
        pool: PoolId,
        limit: Option<u64>,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.begin(block);
        let open = self.pools.open.get_mut(&pool).ok_or(QueueError::UnknownPool)?;
        open.limit = limit;
        let members = open.members.clone();
        self.wake(&members);
        self.wind_up(block, now);
        Ok(())
    }

    /// Puts a subscription that is under no shared limit yet under one, with what it holds already.
    pub fn join_pool(&mut self, consumer: ConsumerId, pool: PoolId) -> Result<(), QueueError> {
        if !self.pools.open.contains_key(&pool) {
            return Err(QueueError::UnknownPool);
        }
        let member = self.consumers.get_mut(&consumer).ok_or(QueueError::UnknownConsumer)?;
        if member.options.pool.is_none() {
            member.options.pool = Some(pool);
            self.pools.join(pool, consumer, member.in_flight);
        }
        Ok(())
    }

    /// Ends a shared limit; its members go on without.
    pub fn close_pool(&mut self, pool: PoolId) {
        let Some(closed) = self.pools.open.remove(&pool) else { return };
        self.pools.retired.retain(|_, (of, _)| *of != pool);
        for id in &closed.members {
            self.consumers.get_mut(id).into_iter().for_each(|member| member.options.pool = None);
        }
        self.wake(&closed.members);
    }

    /// Changes how many unsettled messages a subscription may hold; `None` is any number. What it holds beyond that
    /// it keeps.
    pub fn set_prefetch(
        &mut self,
        block: &mut Block,
        consumer: ConsumerId,
        prefetch: Option<u64>,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.alter(block, consumer, now, |consumer| consumer.options.prefetch = prefetch)
    }

    /// A new subscription comes under the limit that it asked for.
    pub(crate) fn enter_pool(&mut self, id: ConsumerId, pool: Option<PoolId>) -> Result<(), QueueError> {
        let Some(pool) = pool else { return Ok(()) };
        if !self.pools.open.contains_key(&pool) {
            return Err(QueueError::UnknownPool);
        }
        self.pools.join(pool, id, 0);
        Ok(())
    }

    /// Tells consumers of their leases that ended: what was full may go on.
    pub(crate) fn regain(&mut self) {
        if self.core.ledger.released.is_empty() {
            return;
        }
        let mut released = std::mem::take(&mut self.core.ledger.released);
        for run in released.chunk_by(|a, b| a == b) {
            let (Some(id), ended) = (run.first().copied(), run.len() as u64) else { continue };
            let members = match self.consumers.get_mut(&id) {
                None => self.pools.give_retired(id, ended),
                Some(consumer) => {
                    consumer.in_flight = consumer.in_flight.saturating_sub(ended);
                    let (queue, pool) = (consumer.queue, consumer.options.pool);
                    let (limited, idle) = (consumer.options.prefetch.is_some(), consumer.in_flight == 0);
                    if limited {
                        self.wake(&[id]);
                    }
                    if idle {
                        self.elect(queue);
                    }
                    pool.map_or_else(Vec::new, |pool| self.pools.give(pool, ended))
                }
            };
            self.wake(&members);
        }
        released.clear();
        self.core.ledger.released = released;
    }

    /// Lets consumers that can take messages again wait for their turn.
    fn wake(&mut self, consumers: &[ConsumerId]) {
        for id in consumers {
            let Some(consumer) = self.consumers.get_mut(id) else { continue };
            let Some(queue) = self.queues.get_mut(&consumer.queue) else { continue };
            if queue.enter_rotation(*id, consumer, &self.pools) {
                self.touched.push(queue.id);
            }
        }
    }
}
