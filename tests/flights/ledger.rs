//! What was acknowledged to whom, kept outside the broker.

use std::collections::{BTreeMap, BTreeSet};

/// The outside view of one topic.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Flights that the broker said it had taken, and where.
    pub confirmed: BTreeMap<usize, BTreeSet<(u64, u64)>>,
    /// How often each place was delivered.
    pub delivered: BTreeMap<(u64, u64), u32>,
    /// Which flight each place held; it must never change.
    pub contents: BTreeMap<(u64, u64), usize>,
    /// Places whose settling or commit the broker confirmed.
    pub settled: BTreeSet<(u64, u64)>,
    /// Places whose settling was asked for and cut off by a kill: done or not, until they come again.
    pub perhaps_settled: BTreeSet<(u64, u64)>,
    /// Places that had been delivered and whose settling was not confirmed when a kill came.
    pub open_at_a_kill: BTreeSet<(u64, u64)>,
}

impl Ledger {
    /// The broker confirmed a flight at a place.
    pub fn confirm(&mut self, flight: usize, place: (u64, u64)) {
        self.confirmed.entry(flight).or_default().insert(place);
        self.holds(place, flight);
    }

    /// A place was delivered, with or without a word that it had been handed out before. Twice is allowed only where
    /// its lease or commit was open at a kill.
    pub fn deliver(&mut self, place: (u64, u64), flight: usize) -> u32 {
        self.holds(place, flight);
        assert!(!self.settled.contains(&place), "{place:?} came again after its settling was confirmed");
        self.perhaps_settled.remove(&place);
        let times = self.delivered.entry(place).or_default();
        *times += 1;
        assert!(
            *times == 1 || self.open_at_a_kill.contains(&place),
            "{place:?} came {times} times though no lease or commit of it was open at a kill"
        );
        *times
    }

    /// The broker confirmed that a place is settled.
    pub fn settle(&mut self, place: (u64, u64)) {
        self.perhaps_settled.remove(&place);
        self.settled.insert(place);
    }

    /// The broker was asked to settle a place and was killed before it answered.
    pub fn cut_off(&mut self, place: (u64, u64)) {
        if !self.settled.contains(&place) {
            self.perhaps_settled.insert(place);
        }
    }

    /// How many places need nothing more.
    pub fn done(&self) -> usize {
        self.settled.len() + self.perhaps_settled.len()
    }

    /// The server was killed.
    pub fn kill(&mut self) {
        let open = self.delivered.keys().filter(|place| !self.settled.contains(*place));
        self.open_at_a_kill.extend(open);
    }

    /// Nothing that was confirmed is missing, nothing was invented, nothing was taken twice.
    pub fn check_complete(&self, flights: usize) {
        assert_eq!(self.confirmed.len(), flights, "every flight was confirmed in the end");
        for (flight, places) in &self.confirmed {
            assert_eq!(places.len(), 1, "flight {flight} was confirmed at {places:?}");
            let place = places.first().expect("one place");
            assert!(
                self.delivered.contains_key(place),
                "flight {flight} was confirmed at {place:?} and never came"
            );
        }
        for (place, flight) in &self.contents {
            assert!(
                self.confirmed[flight].contains(place),
                "flight {flight} came from {place:?}, where nobody put it"
            );
        }
    }

    fn holds(&mut self, place: (u64, u64), flight: usize) {
        let held = *self.contents.entry(place).or_insert(flight);
        assert_eq!(held, flight, "{place:?} held flight {held} and now holds {flight}");
    }
}
