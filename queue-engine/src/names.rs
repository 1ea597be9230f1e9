//! Finding queues by their names.
use std::cell::RefCell;
use std::collections::HashMap;

use crate::QueueId;

/// The names of queues, and which were found last: whoever asks for one asks for it more than once, and those who ask for
/// several ask again in the same order.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: HashMap<Box<str>, QueueId>,
    recent: RefCell<Recent>,
}

/// The latest finds, the next one over the oldest.
#[derive(Debug, Default)]
struct Recent {
    found: [(String, QueueId); Names::RECENT],
    /// Which was asked for last.
    at: usize,
}

/// A queue that was found by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: QueueId,
    /// Whether it was not asked for lately.
    pub(crate) is_news: bool,
}

impl Names {
    /// How many finds are remembered.
    pub(crate) const RECENT: usize = 16;

    /// Finds a queue. Mostly it is the one that was asked for last, or the one that was found after that.
    pub(crate) fn find(&self, name: &str) -> Option<Found> {
        if name.is_empty() {
            return None;
        }
        let recent = &mut *self.recent.borrow_mut();
        let next = (recent.at + 1) % Names::RECENT;
        for at in [recent.at, next] {
            let (known, id) = &recent.found[at];
            if known == name {
                recent.at = at;
                return Some(Found { id: *id, is_news: false });
            }
        }
        let id = *self.ids.get(name)?;
        recent.at = next;
        name.clone_into(&mut recent.found[next].0);
        recent.found[next].1 = id;
        Some(Found { id, is_news: true })
    }

    /// Says that the latest `count` finds, at most [`Names::RECENT`], are going to be asked for again, from the first on.
    pub(crate) fn rewind(&self, count: usize) {
        let recent = &mut *self.recent.borrow_mut();
        recent.at = (recent.at + Names::RECENT - count.min(Names::RECENT)) % Names::RECENT;
    }

    /// The queue of that name, without remembering that somebody asked.
    pub(crate) fn get(&self, name: &str) -> Option<QueueId> {
        self.ids.get(name).copied()
    }

    pub(crate) fn insert(&mut self, name: &str, id: QueueId) {
        self.ids.insert(name.into(), id);
        self.recent.take();
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.ids.remove(name);
        self.recent.take();
    }

    /// All names, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.ids.keys().map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_found_in_turn_is_asked_for_again_in_turn() {
        let mut names = Names::default();
        for n in 0..40 {
            names.insert(&format!("q{n}"), QueueId(n));
        }
        let find = |n: u32| names.find(&format!("q{n}")).unwrap();
        for first in [0, 9] {
            for n in first..first + 9 {
                assert_eq!(find(n), Found { id: QueueId(n), is_news: true });
            }
            names.rewind(9);
            for n in first..first + 9 {
                for _ in 0..3 {
                    assert_eq!(find(n), Found { id: QueueId(n), is_news: false });
                }
            }
        }
    }

    proptest! {
        /// Whatever is remembered, the answer is that of a plain map.
        #[test]
        fn nothing_stale_is_found(steps in prop::collection::vec((0u8..4, 0u32..30), 1..300)) {
            let (mut names, mut model) = (Names::default(), HashMap::new());
            for (number, (step, n)) in (0u32..).zip(steps) {
                let name = if n == 0 { String::new() } else { format!("q{n}") };
                match step {
                    0 if n > 0 => {
                        names.insert(&name, QueueId(number));
                        model.insert(name, QueueId(number));
                    }
                    1 => {
                        names.remove(&name);
                        model.remove(&name);
                    }
                    2 => names.rewind(n as usize),
                    _ => prop_assert_eq!(names.find(&name).map(|found| found.id), model.get(&name).copied()),
                }
                prop_assert_eq!(names.iter().count(), model.len());
            }
        }
    }
}
