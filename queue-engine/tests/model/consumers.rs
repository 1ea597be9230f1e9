//! The model's consumers: who is served, how much each may hold, and which of several is active.
use queue_engine::{QueueError, QueueType};

use crate::book::Book;
use crate::queue::{Entry, NEVER, State};

/// Why a consumer ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Fed,
    QueueDeleted,
    TimedOut,
}

/// How long a consumer keeps what it gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keep {
    /// It is gone once it is delivered.
    NotAtAll,
    For(i64),
    UntilSettled,
}

#[derive(Clone, Debug)]
pub struct BookConsumer {
    pub queue: u32,
    pub credit: u64,
    pub keep: Keep,
    pub once: bool,
    pub priority: i32,
    pub exclusive: bool,
    pub prefetch: Option<u64>,
    pub pool: Option<u64>,
    pub timeout: Option<i64>,
    pub paused: bool,
    pub fed: bool,
    pub in_flight: u64,
}

#[derive(Clone, Debug, Default)]
pub struct BookPool {
    pub limit: Option<u64>,
    pub in_flight: u64,
    pub members: Vec<u64>,
}

impl BookPool {
    fn has_room(&self) -> bool {
        self.limit.is_none_or(|limit| self.in_flight < limit)
    }
}

impl Book {
    /// Why a consumer may not come, if so.
    pub fn objection(&self, wish: &BookConsumer) -> Option<fn(&QueueError) -> bool> {
        let queue = &self.queues[&wish.queue];
        let single = queue.options.single_active_consumer;
        if wish.once {
            return single.then_some(|error| matches!(error, QueueError::SingleActive(_)));
        }
        let alone = queue.consumers.iter().any(|id| self.consumers[id].exclusive);
        let crowded = wish.exclusive && (single || self.subscribers(wish.queue) > 0);
        (alone || crowded).then_some(|error| matches!(error, QueueError::ExclusiveUse { .. }))
    }

    pub fn subscribers(&self, id: u32) -> usize {
        self.queues[&id].consumers.iter().filter(|id| !self.consumers[id].once).count()
    }

    pub fn is_deserted(&self, id: u32) -> bool {
        let queue = &self.queues[&id];
        queue.orphan || (queue.options.auto_delete && queue.had_subscriber && self.subscribers(id) == 0)
    }

    pub fn subscribe(&mut self, consumer: u64, wish: BookConsumer, now: i64) {
        let (id, pool, once) = (wish.queue, wish.pool, wish.once);
        self.consumers.insert(consumer, wish);
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(&pool)) {
            pool.members.push(consumer);
        }
        let queue = self.queues.get_mut(&id).unwrap();
        queue.consumers.push(consumer);
        queue.had_subscriber |= !once;
        queue.used = now;
        self.enter(consumer);
        self.elect(id);
        self.touched.push(id);
        self.wind_up(now);
    }

    pub fn is_hungry(&self, consumer: u64) -> bool {
        let wish = &self.consumers[&consumer];
        let full = wish.pool.and_then(|pool| self.pools.get(&pool)).is_some_and(|pool| !pool.has_room());
        let holds = wish.prefetch.is_some_and(|most| wish.in_flight >= most) || full;
        !wish.paused && wish.credit > 0 && (wish.keep == Keep::NotAtAll || !holds)
    }

    fn leave(&mut self, consumer: u64) {
        let queue = self.consumers[&consumer].queue;
        self.queues.get_mut(&queue).unwrap().rotation.retain(|have| *have != consumer);
    }

    /// Waits for a turn behind its equals, if it wants anything and is to be served.
    pub fn enter(&mut self, consumer: u64) -> bool {
        let wish = &self.consumers[&consumer];
        let queue = &self.queues[&wish.queue];
        let serves = !queue.options.single_active_consumer
            || wish.once
            || (queue.active == consumer && !queue.yielding);
        if queue.rotation.contains(&consumer) || !serves || !self.is_hungry(consumer) {
            return false;
        }
        let at = queue.rotation.iter().filter(|have| self.consumers[have].priority >= wish.priority).count();
        let id = wish.queue;
        self.queues.get_mut(&id).unwrap().rotation.insert(at, consumer);
        true
    }

    /// When what it gets now is over, and whether it is cancelled then.
    pub fn lease_end(&self, consumer: u64, now: i64) -> Option<(i64, bool)> {
        let wish = &self.consumers[&consumer];
        let options = &self.queues[&wish.queue].options;
        match wish.keep {
            Keep::NotAtAll => None,
            Keep::For(ms) => Some((now + ms, false)),
            Keep::UntilSettled => {
                let own = options.consumer_timeout_ms.map(|ms| ms as i64);
                let general = self.patience.filter(|_| options.kind == QueueType::Quorum);
                match wish.timeout.or(own).or(general) {
                    Some(ms) => Some((now + ms, true)),
                    None => Some((NEVER, false)),
                }
            }
        }
    }

    pub fn pay(&mut self, consumer: u64, leased: bool, now: i64) {
        let wish = self.consumers.get_mut(&consumer).unwrap();
        wish.credit -= 1;
        if leased {
            wish.in_flight += 1;
            if let Some(pool) = wish.pool.and_then(|pool| self.pools.get_mut(&pool)) {
                pool.in_flight += 1;
            }
        }
        if wish.once && !std::mem::replace(&mut wish.fed, true) {
            self.fed.push(consumer);
            let queue = wish.queue;
            self.queues.get_mut(&queue).unwrap().used = now;
        }
    }

    pub fn alter(&mut self, consumer: u64, change: impl FnOnce(&mut BookConsumer), now: i64) {
        let wish = self.consumers.get_mut(&consumer).unwrap();
        change(wish);
        let id = wish.queue;
        if self.is_hungry(consumer) {
            self.enter(consumer);
        } else {
            self.leave(consumer);
        }
        self.touched.push(id);
        self.wind_up(now);
    }

    /// Who is served in a queue that serves one at a time.
    pub fn elect(&mut self, id: u32) {
        let Some(queue) = self.queues.get(&id) else { return };
        if !queue.options.single_active_consumer {
            return;
        }
        let lasting = queue.consumers.iter().filter(|id| !self.consumers[id].once);
        let best = lasting.rev().max_by_key(|id| self.consumers[id].priority).copied().unwrap_or(0);
        let (mut next, mut yielding) = (best, false);
        if let Some(active) = self.consumers.get(&queue.active) {
            let beaten =
                queue.options.kind == QueueType::Quorum && self.consumers[&best].priority > active.priority;
            if !beaten || active.in_flight > 0 {
                (next, yielding) = (queue.active, beaten);
            }
        }
        if (next, yielding) == (queue.active, queue.yielding) {
            return;
        }
        let queue = self.queues.get_mut(&id).unwrap();
        let former = std::mem::replace(&mut queue.active, next);
        queue.yielding = yielding;
        for consumer in [former, next] {
            if self.consumers.contains_key(&consumer) {
                self.leave(consumer);
                self.enter(consumer);
            }
        }
        self.touched.push(id);
    }

    /// One at a time from now on, or all again.
    pub fn reform(&mut self, id: u32) {
        let queue = self.queues.get_mut(&id).unwrap();
        (queue.active, queue.yielding) = (0, false);
        for consumer in queue.consumers.clone() {
            self.leave(consumer);
            self.enter(consumer);
        }
        self.elect(id);
    }

    /// What it holds under a shared limit goes on counting.
    pub fn retire(&mut self, consumer: u64) {
        let wish = &self.consumers[&consumer];
        if let Some((number, pool)) =
            wish.pool.and_then(|number| Some((number, self.pools.get_mut(&number)?)))
        {
            pool.members.retain(|have| *have != consumer);
            if wish.in_flight > 0 {
                self.retired.insert(consumer, (number, wish.in_flight));
            }
        }
    }

    pub fn forget_consumer(&mut self, consumer: u64) -> u32 {
        self.retire(consumer);
        self.leave(consumer);
        let id = self.consumers.remove(&consumer).unwrap().queue;
        self.queues.get_mut(&id).unwrap().consumers.retain(|have| *have != consumer);
        self.elect(id);
        id
    }

    pub fn cancel(&mut self, consumer: u64, give_back: bool, now: i64) {
        let id = self.forget_consumer(consumer);
        self.queues.get_mut(&id).unwrap().used = now;
        if give_back {
            let held = |(sequence, entry): (&u64, &Entry)| match entry.state {
                State::Leased { consumer: holder, .. } if holder == consumer => Some(*sequence),
                _ => None,
            };
            let held: Vec<u64> = self.queues[&id].entries.iter().filter_map(held).collect();
            held.into_iter().for_each(|sequence| self.give_back(id, sequence, true, now));
        }
        self.touched.push(id);
        self.wind_up(now);
    }

    fn wake(&mut self, consumers: &[u64]) {
        for consumer in consumers {
            if self.enter(*consumer) {
                self.touched.push(self.consumers[consumer].queue);
            }
        }
    }

    /// Consumers learn that they hold less.
    pub fn regain(&mut self) {
        let released = std::mem::take(&mut self.released);
        for run in released.chunk_by(|a, b| a == b) {
            let (consumer, ended) = (run[0], run.len() as u64);
            let mut pool = None;
            if let Some(wish) = self.consumers.get_mut(&consumer) {
                wish.in_flight -= ended;
                pool = wish.pool;
                let (queue, limited, idle) = (wish.queue, wish.prefetch.is_some(), wish.in_flight == 0);
                if limited {
                    self.wake(&[consumer]);
                }
                if idle {
                    self.elect(queue);
                }
            } else if let Some((number, left)) = self.retired.get_mut(&consumer) {
                pool = Some(*number);
                *left -= ended;
                if *left == 0 {
                    self.retired.remove(&consumer);
                }
            }
            if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(&pool)) {
                pool.in_flight -= ended;
                let members = pool.members.clone();
                self.wake(&members);
            }
        }
    }

    pub fn set_pool_limit(&mut self, pool: u64, limit: Option<u64>, now: i64) {
        let pool = self.pools.get_mut(&pool).unwrap();
        pool.limit = limit;
        let members = pool.members.clone();
        self.wake(&members);
        self.wind_up(now);
    }

    pub fn join_pool(&mut self, consumer: u64, number: u64) {
        let wish = self.consumers.get_mut(&consumer).unwrap();
        if wish.pool.is_none() {
            wish.pool = Some(number);
            let pool = self.pools.get_mut(&number).unwrap();
            pool.members.push(consumer);
            pool.in_flight += wish.in_flight;
        }
    }

    pub fn close_pool(&mut self, number: u64) {
        let pool = self.pools.remove(&number).unwrap();
        self.retired.retain(|_, (of, _)| *of != number);
        pool.members.iter().for_each(|id| self.consumers.get_mut(id).unwrap().pool = None);
        self.wake(&pool.members);
    }

    pub fn end_owner(&mut self, owner: u64, now: i64) {
        let theirs: Vec<u32> =
            self.queues.iter().filter(|(_, queue)| queue.owner == Some(owner)).map(|(id, _)| *id).collect();
        for id in theirs {
            self.queues.get_mut(&id).unwrap().orphan = true;
            self.touched.push(id);
        }
        self.wind_up(now);
    }

    /// What the counters say must be what looking at every message says.
    pub fn check_counters(&self) {
        let held = |of: &dyn Fn(u64) -> bool| {
            let entries = self.queues.values().flat_map(|queue| queue.entries.values());
            let leased =
                |entry: &&Entry| matches!(entry.state, State::Leased { consumer, .. } if of(consumer));
            entries.filter(leased).count() as u64
        };
        for (id, consumer) in &self.consumers {
            assert_eq!(consumer.in_flight, held(&|holder| holder == *id));
        }
        for (number, pool) in &self.pools {
            let of = |holder: u64| {
                let alive = self.consumers.get(&holder).and_then(|consumer| consumer.pool);
                alive.or(self.retired.get(&holder).map(|(of, _)| *of)) == Some(*number)
            };
            assert_eq!(pool.in_flight, held(&of));
        }
    }
}
