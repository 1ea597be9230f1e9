use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ::message::Timestamp;

use crate::line::Line;

/// When something is due, and for which message.
pub(crate) type Timer = (Timestamp, u64);

/// Timers in the order in which they fall due.
///
/// Most are set in that order already, as leases of one length are, so they wait in a line; only the others are
/// sorted. A timer that means nothing any more may stay for a while: whoever takes one says whether it still counts.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    line: Line<Timer>,
    #[allow(clippy::box_collection, reason = "what most queues never have should take one word")]
    sorted: Option<Box<BinaryHeap<Reverse<Timer>>>>,
}

#[cfg(test)]
thread_local! {
    /// How many timers were looked at, to see whether they still count.
    pub(crate) static LOOKED_AT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Timers that may be left over before it is worth to look for them.
const LEFT_OVER: usize = 64;

impl Timers {
    /// Sets a timer. `live` is how many count, this one included.
    pub(crate) fn set(&mut self, timer: Timer, live: usize, counts: impl Fn(Timer) -> bool) {
        if self.line.len() > live {
            while self.line.front().is_some_and(|first| !counts(*first)) {
                self.line.pop_front();
            }
        }
        self.add(timer);
        let most = 2 * live + LEFT_OVER;
        if self.line.len() > most {
            self.line.retain(|timer| counts(*timer));
        }
        if let Some(sorted) = self.sorted.as_mut().filter(|sorted| sorted.len() > most) {
            sorted.retain(|Reverse(timer)| counts(*timer));
        }
    }

    /// Sets a timer without looking for left over ones.
    pub(crate) fn add(&mut self, timer: Timer) {
        match self.line.back().is_none_or(|last| *last <= timer) {
            true => self.line.push_back(timer),
            false => self.sorted.get_or_insert_default().push(Reverse(timer)),
        }
    }

    fn first_sorted(&self) -> Option<&Reverse<Timer>> {
        self.sorted.as_ref()?.peek()
    }

    /// The first timer, whether it counts or not.
    pub(crate) fn first(&self) -> Option<Timer> {
        match (self.line.front(), self.first_sorted()) {
            (Some(line), Some(Reverse(sorted))) => Some(*line.min(sorted)),
            (line, sorted) => line.or(sorted.map(|Reverse(timer)| timer)).copied(),
        }
    }

    /// Takes the first timer out.
    pub(crate) fn take_first(&mut self) {
        let from_line = match (self.line.front(), self.first_sorted()) {
            (Some(line), Some(Reverse(sorted))) => line <= sorted,
            (line, _) => line.is_some(),
        };
        match &mut self.sorted {
            Some(sorted) if !from_line => drop(sorted.pop()),
            _ => drop(self.line.pop_front()),
        }
    }

    /// The first timer that counts; those before it go.
    pub(crate) fn first_that(&mut self, counts: impl Fn(Timer) -> bool) -> Option<Timer> {
        while let Some(first) = self.first() {
            if counts(first) {
                return Some(first);
            }
            self.take_first();
        }
        None
    }

    /// All timers, in no order; some may not count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Timer> {
        let sorted = self.sorted.iter().flat_map(|sorted| sorted.iter());
        self.line.iter().copied().chain(sorted.map(|Reverse(timer)| *timer))
    }

    pub(crate) fn clear(&mut self) {
        self.line.clear();
        match &mut self.sorted {
            Some(sorted) if sorted.capacity() <= LEFT_OVER => sorted.clear(),
            sorted => *sorted = None,
        }
        if self.line.capacity() > LEFT_OVER {
            self.line = Line::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a sorted set: what counts comes out in order, whatever was cancelled, and left over timers do not pile up.
        #[test]
        fn what_counts_falls_due_in_order(
            steps in prop::collection::vec((0u8..4, 0i64..50, any::<prop::sample::Index>()), 1..400),
        ) {
            let mut timers = Timers::default();
            let mut model: BTreeSet<Timer> = BTreeSet::new();
            for (sequence, (step, due, pick)) in (0u64..).zip(steps) {
                match step {
                    0 | 1 => {
                        let timer = (Timestamp(due), sequence);
                        model.insert(timer);
                        timers.set(timer, model.len(), |timer| model.contains(&timer));
                    }
                    2 => {
                        if let Some(cancelled) = model.iter().nth(pick.index(model.len() + 1)).copied() {
                            model.remove(&cancelled);
                        }
                    }
                    _ => {
                        let first = timers.first_that(|timer| model.contains(&timer));
                        prop_assert_eq!(first, model.first().copied());
                        if first.is_some() {
                            timers.take_first();
                            model.pop_first();
                        }
                    }
                }
                let live: BTreeSet<Timer> = timers.iter().filter(|timer| model.contains(timer)).collect();
                prop_assert_eq!(&live, &model);
            }
            let live = model.len();
            let next = (Timestamp(100), u64::MAX);
            model.insert(next);
            timers.set(next, live + 1, |timer| model.contains(&timer));
            prop_assert!(timers.iter().count() <= 2 * (2 * (live + 1) + LEFT_OVER));
        }
    }
}
