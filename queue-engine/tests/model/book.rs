//! What a queue engine should do, written as plainly as possible: every message in a map, every choice by looking at
//! all of them.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use queue_engine::{Overflow, QueueOptions, Reason};

pub const NEVER: i64 = i64::MAX;

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Ready,
    Leased { due: i64, consumer: u64, serial: u64 },
    Delayed(i64),
    Dying,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    pub body: String,
    pub priority: u8,
    pub ttl: Option<i64>,
    pub exchange: String,
    pub key: String,
    /// Queue, reason, count; the latest first.
    pub deaths: Vec<(String, Reason, i64)>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub letter: Letter,
    pub state: State,
    pub attempts: u32,
    pub enqueued_at: i64,
    pub expires_at: i64,
}

#[derive(Clone, Debug)]
pub struct BookQueue {
    pub name: String,
    pub options: QueueOptions,
    pub entries: BTreeMap<u64, Entry>,
    pub next: u64,
    pub rotation: VecDeque<u64>,
    pub consumers: Vec<u64>,
}

#[derive(Clone, Debug)]
pub struct BookConsumer {
    pub queue: u32,
    pub credit: u64,
    pub lease: Option<i64>,
    pub once: bool,
    pub paused: bool,
    pub fed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    pub consumer: u64,
    pub queue: u32,
    pub sequence: u64,
    pub attempt: u32,
    pub body: String,
    /// Names the lease, if there is one.
    pub serial: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Book {
    pub queues: BTreeMap<u32, BookQueue>,
    pub next_queue: u32,
    /// Exchange, queue, key.
    pub bindings: BTreeSet<(String, u32, String)>,
    pub consumers: BTreeMap<u64, BookConsumer>,
    pub serial: u64,
    pub handed: Vec<Handed>,
    pub cancelled: Vec<u64>,
    touched: Vec<u32>,
    dying: VecDeque<(u32, u64, Reason)>,
    fed: Vec<u64>,
}

impl BookQueue {
    fn level(&self, entry: &Entry) -> u8 {
        entry.letter.priority.min(self.options.max_priority.unwrap_or(0))
    }

    fn head(&self) -> Option<u64> {
        let ready = self.entries.iter().filter(|(_, entry)| entry.state == State::Ready);
        ready.min_by_key(|(sequence, entry)| (Reverse(self.level(entry)), **sequence)).map(|(s, _)| *s)
    }

    pub fn ready(&self) -> u64 {
        self.entries.values().filter(|entry| entry.state == State::Ready).count() as u64
    }

    fn over_limit(&self, sequence: u64) -> bool {
        self.options.delivery_limit.is_some_and(|limit| self.entries[&sequence].attempts > limit)
    }

    fn refuses(&self) -> bool {
        self.options.overflow != Overflow::DropHead
            && self.options.max_length.is_some_and(|most| self.ready() >= most)
    }
}

impl Book {
    pub fn id(&self, name: &str) -> Option<u32> {
        self.queues.iter().find(|(_, queue)| queue.name == name).map(|(id, _)| *id)
    }

    pub fn declare(&mut self, name: &str, options: QueueOptions) {
        self.next_queue += 1;
        let queue = BookQueue {
            name: name.to_owned(),
            options,
            entries: BTreeMap::new(),
            next: 0,
            rotation: VecDeque::new(),
            consumers: Vec::new(),
        };
        self.queues.insert(self.next_queue, queue);
    }

    pub fn delete(&mut self, id: u32) {
        let queue = self.queues.remove(&id).unwrap();
        self.bindings.retain(|(_, target, _)| *target != id);
        for consumer in queue.consumers {
            self.consumers.remove(&consumer);
            self.cancelled.push(consumer);
        }
    }

    pub fn update(&mut self, id: u32, options: QueueOptions, now: i64) {
        self.queues.get_mut(&id).unwrap().options = options;
        self.touched.push(id);
        self.wind_up(now);
    }

    pub fn route(&self, exchange: &str, key: &str) -> Vec<u32> {
        if exchange.is_empty() {
            return self.id(key).into_iter().collect();
        }
        let matches = |(source, _, pattern): &&(String, u32, String)| {
            source == exchange
                && (exchange == "amq.fanout" || pattern == key || (exchange == "amq.topic" && pattern == "#"))
        };
        let found: BTreeSet<u32> = self.bindings.iter().filter(matches).map(|(_, id, _)| *id).collect();
        found.into_iter().collect()
    }

    fn store(&mut self, ids: &[u32], letter: &Letter, delay: i64, now: i64) {
        for id in ids {
            let queue = self.queues.get_mut(id).unwrap();
            let own = queue.options.message_ttl_ms.map(|ttl| ttl as i64);
            let ttl = match (own, letter.ttl) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let entry = Entry {
                letter: letter.clone(),
                state: if delay > 0 { State::Delayed(now + delay) } else { State::Ready },
                attempts: 0,
                enqueued_at: now,
                expires_at: ttl.map_or(NEVER, |ttl| now + delay + ttl),
            };
            queue.entries.insert(queue.next, entry);
            queue.next += 1;
        }
    }

    /// Answers for each message whether it was refused.
    pub fn publish(&mut self, ids: &[u32], letters: &[Letter], delay: i64, now: i64) -> Vec<bool> {
        let may_refuse = |id: &u32| {
            let options = &self.queues[id].options;
            options.overflow != Overflow::DropHead && options.max_length.is_some()
        };
        if !ids.iter().any(may_refuse) {
            letters.iter().for_each(|letter| self.store(ids, letter, delay, now));
            self.touched.extend_from_slice(ids);
            self.wind_up(now);
            return vec![false; letters.len()];
        }
        let mut refused = Vec::new();
        for letter in letters {
            let (full, open): (Vec<u32>, Vec<u32>) = ids.iter().partition(|id| self.queues[id].refuses());
            self.store(&open, letter, delay, now);
            self.touched.extend_from_slice(&open);
            for id in &full {
                if self.queues[id].options.overflow == Overflow::RejectPublishDlx {
                    self.dead_letter(*id, letter, Reason::MaxLen, now);
                }
            }
            refused.push(!full.is_empty());
            self.wind_up(now);
        }
        refused
    }

    fn hand_over(&mut self, id: u32, consumer: u64, lease: Option<i64>, now: i64) -> Option<Handed> {
        loop {
            let sequence = self.queues[&id].head()?;
            let queue = self.queues.get_mut(&id)?;
            let entry = &queue.entries[&sequence];
            if entry.expires_at < now {
                self.kill(id, sequence, Reason::Expired);
                continue;
            }
            if entry.attempts > 0 && queue.over_limit(sequence) {
                self.kill(id, sequence, Reason::DeliveryLimit);
                continue;
            }
            let entry = queue.entries.get_mut(&sequence)?;
            entry.attempts += 1;
            let (attempt, body) = (entry.attempts, entry.letter.body.clone());
            let mut serial = None;
            if let Some(lease) = lease {
                self.serial += 1;
                serial = Some(self.serial);
                entry.state = State::Leased { due: now + lease, consumer, serial: self.serial };
            } else {
                queue.entries.remove(&sequence);
            }
            return Some(Handed { consumer, queue: id, sequence, attempt, body, serial });
        }
    }

    pub fn receive(&mut self, id: u32, max: usize, lease: Option<i64>, now: i64) -> Vec<Handed> {
        let mut taken = Vec::new();
        while taken.len() < max {
            match self.hand_over(id, 0, lease, now) {
                Some(handed) => taken.push(handed),
                None => break,
            }
        }
        self.touched.push(id);
        self.wind_up(now);
        taken
    }

    fn kill(&mut self, id: u32, sequence: u64, reason: Reason) {
        let queue = self.queues.get_mut(&id).unwrap();
        if queue.options.dead_letter_exchange.is_none() {
            queue.entries.remove(&sequence);
        } else {
            queue.entries.get_mut(&sequence).unwrap().state = State::Dying;
            self.dying.push_back((id, sequence, reason));
        }
    }

    fn give_back(&mut self, id: u32, sequence: u64) {
        if self.queues[&id].over_limit(sequence) {
            self.kill(id, sequence, Reason::DeliveryLimit);
        } else {
            self.queues.get_mut(&id).unwrap().entries.get_mut(&sequence).unwrap().state = State::Ready;
        }
    }

    fn dead_letter(&mut self, id: u32, letter: &Letter, reason: Reason, now: i64) {
        let queue = &self.queues[&id];
        let Some(exchange) = queue.options.dead_letter_exchange.clone() else { return };
        let key = queue.options.dead_letter_routing_key.clone().unwrap_or(letter.key.clone());
        let mut deaths = letter.deaths.clone();
        let again = deaths.iter().position(|(name, why, _)| *name == queue.name && *why == reason);
        let count = again.map_or(0, |at| deaths.remove(at).2);
        deaths.insert(0, (queue.name.clone(), reason, count + 1));
        let mut targets = self.route(&exchange, &key);
        targets.retain(|target| {
            let target = &self.queues[target];
            let since = deaths.iter().take_while(|(_, why, _)| *why != Reason::Rejected);
            let cycle =
                reason != Reason::Rejected && since.into_iter().any(|(name, ..)| *name == target.name);
            !cycle && !target.refuses()
        });
        let letter = Letter { exchange, key, deaths, ttl: None, ..letter.clone() };
        self.store(&targets, &letter, 0, now);
        self.touched.extend(targets);
    }

    pub fn subscribe(&mut self, consumer: u64, wish: BookConsumer, now: i64) {
        let id = wish.queue;
        self.consumers.insert(consumer, wish);
        self.queues.get_mut(&id).unwrap().consumers.push(consumer);
        self.refresh(consumer);
        self.touched.push(id);
        self.wind_up(now);
    }

    fn refresh(&mut self, consumer: u64) {
        let wish = &self.consumers[&consumer];
        let rotation = &mut self.queues.get_mut(&wish.queue).unwrap().rotation;
        let waits = rotation.contains(&consumer);
        if wish.paused || wish.credit == 0 {
            rotation.retain(|have| *have != consumer);
        } else if !waits {
            rotation.push_back(consumer);
        }
    }

    pub fn alter(&mut self, consumer: u64, change: impl FnOnce(&mut BookConsumer), now: i64) {
        let wish = self.consumers.get_mut(&consumer).unwrap();
        change(wish);
        let id = wish.queue;
        self.refresh(consumer);
        self.touched.push(id);
        self.wind_up(now);
    }

    fn forget_consumer(&mut self, consumer: u64) -> u32 {
        let id = self.consumers.remove(&consumer).unwrap().queue;
        let queue = self.queues.get_mut(&id).unwrap();
        queue.rotation.retain(|have| *have != consumer);
        queue.consumers.retain(|have| *have != consumer);
        id
    }

    pub fn cancel(&mut self, consumer: u64, give_back: bool, now: i64) {
        let id = self.forget_consumer(consumer);
        if give_back {
            let held = |(sequence, entry): (&u64, &Entry)| match entry.state {
                State::Leased { consumer: holder, .. } if holder == consumer => Some(*sequence),
                _ => None,
            };
            let held: Vec<u64> = self.queues[&id].entries.iter().filter_map(held).collect();
            held.into_iter().for_each(|sequence| self.give_back(id, sequence));
        }
        self.touched.push(id);
        self.wind_up(now);
    }

    /// Whether the lease is open.
    pub fn holds(&self, id: u32, sequence: u64, lease: u64) -> bool {
        let entry = self.queues.get(&id).and_then(|queue| queue.entries.get(&sequence));
        entry.is_some_and(|entry| matches!(entry.state, State::Leased { serial, .. } if serial == lease))
    }

    pub fn ack(&mut self, id: u32, sequence: u64) {
        self.queues.get_mut(&id).unwrap().entries.remove(&sequence);
    }

    pub fn nack(&mut self, id: u32, sequence: u64, delay: i64, now: i64) {
        if delay == 0 || self.queues[&id].over_limit(sequence) {
            self.give_back(id, sequence);
        } else {
            let queue = self.queues.get_mut(&id).unwrap();
            queue.entries.get_mut(&sequence).unwrap().state = State::Delayed(now + delay);
        }
        self.touch(id);
    }

    pub fn reject(&mut self, id: u32, sequence: u64) {
        self.kill(id, sequence, Reason::Rejected);
    }

    pub fn extend(&mut self, id: u32, sequence: u64, until: i64) {
        let entry = self.queues.get_mut(&id).unwrap().entries.get_mut(&sequence).unwrap();
        if let State::Leased { due, .. } = &mut entry.state {
            *due = until;
        }
        self.touch(id);
    }

    /// The message is gone; what is at the head now is looked at with the next command.
    pub fn delete_message(&mut self, id: u32, sequence: u64) {
        self.queues.get_mut(&id).unwrap().entries.remove(&sequence);
        self.touched.push(id);
    }

    pub fn purge(&mut self, id: u32, now: i64) {
        self.queues.get_mut(&id).unwrap().entries.retain(|_, entry| entry.state != State::Ready);
        self.touched.push(id);
        self.wind_up(now);
    }

    fn touch(&mut self, id: u32) {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    pub fn tick(&mut self, now: i64) {
        let ids: Vec<u32> = self.queues.keys().copied().collect();
        for id in ids {
            let due = |(sequence, entry): (&u64, &Entry)| match entry.state {
                State::Leased { due, .. } | State::Delayed(due) if due <= now => Some((due, *sequence)),
                _ => None,
            };
            let due: BTreeSet<(i64, u64)> = self.queues[&id].entries.iter().filter_map(due).collect();
            for (_, sequence) in due {
                let entry = self.queues.get_mut(&id).unwrap().entries.get_mut(&sequence).unwrap();
                match entry.state {
                    State::Delayed(_) => entry.state = State::Ready,
                    _ => self.give_back(id, sequence),
                }
            }
            self.touched.push(id);
        }
        self.wind_up(now);
    }

    pub fn wind_up(&mut self, now: i64) {
        loop {
            while let Some(id) = self.touched.pop() {
                if self.queues.contains_key(&id) {
                    self.attend(id, now);
                }
            }
            if self.dying.is_empty() {
                return;
            }
            while let Some((id, sequence, reason)) = self.dying.pop_front() {
                let Some(queue) = self.queues.get_mut(&id) else { continue };
                if queue.entries.get(&sequence).is_none_or(|entry| entry.state != State::Dying) {
                    continue;
                }
                let letter = queue.entries[&sequence].letter.clone();
                self.dead_letter(id, &letter, reason, now);
                self.queues.get_mut(&id).unwrap().entries.remove(&sequence);
            }
        }
    }

    fn attend(&mut self, id: u32, now: i64) {
        while let Some(consumer) = self.queues[&id].rotation.front().copied() {
            let lease = self.consumers[&consumer].lease;
            let Some(handed) = self.hand_over(id, consumer, lease, now) else { break };
            self.handed.push(handed);
            let wish = self.consumers.get_mut(&consumer).unwrap();
            wish.credit -= 1;
            if wish.once && !std::mem::replace(&mut wish.fed, true) {
                self.fed.push(consumer);
            }
            self.queues.get_mut(&id).unwrap().rotation.pop_front();
            self.refresh(consumer);
        }
        loop {
            let queue = &self.queues[&id];
            let over = queue.options.overflow == Overflow::DropHead
                && queue.options.max_length.is_some_and(|most| queue.ready() > most);
            let (true, Some(head)) = (over, queue.head()) else { break };
            self.kill(id, head, Reason::MaxLen);
        }
        while let Some(head) = self.queues[&id].head() {
            if self.queues[&id].entries[&head].expires_at > now {
                break;
            }
            self.kill(id, head, Reason::Expired);
        }
    }

    /// The end of a group: what consumers got, and which subscriptions ended.
    pub fn close_group(&mut self) -> (Vec<Handed>, Vec<u64>) {
        for consumer in std::mem::take(&mut self.fed) {
            if self.consumers.contains_key(&consumer) {
                self.forget_consumer(consumer);
                self.cancelled.push(consumer);
            }
        }
        (std::mem::take(&mut self.handed), std::mem::take(&mut self.cancelled))
    }

    /// The process falls and comes back.
    pub fn crash(&mut self) {
        self.consumers.clear();
        self.fed.clear();
        self.handed.clear();
        self.cancelled.clear();
        for queue in self.queues.values_mut() {
            queue.rotation.clear();
            queue.consumers.clear();
            for entry in queue.entries.values_mut() {
                if matches!(entry.state, State::Leased { .. }) {
                    entry.state = State::Ready;
                }
            }
        }
    }
}
