//! Messages that go on by themselves, from their queue to where an exchange leads: in one step, or in several where that
//! is more than a block of the journal takes.
use std::sync::Arc;

use ::message::{Timestamp, TopicName};
use segment_store::{Block, RECORD_OVERHEAD};

use crate::QueueId;
use crate::engine::QueueEngine;
use crate::enqueue::{NOBODY, PER_TARGET, Parcel, REMOVAL, bound, room};
use crate::fields::{Fields, Malformed, put_bytes, put_varint};
use crate::message::Message;
use crate::outbox::log_room;
use crate::publish::log_targets;
use crate::record::{Record, topic};
use crate::routing::Route;

/// How far a message came that goes on in several steps: all of its targets up to this one have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// Queues come first, in the order of their ids.
    Queue(QueueId),
    /// Then those of exchanges that keep it or hold it back, all at once.
    Stores,
    /// Then logs, in that of their names.
    Log(TopicName),
}

/// Most bytes that noting how far a message came takes in a block.
const NOTE: usize = 1 + 5 + 10 + 1 + 3 + 255 + RECORD_OVERHEAD;
/// Most messages under way that are kept in mind before those that are gone are forgotten.
const UNDER_WAY: usize = 64;

impl Reached {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Reached::Queue(id) => {
                out.push(0);
                put_varint(out, u64::from(id.0));
            }
            Reached::Stores => out.push(1),
            Reached::Log(name) => {
                out.push(2);
                put_bytes(out, name.as_str().as_bytes());
            }
        }
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Reached, Malformed> {
        match fields.byte()? {
            0 => Ok(Reached::Queue(QueueId(fields.number()?))),
            1 => Ok(Reached::Stores),
            2 => Ok(Reached::Log(topic(fields)?)),
            _ => Err(Malformed),
        }
    }

    /// Adds the target to those of a step.
    fn join(&self, part: &mut Route, all: &Route) {
        match self {
            Reached::Queue(id) => part.queues.push(*id),
            Reached::Stores => {
                part.histories.clone_from(&all.histories);
                part.delayed.clone_from(&all.delayed);
            }
            Reached::Log(name) => part.logs.push(name.clone()),
        }
    }
}

impl Route {
    /// Its targets, in the order in which a message reaches them.
    fn targets(&self) -> impl Iterator<Item = Reached> {
        let stores = !(self.histories.is_empty() && self.delayed.is_empty());
        let queues = self.queues.iter().copied().map(Reached::Queue);
        queues.chain(stores.then_some(Reached::Stores)).chain(self.logs.iter().cloned().map(Reached::Log))
    }

    /// Leaves out what a message has reached.
    fn go_on_behind(&mut self, reached: &Reached) {
        self.queues.retain(|id| Reached::Queue(*id) > *reached);
        if *reached >= Reached::Stores {
            self.histories.clear();
            self.delayed.clear();
        }
        self.logs.retain(|name| Reached::Log(name.clone()) > *reached);
    }
}

/// What becomes of a target that no block could take the message for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLarge {
    /// It does without.
    GoesWithout,
    /// The message waits.
    Waits,
}

/// How far a message came.
#[derive(Debug)]
pub(crate) enum Handover {
    /// All have it, and it is gone from where it was.
    Complete(Arc<Message>),
    /// The next block takes more of it.
    NextBlock,
    /// No block could take it for one of its targets.
    TooLarge,
}

/// What of a message's way one block takes.
enum Step {
    Part(Route, Reached),
    NextBlock { needed: usize },
    TooLarge(Reached),
}

impl QueueEngine {
    /// Room that a block needs for what did not fit the last one: that of the next [`tick`](QueueEngine::tick), or of the
    /// call that just answered [`BlockFull`](crate::QueueError::BlockFull) to a move.
    #[must_use]
    pub fn wanted_room(&self) -> usize {
        self.core.wanted
    }

    /// Whether a message on this route needs more than one block.
    pub(crate) fn exceeds_a_block(&self, block: &Block, route: &Route, parcel: &Parcel) -> bool {
        self.room_on(route, parcel) > block.largest()
    }

    pub(crate) fn room_on(&self, route: &Route, parcel: &Parcel) -> usize {
        room(parcel, route) + self.logs_room(route, &parcel.message)
    }

    /// Leaves out of a message's route what it reached before.
    pub(crate) fn go_on(&self, from: (QueueId, u64), route: &mut Route) {
        if let Some(reached) = self.core.under_way.get(&from) {
            route.go_on_behind(reached);
        }
    }

    /// Moves a message from its place to where its route leads, as far as the block has room; further calls go on where
    /// this one ended, in whatever run of the server.
    pub(crate) fn hand_over(
        &mut self,
        block: &mut Block,
        route: &mut Route,
        parcel: Parcel,
        from: (QueueId, u64),
        too_large: TooLarge,
        now: Timestamp,
    ) -> Handover {
        self.go_on(from, route);
        loop {
            let needed = self.room_on(route, &parcel);
            if block.fits(needed) {
                let shown = self.deliver(block, route, parcel, Some(from), now);
                self.outbox.log_appends.extend(log_targets(block, route, &shown));
                self.core.under_way.remove(&from);
                return Handover::Complete(shown);
            }
            if needed <= block.largest() {
                self.core.wanted = needed;
                return Handover::NextBlock;
            }
            match self.step(block, route, &parcel) {
                Step::Part(part, reached) => {
                    let shown = self.deliver(block, &part, parcel.clone(), Some(NOBODY), now);
                    self.outbox.log_appends.extend(log_targets(block, &part, &shown));
                    route.go_on_behind(&reached);
                    self.note_reached(block, from, reached);
                }
                Step::NextBlock { needed } => {
                    self.core.wanted = needed;
                    return Handover::NextBlock;
                }
                Step::TooLarge(_) if too_large == TooLarge::Waits => return Handover::TooLarge,
                Step::TooLarge(_) if !block.fits(NOTE) => {
                    self.core.wanted = NOTE;
                    return Handover::NextBlock;
                }
                Step::TooLarge(target) => {
                    route.go_on_behind(&target);
                    self.note_reached(block, from, target);
                    self.queues.get_mut(&from.0).into_iter().for_each(|queue| queue.totals.dropped += 1);
                }
            }
        }
    }

    fn note_reached(&mut self, block: &mut Block, from: (QueueId, u64), reached: Reached) {
        let core = &mut self.core;
        let (queue, sequence) = from;
        core.write(block, &Record::Reached { queue, sequence, reached: reached.clone() });
        core.under_way.insert(from, reached);
        if core.under_way.len() > UNDER_WAY {
            self.forget_arrived();
        }
    }

    /// Forgets how far messages came that are gone.
    pub(crate) fn forget_arrived(&mut self) {
        let queues = &self.queues;
        self.core.under_way.retain(|(id, sequence), _| {
            queues.get(id).is_some_and(|queue| queue.slots.get(*sequence).is_some())
        });
    }

    /// As many of the route's first targets as the block has room for.
    fn step(&self, block: &Block, route: &Route, parcel: &Parcel) -> Step {
        let one = || std::iter::once(parcel);
        let per_log = log_room(&parcel.message) + RECORD_OVERHEAD;
        let keeps = |id: QueueId| self.queues.get(&id).is_some_and(|queue| queue.options.keep_in.is_some());
        let mut part = Route::default();
        let mut reached = None;
        let mut needed = NOTE + REMOVAL;
        let mut body = bound(one(), 0) + RECORD_OVERHEAD;
        for target in route.targets() {
            let more = match &target {
                Reached::Queue(id) => body + PER_TARGET + if keeps(*id) { per_log } else { 0 },
                Reached::Stores => {
                    let held = route.delayed.len();
                    let held = if held > 0 { bound(one(), held) + RECORD_OVERHEAD } else { 0 };
                    body + route.histories.len() * PER_TARGET + held
                }
                Reached::Log(_) => per_log,
            };
            match reached.take() {
                None if NOTE + REMOVAL + more > block.largest() => return Step::TooLarge(target),
                None if !block.fits(needed + more) => return Step::NextBlock { needed: needed + more },
                Some(last) if !block.fits(needed + more) => return Step::Part(part, last),
                _ => {}
            }
            needed += more;
            if !matches!(target, Reached::Log(_)) {
                body = 0;
            }
            target.join(&mut part, route);
            reached = Some(target);
        }
        match reached {
            Some(last) => Step::Part(part, last),
            // Without targets it takes next to nothing.
            None => Step::NextBlock { needed },
        }
    }
}
