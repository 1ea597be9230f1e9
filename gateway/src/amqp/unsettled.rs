use std::collections::VecDeque;

use crate::topics::Lease;
use crate::topics::session::ConsumerNumber;

/// A delivery that waits for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number on the channel.
    pub tag: u64,
    /// What settles it; `None` for a record of a log, which needs no settling.
    pub lease: Option<Lease>,
    /// Whose credit comes back with it; `None` for a message that was fetched singly.
    pub consumer: Option<ConsumerNumber>,
}

/// A channel's deliveries that are not settled, by delivery tag.
///
/// Tags only grow, so the list is sorted by itself. Settled entries in its middle stay as gaps until there are more of
/// them than of the others: memory follows what is unsettled, whatever a client leaves behind.
#[derive(Debug, Default)]
pub struct Unsettled {
    entries: VecDeque<(Pending, bool)>,
    gone: usize,
}

impl Unsettled {
    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.gone
    }

    /// Adds a delivery; its tag is higher than all before it.
    pub fn push(&mut self, pending: Pending) {
        self.entries.push_back((pending, true));
    }

    /// Takes out one delivery.
    pub fn take(&mut self, tag: u64) -> Option<Pending> {
        let front = self.entries.front()?;
        let at = if front.0.tag == tag {
            0
        } else {
            self.entries.binary_search_by_key(&tag, |(pending, _)| pending.tag).ok()?
        };
        let (pending, waits) = self.entries.get_mut(at)?;
        if !std::mem::replace(waits, false) {
            return None;
        }
        let pending = *pending;
        self.gone += 1;
        self.tidy();
        Some(pending)
    }

    /// Takes out every delivery up to and including `tag`, in order.
    pub fn take_through(&mut self, tag: u64, mut taken: impl FnMut(Pending)) {
        while let Some((pending, waits)) = self.entries.front() {
            if pending.tag > tag {
                break;
            }
            if *waits {
                taken(*pending);
            } else {
                self.gone -= 1;
            }
            self.entries.pop_front();
        }
        self.tidy();
    }

    /// Puts deliveries back that were taken out, whatever their order.
    pub fn put_back(&mut self, back: impl IntoIterator<Item = Pending>) {
        let mut all: Vec<Pending> = back.into_iter().collect();
        self.take_through(u64::MAX, |pending| all.push(pending));
        all.sort_unstable_by_key(|pending| pending.tag);
        self.entries = all.into_iter().map(|pending| (pending, true)).collect();
        self.gone = 0;
    }

    fn tidy(&mut self) {
        while self.entries.front().is_some_and(|(_, waits)| !waits) {
            self.entries.pop_front();
            self.gone -= 1;
        }
        if self.gone > 64 && self.gone * 2 > self.entries.len() {
            self.entries.retain(|(_, waits)| *waits);
            self.gone = 0;
        }
        if self.entries.capacity() > 256 && self.entries.len() * 8 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn pending(tag: u64) -> Pending {
        Pending { tag, lease: None, consumer: None }
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_tags(steps in prop::collection::vec((0u8..4, 0u64..200), 0..400)) {
            let (mut unsettled, mut model, mut next) = (Unsettled::default(), BTreeSet::new(), 1);
            for (step, tag) in steps {
                match step {
                    0 | 1 => {
                        unsettled.push(pending(next));
                        model.insert(next);
                        next += 1;
                    }
                    2 => prop_assert_eq!(unsettled.take(tag).map(|p| p.tag), model.take(&tag)),
                    _ => {
                        let mut taken = Vec::new();
                        unsettled.take_through(tag / 4, |p| taken.push(p.tag));
                        let later = model.split_off(&(tag / 4 + 1));
                        prop_assert_eq!(taken, std::mem::replace(&mut model, later).into_iter().collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(unsettled.len(), model.len());
            }
        }
    }

    #[test]
    fn one_that_is_never_settled_does_not_hold_the_memory_of_those_that_are() {
        let mut unsettled = Unsettled::default();
        unsettled.push(pending(1));
        for tag in 2..100_000 {
            unsettled.push(pending(tag));
            assert!(unsettled.take(tag).is_some());
        }
        assert_eq!(unsettled.len(), 1);
        assert!(unsettled.entries.capacity() < 1000, "{}", unsettled.entries.capacity());
    }

    #[test]
    fn what_is_put_back_takes_its_place() {
        let mut unsettled = Unsettled::default();
        (1..=5).for_each(|tag| unsettled.push(pending(tag)));
        let taken = [unsettled.take(4), unsettled.take(2)];
        unsettled.put_back(taken.into_iter().flatten());
        let mut order = Vec::new();
        unsettled.take_through(u64::MAX, |p| order.push(p.tag));
        assert_eq!(order, [1, 2, 3, 4, 5]);
    }
}
