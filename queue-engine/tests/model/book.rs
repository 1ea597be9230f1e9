//! What a queue engine should do, written as plainly as possible: every message in a map, every choice by looking at
//! all of them.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use queue_engine::{QueueOptions, Reason};

use crate::consumers::{BookConsumer, BookPool, End};
use crate::letters::Waiting;
use crate::policies::BookPolicies;
use crate::queue::{BookQueue, State};

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
    /// Log and body of what logs are to get.
    pub kept: Vec<(String, String)>,
    /// Whether logs take nothing more.
    pub logs_full: bool,
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
            used: now,
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

    pub fn set_state(&mut self, id: u32, sequence: u64, state: State) {
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
        (queue.declared, queue.options, queue.used) = (options, in_force, now);
        if queue.options.single_active_consumer != single {
            self.reform(id);
        }
        self.touched.push(id);
        self.wind_up(now);
    }

    pub fn touch(&mut self, id: u32) {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// Whether something that enters these queues would reach a log that takes nothing more.
    pub fn is_held(&self, ids: &[u32]) -> bool {
        self.logs_full && ids.iter().any(|id| self.queues[id].options.keep_in.is_some())
    }

    pub fn hold_logs(&mut self, full: bool) {
        if self.logs_full && !full {
            self.waiting.hurry();
        }
        self.logs_full = full;
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
    pub fn crash(&mut self, now: i64) {
        self.consumers.clear();
        self.pools.clear();
        self.retired.clear();
        self.released.clear();
        self.fed.clear();
        self.handed.clear();
        self.ended.clear();
        self.deleted.clear();
        self.kept.clear();
        self.logs_full = false;
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
            queue.used = now;
            for entry in queue.entries.values_mut() {
                if matches!(entry.state, State::Leased { .. }) {
                    entry.state = State::Ready;
                }
            }
        }
        self.revive_waiting();
    }
}
