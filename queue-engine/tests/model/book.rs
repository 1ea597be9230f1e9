//! What a queue engine should do, written as plainly as possible: every message in a map, every choice by looking at
//! all of them.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use message::Timestamp;
use queue_engine::{FailedAttempt, MessageId, Outcome, Overflow, QueueOptions, QueueType, Reason};

use crate::consumers::{BookConsumer, BookPool, End};
use crate::headers::Headers;
use crate::letters::Waiting;
use crate::policies::BookPolicies;

pub const NEVER: i64 = i64::MAX;

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Ready,
    /// With `timed`, the lease ends because its consumer is too slow.
    Leased {
        due: i64,
        consumer: u64,
        serial: u64,
        timed: bool,
    },
    Delayed(i64),
    Dying(Reason),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    pub body: String,
    pub priority: Option<u8>,
    pub ttl: Option<i64>,
    pub exchange: String,
    pub key: String,
    /// The key that order is promised for.
    pub lane: Option<String>,
    pub message_id: Option<String>,
    pub headers: Headers,
    /// Queue, attempt and outcome of what failed in queues that it died in.
    pub told: Vec<(String, u32, Outcome)>,
    /// The latest first.
    pub deaths: Vec<Death>,
}

/// What `x-death` says of one queue and reason: where the message had been published to, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Death {
    pub queue: String,
    pub reason: Reason,
    pub count: i64,
    pub exchange: String,
    pub key: String,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub letter: Letter,
    pub state: State,
    pub attempts: u32,
    /// Attempts that came to nothing without being failures.
    pub forgiven: u32,
    pub priority: u8,
    pub history: Vec<FailedAttempt>,
    pub enqueued_at: i64,
    pub expires_at: i64,
}

#[derive(Clone, Debug)]
pub struct BookQueue {
    pub name: String,
    /// As declared, and as policies say.
    pub declared: QueueOptions,
    pub options: QueueOptions,
    pub entries: BTreeMap<u64, Entry>,
    pub next: u64,
    /// Time, id and first message, in order.
    pub seen: Vec<(i64, String, u64)>,
    /// Who waits for a message, next first.
    pub rotation: VecDeque<u64>,
    pub consumers: Vec<u64>,
    pub had_subscriber: bool,
    /// Who alone is served, 0 for nobody.
    pub active: u64,
    pub yielding: bool,
    pub owner: Option<u64>,
    pub orphan: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    pub consumer: u64,
    pub queue: u32,
    pub sequence: u64,
    pub attempt: u32,
    pub failures: u32,
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
    pub pools: BTreeMap<u64, BookPool>,
    /// Cancelled consumers that still hold something under a shared limit: which, and how much.
    pub retired: BTreeMap<u64, (u64, u64)>,
    pub handed: Vec<Handed>,
    pub ended: Vec<(u64, End)>,
    pub deleted: Vec<u32>,
    /// How long a quorum queue's consumer may take if nobody says.
    pub patience: Option<i64>,
    pub touched: Vec<u32>,
    /// Whose leases ended.
    pub released: Vec<u64>,
    pub dying: VecDeque<(u32, u64, Reason)>,
    pub waiting: Waiting,
    pub policies: BookPolicies,
    pub fed: Vec<u64>,
}

impl Entry {
    pub fn failures(&self) -> u32 {
        self.attempts - self.forgiven
    }
}

impl BookQueue {
    pub fn level(&self, entry: &Entry) -> u8 {
        match self.options.kind {
            QueueType::Classic => entry.priority.min(self.options.max_priority.unwrap_or(0)),
            QueueType::Quorum => entry.priority.min(31),
        }
    }

    /// What a message's own priority means here.
    fn priority(&self, own: Option<u8>) -> u8 {
        match self.options.kind {
            QueueType::Classic => own.unwrap_or(0),
            QueueType::Quorum => own.unwrap_or(4).min(31),
        }
    }

    /// Whether others of its key wait for it.
    fn blocks(entry: &Entry) -> bool {
        match entry.state {
            State::Leased { .. } => true,
            State::Delayed(_) => entry.attempts > 0,
            State::Ready | State::Dying(_) => false,
        }
    }

    fn is_its_turn(&self, entry: &Entry) -> bool {
        let Some(lane) = entry.letter.lane.as_ref().filter(|_| self.options.order_per_key) else {
            return true;
        };
        let is_same = |other: &&Entry| other.letter.lane.as_ref() == Some(lane);
        !self.entries.values().filter(is_same).any(BookQueue::blocks)
    }

    fn head(&self) -> Option<u64> {
        let ready = self.entries.iter().filter(|(_, entry)| entry.state == State::Ready);
        ready
            .filter(|(_, entry)| self.is_its_turn(entry))
            .min_by_key(|(sequence, entry)| (Reverse(self.level(entry)), **sequence))
            .map(|(s, _)| *s)
    }

    pub fn ready(&self) -> u64 {
        self.entries.values().filter(|entry| entry.state == State::Ready).count() as u64
    }

    fn over_limit(&self, sequence: u64) -> bool {
        let usual = (self.options.kind == QueueType::Quorum).then_some(20);
        let limit = self.options.delivery_limit.or(usual).filter(|limit| *limit != u32::MAX);
        let retries = self.options.retry.as_ref().map(|retry| retry.retries());
        let failures = self.entries[&sequence].failures();
        [limit, retries].into_iter().flatten().any(|limit| failures > limit)
    }

    fn forget_old_ids(&mut self, now: i64) {
        let window_ms = self.options.dedup.map_or(0, |window| window.window_ms as i64);
        self.seen.retain(|(at, ..)| at + window_ms > now);
    }

    /// The message that had this id first.
    fn first(&mut self, id: &str, now: i64) -> Option<u64> {
        self.forget_old_ids(now);
        self.seen.iter().find(|(_, have, _)| have == id).map(|(.., first)| *first)
    }

    pub fn refuses(&self) -> bool {
        self.options.overflow != Overflow::DropHead
            && self.options.max_length.is_some_and(|most| self.ready() >= most)
    }
}

impl Book {
    pub fn id(&self, name: &str) -> Option<u32> {
        self.queues.iter().find(|(_, queue)| queue.name == name).map(|(id, _)| *id)
    }

    pub fn declare(&mut self, name: &str, options: QueueOptions, owner: Option<u64>, now: i64) {
        let options = QueueOptions { durable: options.durable && owner.is_none(), ..options };
        self.next_queue += 1;
        self.waiting.hurry();
        let queue = BookQueue {
            name: name.to_owned(),
            options: self.policies.in_force(name, &options),
            declared: options,
            entries: BTreeMap::new(),
            next: 0,
            seen: Vec::new(),
            rotation: VecDeque::new(),
            consumers: Vec::new(),
            had_subscriber: false,
            active: 0,
            yielding: false,
            owner,
            orphan: false,
        };
        self.queues.insert(self.next_queue, queue);
        self.wind_up(now);
    }

    pub fn delete(&mut self, id: u32) {
        self.waiting.hurry();
        let queue = self.queues.remove(&id).unwrap();
        self.bindings.retain(|(_, target, _)| *target != id);
        for entry in queue.entries.values() {
            self.note_release(&entry.state);
        }
        for consumer in queue.consumers {
            self.retire(consumer);
            self.consumers.remove(&consumer);
            self.ended.push((consumer, End::QueueDeleted));
        }
    }

    /// Removes messages for good; a consumer that held one holds one less.
    pub fn take_out(&mut self, id: u32, sequence: u64) {
        let entry = self.queues.get_mut(&id).unwrap().entries.remove(&sequence).unwrap();
        self.note_release(&entry.state);
    }

    fn set_state(&mut self, id: u32, sequence: u64, state: State) {
        let entry = self.queues.get_mut(&id).unwrap().entries.get_mut(&sequence).unwrap();
        let former = std::mem::replace(&mut entry.state, state);
        self.note_release(&former);
    }

    fn note_release(&mut self, former: &State) {
        if let State::Leased { consumer: consumer @ 1.., .. } = former {
            self.released.push(*consumer);
        }
    }

    pub fn update(&mut self, id: u32, options: QueueOptions, now: i64) {
        self.waiting.hurry();
        let lasting = self.subscribers(id);
        let in_force = self.policies.in_force(&self.queues[&id].name, &options);
        let queue = self.queues.get_mut(&id).unwrap();
        let single = queue.options.single_active_consumer;
        queue.had_subscriber = lasting > 0;
        if options.dedup.is_none() {
            queue.seen.clear();
        }
        (queue.declared, queue.options) = (options, in_force);
        if queue.options.single_active_consumer != single {
            self.reform(id);
        }
        self.touched.push(id);
        self.wind_up(now);
    }

    pub fn route(&self, exchange: &str, key: &str, headers: Headers) -> Vec<u32> {
        if exchange.is_empty() {
            return self.id(key).into_iter().collect();
        }
        let matches = |(source, _, pattern): &&(String, u32, String)| {
            source == exchange
                && match exchange {
                    "amq.fanout" => true,
                    "amq.topic" => pattern == key || pattern == "#",
                    "amq.headers" => headers.fit(pattern),
                    _ => pattern == key,
                }
        };
        let found: BTreeSet<u32> = self.bindings.iter().filter(matches).map(|(_, id, _)| *id).collect();
        found.into_iter().collect()
    }

    pub fn store(&mut self, ids: &[u32], letter: &Letter, delay: i64, now: i64) {
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
                forgiven: 0,
                priority: queue.priority(letter.priority),
                history: Vec::new(),
                enqueued_at: now,
                expires_at: ttl.map_or(NEVER, |ttl| now + delay + ttl),
            };
            queue.entries.insert(queue.next, entry);
            queue.next += 1;
        }
    }

    /// What was published, as opposed to moved, is remembered.
    pub fn admit(&mut self, ids: &[u32], letter: &Letter, delay: i64, now: i64) {
        for id in ids {
            let queue = self.queues.get_mut(id).unwrap();
            let sequence = queue.next;
            let (Some(window), Some(name)) = (queue.options.dedup, &letter.message_id) else { continue };
            if queue.first(name, now).is_none() {
                queue.seen.push((now, name.clone(), sequence));
                let over = queue.seen.len().saturating_sub(window.max_ids as usize);
                queue.seen.drain(..over);
            }
        }
        self.store(ids, letter, delay, now);
    }

    /// Answers for each message whether it was refused, how many queues knew it, and its id in the first queue.
    pub fn publish(
        &mut self,
        ids: &[u32],
        letters: &[Letter],
        delay: i64,
        now: i64,
    ) -> Vec<(bool, usize, Option<u64>)> {
        // Each of a batch goes its own way through a headers exchange.
        let is_split = letters.iter().any(|letter| letter.exchange == "amq.headers");
        let may_refuse = |id: &u32| {
            let options = &self.queues[id].options;
            options.overflow != Overflow::DropHead && options.max_length.is_some() || options.dedup.is_some()
        };
        if !is_split && !ids.iter().any(may_refuse) {
            let first = ids.first().map(|id| self.queues[id].next);
            letters.iter().for_each(|letter| self.admit(ids, letter, delay, now));
            self.touched.extend_from_slice(ids);
            self.wind_up(now);
            return (0..letters.len()).map(|nth| (false, 0, first.map(|first| first + nth as u64))).collect();
        }
        let mut refused = Vec::new();
        for letter in letters {
            let mut told = ids.first().map(|id| self.queues[id].next);
            let mut rest = Vec::new();
            for (place, id) in ids.iter().enumerate() {
                let queue = self.queues.get_mut(id).unwrap();
                let known = letter.message_id.as_ref().filter(|_| queue.options.dedup.is_some());
                match known.and_then(|name| queue.first(name, now)) {
                    Some(first) if place == 0 => told = Some(first),
                    Some(_) => {}
                    None => rest.push(*id),
                }
            }
            let known = ids.len() - rest.len();
            let (full, open): (Vec<u32>, Vec<u32>) = rest.iter().partition(|id| self.queues[id].refuses());
            self.admit(&open, letter, delay, now);
            self.touched.extend_from_slice(&open);
            for id in &full {
                if self.queues[id].options.overflow == Overflow::RejectPublishDlx {
                    self.dead_letter(*id, letter, None, Reason::MaxLen, now);
                }
            }
            refused.push((!full.is_empty(), known, told));
            self.wind_up(now);
        }
        refused
    }

    /// `due` is when the lease ends, if there is one, and whether that is a consumer timeout.
    fn hand_over(&mut self, id: u32, consumer: u64, due: Option<(i64, bool)>, now: i64) -> Option<Handed> {
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
            let failures = entry.failures();
            entry.attempts += 1;
            let (attempt, body) = (entry.attempts, entry.letter.body.clone());
            let mut serial = None;
            if let Some((due, timed)) = due {
                self.serial += 1;
                serial = Some(self.serial);
                entry.state = State::Leased { due, consumer, serial: self.serial, timed };
            } else {
                queue.entries.remove(&sequence);
            }
            return Some(Handed { consumer, queue: id, sequence, attempt, failures, body, serial });
        }
    }

    pub fn receive(&mut self, id: u32, max: usize, lease: Option<i64>, now: i64) -> Vec<Handed> {
        let mut taken = Vec::new();
        while taken.len() < max {
            match self.hand_over(id, 0, lease.map(|ms| (now + ms, false)), now) {
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
            self.take_out(id, sequence);
        } else {
            self.set_state(id, sequence, State::Dying(reason));
            self.dying.push_back((id, sequence, reason));
        }
    }

    fn forgive(&mut self, id: u32, sequence: u64) {
        let queue = self.queues.get_mut(&id).unwrap();
        if queue.options.kind == QueueType::Quorum {
            queue.entries.get_mut(&sequence).unwrap().forgiven += 1;
        }
    }

    pub fn give_back(&mut self, id: u32, sequence: u64) {
        if self.queues[&id].over_limit(sequence) {
            self.kill(id, sequence, Reason::DeliveryLimit);
        } else {
            self.set_state(id, sequence, State::Ready);
        }
    }

    /// Whether the lease is open.
    pub fn holds(&self, id: u32, sequence: u64, lease: u64) -> bool {
        let entry = self.queues.get(&id).and_then(|queue| queue.entries.get(&sequence));
        entry.is_some_and(|entry| matches!(entry.state, State::Leased { serial, .. } if serial == lease))
    }

    pub fn ack(&mut self, id: u32, sequence: u64) {
        self.take_out(id, sequence);
        self.touch_ordered(id);
    }

    pub fn fail(&mut self, id: u32, sequence: u64, now: i64) {
        if self.queues[&id].options.retry.is_some() {
            return self.fail_attempt(id, sequence, Outcome::Returned, None, now);
        }
        self.give_back(id, sequence);
        self.touch(id);
    }

    pub fn nack(&mut self, id: u32, sequence: u64, delay: i64, now: i64) {
        if delay > 0 && self.queues[&id].options.retry.is_some() {
            return self.fail_attempt(id, sequence, Outcome::Returned, Some(delay), now);
        }
        self.forgive(id, sequence);
        if delay == 0 || self.queues[&id].over_limit(sequence) {
            self.give_back(id, sequence);
        } else {
            self.set_state(id, sequence, State::Delayed(now + delay));
        }
        self.touch(id);
    }

    pub fn reject(&mut self, id: u32, sequence: u64, now: i64) {
        if self.queues[&id].options.retry.is_some() {
            return self.fail_attempt(id, sequence, Outcome::Rejected, None, now);
        }
        self.kill(id, sequence, Reason::Rejected);
        self.touch_ordered(id);
    }

    /// The next message of the same key may go now.
    fn touch_ordered(&mut self, id: u32) {
        if self.queues[&id].options.order_per_key {
            self.touch(id);
        }
    }

    /// A failed attempt, where there is a retry policy.
    fn fail_attempt(&mut self, id: u32, sequence: u64, outcome: Outcome, wait: Option<i64>, now: i64) {
        let queue = self.queues.get_mut(&id).unwrap();
        let ends = outcome == Outcome::Rejected || queue.over_limit(sequence);
        let policy = queue.options.retry.clone().unwrap();
        let entry = queue.entries.get_mut(&sequence).unwrap();
        let usual = policy.wait_ms(MessageId(sequence), entry.failures()) as i64;
        let wait = if ends { 0 } else { wait.unwrap_or(usual) };
        let retry_at = (wait > 0).then_some(Timestamp(now + wait));
        entry.history.push(FailedAttempt { attempt: entry.attempts, outcome, at: Timestamp(now), retry_at });
        match retry_at {
            Some(until) => self.set_state(id, sequence, State::Delayed(until.0)),
            None if outcome == Outcome::Rejected => self.kill(id, sequence, Reason::Rejected),
            None if ends => self.kill(id, sequence, Reason::DeliveryLimit),
            None => self.set_state(id, sequence, State::Ready),
        }
        self.touch(id);
    }

    pub fn retry(&mut self, id: u32, sequence: u64, now: i64) {
        match self.queues[&id].options.retry {
            Some(_) => self.fail_attempt(id, sequence, Outcome::Returned, None, now),
            None => self.nack(id, sequence, 0, now),
        }
    }

    pub fn amend(&mut self, id: u32, sequence: u64, priority: Option<u8>, at: Option<i64>, now: i64) {
        let entry = self.queues.get_mut(&id).unwrap().entries.get_mut(&sequence).unwrap();
        entry.priority = priority.unwrap_or(entry.priority);
        if let Some(at) = at {
            self.set_state(id, sequence, if at > now { State::Delayed(at) } else { State::Ready });
        }
        self.touched.push(id);
        self.wind_up(now);
    }

    /// Moves a message to a queue, or back to where it died; answers whether it went.
    fn transfer(&mut self, id: u32, sequence: u64, to: Option<u32>, now: i64) -> bool {
        let queue = &self.queues[&id];
        let entry = &queue.entries[&sequence];
        let mut letter = entry.letter.clone();
        if entry.priority != queue.priority(letter.priority) {
            letter.priority = Some(entry.priority);
        }
        let targets = match (to, letter.deaths.first().cloned()) {
            (Some(to), _) => {
                letter.exchange = String::new();
                letter.key = self.queues[&to].name.clone();
                vec![to]
            }
            (None, Some(Death { queue, exchange, key, .. })) => {
                (letter.exchange, letter.key) = (exchange, key);
                self.id(&queue)
                    .map_or_else(|| self.route(&letter.exchange, &letter.key, letter.headers), |id| vec![id])
            }
            (None, None) => Vec::new(),
        };
        if targets.is_empty() || targets.iter().any(|target| self.queues[target].refuses()) {
            return false;
        }
        self.take_out(id, sequence);
        self.store(&targets, &letter, 0, now);
        self.touched.extend(targets);
        true
    }

    pub fn move_message(&mut self, id: u32, sequence: u64, to: u32, now: i64) -> bool {
        let moved = self.transfer(id, sequence, Some(to), now);
        self.touched.push(id);
        self.wind_up(now);
        moved
    }

    pub fn redrive(&mut self, id: u32, max: usize, to: Option<u32>, now: i64) -> u64 {
        let ready = self.queues[&id].entries.iter().filter(|(_, entry)| entry.state == State::Ready);
        let chosen: Vec<u64> = ready.map(|(sequence, _)| *sequence).take(max).collect();
        let moved = chosen.into_iter().filter(|sequence| self.transfer(id, *sequence, to, now)).count();
        self.touched.push(id);
        self.wind_up(now);
        moved as u64
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
        self.take_out(id, sequence);
        self.regain();
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
        self.retry_waiting(now);
        let ids: Vec<u32> = self.queues.keys().copied().collect();
        for id in ids {
            let due = |(sequence, entry): (&u64, &Entry)| match entry.state {
                State::Leased { due, .. } | State::Delayed(due) if due <= now => Some((due, *sequence)),
                _ => None,
            };
            let due: BTreeSet<(i64, u64)> = self.queues[&id].entries.iter().filter_map(due).collect();
            // A queue that was deleted because of what happened here before is not looked at again.
            let mut slow = Vec::new();
            for (_, sequence) in due {
                let retries = self.queues[&id].options.retry.is_some();
                match self.queues[&id].entries[&sequence].state {
                    State::Delayed(_) => self.set_state(id, sequence, State::Ready),
                    State::Leased { consumer, timed: true, .. } => {
                        self.forgive(id, sequence);
                        self.give_back(id, sequence);
                        slow.push(consumer);
                    }
                    _ if retries => {
                        self.fail_attempt(id, sequence, Outcome::LeaseExpired, None, now);
                    }
                    _ => self.give_back(id, sequence),
                }
            }
            for consumer in slow {
                if self.consumers.contains_key(&consumer) {
                    self.forget_consumer(consumer);
                    self.ended.push((consumer, End::TimedOut));
                }
            }
            self.touched.push(id);
        }
        self.wind_up(now);
    }

    pub fn wind_up(&mut self, now: i64) {
        loop {
            self.regain();
            while let Some(id) = self.touched.pop() {
                if self.queues.contains_key(&id) {
                    self.attend(id, now);
                }
                self.regain();
            }
            if self.dying.is_empty() {
                return;
            }
            while let Some((id, sequence, reason)) = self.dying.pop_front() {
                let Some(queue) = self.queues.get_mut(&id) else { continue };
                if queue.entries.get(&sequence).is_none_or(|entry| !matches!(entry.state, State::Dying(_))) {
                    continue;
                }
                let Entry { letter, history, .. } = queue.entries[&sequence].clone();
                if self.dead_letter(id, &letter, Some(&history), reason, now) {
                    self.take_out(id, sequence);
                } else {
                    self.waiting.keep((id, sequence, reason), now);
                }
            }
        }
    }

    fn attend(&mut self, id: u32, now: i64) {
        if self.is_deserted(id) {
            self.delete(id);
            self.deleted.push(id);
            return;
        }
        while let Some(consumer) = self.queues[&id].rotation.front().copied() {
            if !self.is_hungry(consumer) {
                self.queues.get_mut(&id).unwrap().rotation.pop_front();
                continue;
            }
            let due = self.lease_end(consumer, now);
            let Some(handed) = self.hand_over(id, consumer, due, now) else { break };
            self.pay(consumer, handed.serial.is_some());
            self.handed.push(handed);
            self.queues.get_mut(&id).unwrap().rotation.pop_front();
            self.enter(consumer);
        }
        loop {
            let queue = &self.queues[&id];
            let over = queue.options.overflow == Overflow::DropHead
                && queue.options.max_length.is_some_and(|most| queue.ready() > most);
            let oldest =
                || queue.entries.iter().find(|(_, entry)| entry.state == State::Ready).map(|(s, _)| *s);
            let (true, Some(head)) = (over, queue.head().or_else(oldest)) else { break };
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
    pub fn close_group(&mut self) -> (Vec<Handed>, Vec<(u64, End)>, Vec<u32>) {
        for consumer in std::mem::take(&mut self.fed) {
            if self.consumers.contains_key(&consumer) {
                self.forget_consumer(consumer);
                self.ended.push((consumer, End::Fed));
            }
        }
        let (handed, ended) = (std::mem::take(&mut self.handed), std::mem::take(&mut self.ended));
        (handed, ended, std::mem::take(&mut self.deleted))
    }

    /// The process falls and comes back.
    pub fn crash(&mut self) {
        self.consumers.clear();
        self.pools.clear();
        self.retired.clear();
        self.released.clear();
        self.fed.clear();
        self.handed.clear();
        self.ended.clear();
        self.deleted.clear();
        self.waiting = Waiting::default();
        let lost: Vec<u32> =
            self.queues.iter().filter(|(_, queue)| !queue.options.durable).map(|(id, _)| *id).collect();
        for id in lost {
            self.queues.remove(&id);
            self.bindings.retain(|(_, target, _)| *target != id);
        }
        for queue in self.queues.values_mut() {
            queue.rotation.clear();
            queue.consumers.clear();
            (queue.had_subscriber, queue.active, queue.yielding) = (false, 0, false);
            for entry in queue.entries.values_mut() {
                if matches!(entry.state, State::Leased { .. }) {
                    entry.state = State::Ready;
                }
            }
        }
        self.revive_waiting();
    }
}
