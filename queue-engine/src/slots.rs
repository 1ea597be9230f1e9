use std::collections::BTreeMap;
use std::sync::Arc;

use ::message::Timestamp;
use segment_store::Lsn;

use crate::holder::Holder;
use crate::key_order::KeyMark;
use crate::line::Line;
use crate::message::Message;

/// Where one message of a queue stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// No message here (any more).
    #[default]
    Vacant,
    /// Waits for a consumer.
    Ready,
    /// With a consumer, until `due`.
    Leased,
    /// Out of sight until `due`.
    Delayed,
    /// Waits to be moved to the dead-letter exchange; `nonce` holds why.
    Dying,
    /// The journal could not give it back; kept so that nothing is dropped silently.
    Damaged,
}

/// What memory holds of one message in one queue. 64 bytes: ten million of them are what a long queue costs.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// Where the envelope starts in the journal.
    pub(crate) lsn: Lsn,
    /// The message itself, while the queue may hold it in memory.
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) enqueued_at: Timestamp,
    /// When it expires if it is ready and at the head; `NEVER` if it does not.
    pub(crate) expires_at: Timestamp,
    /// End of the lease, or of the delay.
    pub(crate) due: Timestamp,
    pub(crate) holder: Holder,
    /// How many of the deliveries do not count as failures.
    pub(crate) forgiven: u16,
    pub(crate) envelope_len: u32,
    pub(crate) body_len: u32,
    /// Tells this lease from earlier ones.
    pub(crate) nonce: u32,
    /// How often it was delivered; sticks at the largest number.
    pub(crate) attempts: u16,
    pub(crate) state: State,
    /// As published, or the default of the queue's type; the queue clamps it.
    pub(crate) priority: u8,
}

/// The end of time, for deadlines that are not set.
pub(crate) const NEVER: Timestamp = Timestamp(i64::MAX);

impl Slot {
    /// How many deliveries count towards the queue's delivery limit.
    pub(crate) fn strikes(&self) -> u32 {
        u32::from(self.attempts.saturating_sub(self.forgiven))
    }

    const VACANT: Slot = Slot {
        lsn: Lsn(0),
        message: None,
        enqueued_at: Timestamp(0),
        expires_at: NEVER,
        due: NEVER,
        holder: Holder::NOBODY,
        forgiven: 0,
        envelope_len: 0,
        body_len: 0,
        nonce: 0,
        attempts: 0,
        state: State::Vacant,
        priority: 0,
    };
}

const CHUNK: usize = 16;

/// Slots of 16 consecutive sequences: little for a queue that holds one message, and few chunks for a long one.
#[derive(Debug)]
pub(crate) struct Chunk {
    live: u32,
    slots: [Slot; CHUNK],
    /// Apart from the slots, because most messages have no key.
    keys: Option<Box<[KeyMark; CHUNK]>>,
}

impl Chunk {
    fn new() -> Box<Chunk> {
        Box::new(Chunk { live: 0, slots: [const { Slot::VACANT }; CHUNK], keys: None })
    }
}

/// Emptied chunks for the next queue that needs one, so that a short queue does not allocate per message.
#[derive(Debug, Default)]
#[allow(clippy::vec_box, reason = "the boxes move into queues and out again as they are")]
pub(crate) struct SpareChunks(Vec<Box<Chunk>>);

impl SpareChunks {
    const MOST: usize = 1024;

    fn take(&mut self) -> Box<Chunk> {
        self.0.pop().unwrap_or_else(Chunk::new)
    }

    fn give(&mut self, chunk: Box<Chunk>) {
        if self.0.len() < SpareChunks::MOST {
            self.0.push(chunk);
        }
    }
}

#[derive(Debug)]
struct Place {
    number: u64,
    /// No live slot lies before this in the journal. Rarely raised, so it may be too low. Here and not in the chunk,
    /// so that looking for old messages does not touch every chunk.
    oldest: Lsn,
    /// `None` once all its messages are gone; the place itself goes with the next clean-up.
    chunk: Option<Box<Chunk>>,
}

/// The slots of a queue by sequence: O(1) to find, nothing kept for stretches that are gone, no big reallocation.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    places: Line<Place>,
    /// Places without a chunk.
    vacant: usize,
    /// Chunks that came out of order, which only recovery does; `settle_strays` brings them in.
    #[allow(clippy::box_collection, reason = "what is there in recovery only should take one word")]
    strays: Option<Box<BTreeMap<u64, Place>>>,
}

impl Slots {
    /// Whether nothing is there in order.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn find(&self, number: u64) -> Option<usize> {
        let (first, last) = (self.places.front()?.number, self.places.back()?.number);
        let end = self.places.len() - 1;
        let from_front = usize::try_from(number.checked_sub(first)?).ok()?.min(end);
        // New messages lie close together at the end, whatever gaps there are before.
        let from_back = end.saturating_sub(usize::try_from(last.checked_sub(number)?).ok()?);
        let is_it = |at: &usize| self.places.get(*at).is_some_and(|place| place.number == number);
        if let Some(at) = [from_back, from_front].into_iter().find(is_it) {
            return Some(at);
        }
        let at = self.places.partition_point(|place| place.number < number);
        is_it(&at).then_some(at)
    }

    fn place(&self, number: u64) -> Option<&Place> {
        match self.find(number) {
            Some(at) => self.places.get(at),
            None => self.strays.as_ref()?.get(&number),
        }
    }

    fn place_mut(&mut self, number: u64) -> Option<&mut Place> {
        match self.find(number) {
            Some(at) => self.places.get_mut(at),
            None => self.strays.as_mut()?.get_mut(&number),
        }
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&Slot> {
        let chunk = self.place(sequence / CHUNK as u64)?.chunk.as_deref()?;
        Some(&chunk.slots[sequence as usize % CHUNK]).filter(|slot| slot.state != State::Vacant)
    }

    pub(crate) fn get_mut(&mut self, sequence: u64) -> Option<&mut Slot> {
        let chunk = self.place_mut(sequence / CHUNK as u64)?.chunk.as_deref_mut()?;
        Some(&mut chunk.slots[sequence as usize % CHUNK]).filter(|slot| slot.state != State::Vacant)
    }

    /// What tells the message's key from others.
    pub(crate) fn key(&self, sequence: u64) -> KeyMark {
        let chunk = self.place(sequence / CHUNK as u64).and_then(|place| place.chunk.as_deref());
        let keys = chunk.and_then(|chunk| chunk.keys.as_deref());
        keys.map_or(KeyMark::NONE, |keys| keys[sequence as usize % CHUNK])
    }

    /// Puts a message in a vacant place.
    pub(crate) fn insert(&mut self, sequence: u64, slot: Slot, key: KeyMark, spares: &mut SpareChunks) {
        debug_assert!(slot.state != State::Vacant);
        let place = self.place_for(sequence / CHUNK as u64);
        place.oldest = place.oldest.min(slot.lsn);
        let was_vacant = place.chunk.is_none();
        let chunk = place.chunk.get_or_insert_with(|| spares.take());
        chunk.live += 1;
        let vacancy = &mut chunk.slots[sequence as usize % CHUNK];
        assert!(vacancy.state == State::Vacant, "a sequence is used once");
        *vacancy = slot;
        if key != KeyMark::NONE || chunk.keys.is_some() {
            let keys = chunk.keys.get_or_insert_with(|| Box::new([KeyMark::NONE; CHUNK]));
            keys[sequence as usize % CHUNK] = key;
        }
        self.vacant -= usize::from(was_vacant);
    }

    /// The place of a chunk, made when there is none; a new one counts as vacant.
    fn place_for(&mut self, number: u64) -> &mut Place {
        let new = || Place { number, oldest: Lsn(u64::MAX), chunk: None };
        let last = self.places.back().map(|place| place.number);
        let is_stray = self.strays.as_ref().is_some_and(|strays| strays.contains_key(&number));
        if !is_stray && last.is_none_or(|last| number > last) {
            self.vacant += 1;
            self.places.push_back(new());
        }
        let known = self.find(number).filter(|_| !is_stray);
        match known.and_then(|at| self.places.get_mut(at)) {
            Some(place) => place,
            None => self.strays.get_or_insert_default().entry(number).or_insert_with(|| {
                self.vacant += 1;
                new()
            }),
        }
    }

    /// Moves a message's body to a new position.
    pub(crate) fn relocate(&mut self, sequence: u64, lsn: Lsn) {
        if let Some(place) = self.place_mut(sequence / CHUNK as u64)
            && let Some(chunk) = place.chunk.as_deref_mut()
        {
            chunk.slots[sequence as usize % CHUNK].lsn = lsn;
            place.oldest = place.oldest.min(lsn);
        }
    }

    /// Takes a message out.
    pub(crate) fn remove(&mut self, sequence: u64, spares: &mut SpareChunks) -> Option<Slot> {
        let number = sequence / CHUNK as u64;
        let chunk = self.place_mut(number)?.chunk.as_deref_mut()?;
        let place = &mut chunk.slots[sequence as usize % CHUNK];
        if place.state == State::Vacant {
            return None;
        }
        let slot = std::mem::replace(place, Slot::VACANT);
        chunk.live -= 1;
        if chunk.live == 0 {
            self.drop_chunk(number, spares);
        }
        Some(slot)
    }

    fn drop_chunk(&mut self, number: u64, spares: &mut SpareChunks) {
        let Some(at) = self.find(number) else {
            self.strays.as_mut().and_then(|strays| strays.remove(&number));
            return;
        };
        if let Some(place) = self.places.get_mut(at)
            && let Some(chunk) = place.chunk.take()
        {
            spares.give(chunk);
            place.oldest = Lsn(u64::MAX);
            self.vacant += 1;
        }
        while self.places.front().is_some_and(|place| place.chunk.is_none()) {
            self.places.pop_front();
            self.vacant -= 1;
        }
        while self.places.back().is_some_and(|place| place.chunk.is_none()) {
            self.places.pop_back();
            self.vacant -= 1;
        }
        if self.vacant > 16 && self.vacant * 2 > self.places.len() {
            self.places.retain(|place| place.chunk.is_some());
            self.vacant = 0;
        }
        if self.places.capacity() > 8 && self.places.len() * 8 < self.places.capacity() {
            self.places.shrink_to(self.places.len() * 2);
        }
    }

    /// Brings chunks that came out of order into order.
    pub(crate) fn settle_strays(&mut self) {
        let Some(strays) = self.strays.take() else { return };
        let places = std::mem::take(&mut self.places).into_iter();
        let mut places: Vec<Place> = places.chain(strays.into_values()).collect();
        places.retain(|place| place.chunk.is_some());
        places.sort_by_key(|place| place.number);
        self.places = places.into_iter().collect();
        self.vacant = 0;
    }

    /// The messages from `from` on, in order of sequence. Complete once strays are settled.
    pub(crate) fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let first = from / CHUNK as u64;
        let at = self.places.partition_point(|place| place.number < first);
        self.places
            .iter_from(at)
            .filter_map(|place| Some((place.number, place.chunk.as_deref()?)))
            .flat_map(|(number, chunk)| (number * CHUNK as u64..).zip(&chunk.slots))
            .skip_while(move |(sequence, _)| *sequence < from)
            .filter(|(_, slot)| slot.state != State::Vacant)
    }

    /// The messages whose envelope may lie before `lsn`; only chunks that may have one are looked into.
    pub(crate) fn iter_before(&self, lsn: Lsn) -> impl Iterator<Item = (u64, &Slot)> {
        self.places
            .iter()
            .filter(move |place| place.oldest < lsn)
            .filter_map(|place| Some((place.number, place.chunk.as_deref()?)))
            .flat_map(|(number, chunk)| (number * CHUNK as u64..).zip(&chunk.slots))
            .filter(move |(_, slot)| slot.state != State::Vacant && slot.lsn < lsn)
    }

    /// Recomputes which chunks may have messages before `lsn`, after most of them moved on.
    pub(crate) fn refresh_oldest(&mut self, lsn: Lsn) {
        for place in self.places.iter_mut().filter(|place| place.oldest < lsn) {
            let live = place.chunk.iter().flat_map(|chunk| &chunk.slots);
            let live = live.filter(|slot| slot.state != State::Vacant);
            place.oldest = live.map(|slot| slot.lsn).min().unwrap_or(Lsn(u64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slot_takes_one_cache_line() {
        assert_eq!(std::mem::size_of::<Slot>(), 64);
    }

    proptest! {
        #[test]
        fn behaves_like_an_ordered_map(steps in prop::collection::vec((any::<bool>(), 0u64..2000), 1..300)) {
            let mut slots = Slots::default();
            let mut spares = SpareChunks::default();
            let mut model = BTreeMap::new();
            for (insert, sequence) in steps {
                if insert && !model.contains_key(&sequence) {
                    let slot = Slot { state: State::Ready, lsn: Lsn(sequence * 7), ..Slot::VACANT };
                    slots.insert(sequence, slot, KeyMark::of(Some(&sequence.to_le_bytes())), &mut spares);
                    model.insert(sequence, Lsn(sequence * 7));
                } else if !insert {
                    let at = *model.range(sequence..).next().map_or(&sequence, |(at, _)| at);
                    let removed = slots.remove(at, &mut spares).map(|slot| slot.lsn);
                    prop_assert_eq!(removed, model.remove(&at));
                }
                prop_assert_eq!(slots.get(sequence).is_some(), model.contains_key(&sequence));
                if model.contains_key(&sequence) {
                    prop_assert_eq!(slots.key(sequence), KeyMark::of(Some(&sequence.to_le_bytes())));
                }
            }
            slots.settle_strays();
            let have: Vec<u64> = slots.iter_from(100).map(|(sequence, _)| sequence).collect();
            let want: Vec<u64> = model.range(100..).map(|(sequence, _)| *sequence).collect();
            prop_assert_eq!(have, want);
            let before = slots.iter_before(Lsn(700)).count();
            prop_assert_eq!(before, model.values().filter(|lsn| lsn.0 < 700).count());
        }
    }
}
