//! Order per key with competing consumers: of each key one message is on offer or in flight, the others wait behind it.
use std::collections::{BTreeSet, HashMap};
use std::hash::Hasher;

use crate::queue::Queue;
use crate::slots::{Slot, State};

/// What tells one message's key from another's: a hash, so that keys need not be kept. Two keys that share a mark share
/// their order, which costs them some parallelism and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct KeyMark(u64);

impl KeyMark {
    /// Of a message without a key.
    pub(crate) const NONE: KeyMark = KeyMark(0);

    pub(crate) fn of(key: Option<&[u8]>) -> KeyMark {
        let Some(key) = key else { return KeyMark::NONE };
        // Fixed seeds: the same key has the same mark in every run.
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(key);
        KeyMark(hasher.finish().max(1))
    }
}

/// Where a message comes in its queue's order: higher priorities first, then arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u64);

impl Rank {
    fn new(level: u8, sequence: u64) -> Rank {
        debug_assert!(sequence < 1 << 56);
        Rank(u64::from(u8::MAX - level) << 56 | sequence)
    }

    fn level(self) -> u8 {
        u8::MAX - (self.0 >> 56) as u8
    }

    fn sequence(self) -> u64 {
        self.0 & ((1 << 56) - 1)
    }
}

/// What a message means to the others of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Ready: goes when it is its turn.
    Waits,
    /// With a consumer, or waiting to be tried again: the others wait for it.
    Blocks,
    /// Scheduled for later, or on its way out: the others pass it.
    Aside,
}

impl Part {
    fn of(state: State, attempts: u16) -> Part {
        match state {
            State::Ready => Part::Waits,
            State::Leased => Part::Blocks,
            State::Delayed if attempts > 0 => Part::Blocks,
            State::Delayed | State::Dying | State::Damaged | State::Vacant => Part::Aside,
        }
    }
}

/// The messages of one key that are ready or in flight.
#[derive(Debug, Default)]
struct Lane {
    /// How many block the others: more than one only where the order began while they were out.
    blocking: u32,
    /// The one that the queue may hand out.
    offered: Option<Rank>,
    waiting: BTreeSet<Rank>,
}

impl Lane {
    fn leave(&mut self, part: Part, rank: Rank) {
        match part {
            Part::Waits if self.offered == Some(rank) => self.offered = None,
            Part::Waits => drop(self.waiting.remove(&rank)),
            Part::Blocks => self.blocking -= 1,
            Part::Aside => {}
        }
    }

    fn enter(&mut self, part: Part, rank: Rank) {
        match part {
            // Most keys have one message at a time.
            Part::Waits if self.blocking == 0 && self.offered.is_none() && self.waiting.is_empty() => {
                self.offered = Some(rank);
            }
            Part::Waits => drop(self.waiting.insert(rank)),
            Part::Blocks => self.blocking += 1,
            Part::Aside => {}
        }
    }

    /// Offers the one whose turn it is; answers it when it was not on offer before.
    fn offer(&mut self) -> Option<Rank> {
        if self.blocking > 0 {
            self.waiting.extend(self.offered.take());
            return None;
        }
        let first = self.waiting.first().copied()?;
        if self.offered.is_some_and(|offered| offered < first) {
            return None;
        }
        self.waiting.pop_first();
        self.waiting.extend(self.offered.replace(first));
        Some(first)
    }

    fn is_empty(&self) -> bool {
        self.blocking == 0 && self.offered.is_none() && self.waiting.is_empty()
    }
}

/// The lanes of a queue that keeps order per key.
#[derive(Debug, Default)]
pub(crate) struct KeyOrder {
    lanes: HashMap<KeyMark, Lane>,
}

impl Queue {
    /// Whether a message that is ready may go: with order per key, only the one that its key offers.
    pub(crate) fn is_its_turn(&self, level: u8, sequence: u64) -> bool {
        let Some(order) = &self.key_order else { return true };
        let mark = self.slots.key(sequence);
        mark == KeyMark::NONE
            || order.lanes.get(&mark).is_some_and(|lane| lane.offered == Some(Rank::new(level, sequence)))
    }

    /// Lets a message that became ready wait for its turn. Without order per key, or a key, its turn is now.
    pub(crate) fn line_up(&mut self, level: u8, sequence: u64) {
        let mark = if self.key_order.is_some() { self.slots.key(sequence) } else { KeyMark::NONE };
        let Some(order) = self.key_order.as_mut().filter(|_| mark != KeyMark::NONE) else {
            return self.ready.push(level, sequence);
        };
        let lane = order.lanes.entry(mark).or_default();
        let (rank, before) = (Rank::new(level, sequence), lane.offered);
        lane.enter(Part::Waits, rank);
        let offered = lane.offer().or(lane.offered.filter(|offered| before != Some(*offered)));
        if let Some(next) = offered {
            self.ready.push(next.level(), next.sequence());
        }
    }

    /// A message leaves the state that it was in for another, or for good. One that becomes ready lines up afterwards.
    pub(crate) fn leave_lane(&mut self, sequence: u64, from: (State, u16, u8), to: (State, u16)) {
        let Some(order) = self.key_order.as_mut() else { return };
        let mark = self.slots.key(sequence);
        if mark == KeyMark::NONE {
            return;
        }
        let Some(lane) = order.lanes.get_mut(&mark) else { return };
        let (state, attempts, level) = from;
        let rank = Rank::new(level, sequence);
        lane.leave(Part::of(state, attempts), rank);
        match Part::of(to.0, to.1) {
            Part::Waits => return,
            part => lane.enter(part, rank),
        }
        let next = lane.offer();
        if lane.is_empty() {
            order.lanes.remove(&mark);
        }
        if let Some(next) = next {
            self.ready.push(next.level(), next.sequence());
        }
    }

    /// Starts the order anew from where every message stands, or ends it.
    pub(crate) fn rebuild_lanes(&mut self) {
        self.key_order = self.options.order_per_key.then(Box::default);
        let Some(order) = self.key_order.as_mut() else { return };
        for (sequence, slot) in self.slots.iter_from(0) {
            let mark = self.slots.key(sequence);
            let part = Part::of(slot.state, slot.attempts);
            if mark == KeyMark::NONE || part == Part::Aside {
                continue;
            }
            let lane = order.lanes.entry(mark).or_default();
            lane.enter(part, Rank::new(self.options.level(slot.priority), sequence));
        }
        for lane in order.lanes.values_mut() {
            lane.offer();
        }
    }

    /// The oldest ready message although it is not its turn.
    pub(crate) fn oldest_ready(&self) -> Option<u64> {
        self.slots.iter_from(0).find(|(_, slot): &(u64, &Slot)| slot.state == State::Ready).map(|(s, _)| s)
    }
}
