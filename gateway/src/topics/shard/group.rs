use std::collections::VecDeque;

use segment_store::Lsn;

/// What was drained from the inbox in one go, held back until it is durable enough.
pub(crate) struct Group<E> {
    /// Where its last journal block ended.
    pub end: Lsn,
    /// Whether somebody in it asked for the disk, not just the page cache.
    pub synced: bool,
    /// How many commands wait in it.
    pub commands: usize,
    /// What happens to the outside when it is released.
    pub effects: E,
}

/// Numbers groups from 1 in journal order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupNumber(u64);

/// What was released: whatever rests on nothing else may be seen at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released {
    /// Every group up to this one.
    pub group: GroupNumber,
    /// Everything that the journal has below this.
    pub end: Lsn,
}

/// Groups in journal order. **Invariant:** none is released before one that came earlier, so no answer, delivery
/// or rejection is seen that rests on something which could still be lost while a stricter promise is open.
pub(crate) struct GroupQueue<E> {
    waiting: VecDeque<Group<E>>,
    released: Released,
}

impl<E> GroupQueue<E> {
    /// No groups yet, on a journal that ends there.
    pub(crate) fn new(end: Lsn) -> Self {
        GroupQueue { waiting: VecDeque::new(), released: Released { group: GroupNumber(0), end } }
    }

    /// The number of the group that comes next.
    pub(crate) fn next(&self) -> GroupNumber {
        GroupNumber(self.released.group.0 + self.waiting.len() as u64 + 1)
    }

    /// Up to where groups were released.
    pub(crate) fn released(&self) -> Released {
        self.released
    }

    pub(crate) fn push(&mut self, group: Group<E>) {
        self.waiting.push_back(group);
    }

    /// The next group that may go, given what the disk holds for certain.
    pub(crate) fn pop_ready(&mut self, durable: Lsn) -> Option<Group<E>> {
        let first = self.waiting.front()?;
        if first.synced && first.end > durable {
            return None;
        }
        let group = self.waiting.pop_front()?;
        self.released = Released { group: GroupNumber(self.released.group.0 + 1), end: group.end };
        Some(group)
    }

    /// Up to where the disk must be synced for everything that waits, and how many commands that are.
    pub(crate) fn wanted(&self) -> Option<(Lsn, usize)> {
        let newest = self.waiting.iter().rev().find(|group| group.synced)?;
        Some((newest.end, self.waiting.iter().map(|group| group.commands).sum()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Everything that waits, because it will never become durable.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Group<E>> + '_ {
        self.waiting.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(end: u64, synced: bool) -> Group<u64> {
        Group { end: Lsn(end), synced, commands: 1, effects: end }
    }

    #[test]
    fn nothing_overtakes_a_group_that_waits_for_the_disk() {
        let mut groups = GroupQueue::new(Lsn(5));
        assert_eq!((groups.next(), groups.released().end), (GroupNumber(1), Lsn(5)));
        groups.push(group(10, false));
        groups.push(group(20, true));
        groups.push(group(30, false));
        assert_eq!(groups.wanted(), Some((Lsn(20), 3)));
        assert_eq!(groups.pop_ready(Lsn(0)).map(|g| g.effects), Some(10));
        assert_eq!((groups.released().group, groups.released().end), (GroupNumber(1), Lsn(10)));
        assert_eq!(groups.next(), GroupNumber(4));
        assert!(groups.pop_ready(Lsn(19)).is_none());
        assert_eq!(groups.pop_ready(Lsn(20)).map(|g| g.effects), Some(20));
        assert_eq!(groups.pop_ready(Lsn(20)).map(|g| g.effects), Some(30));
        assert!(groups.is_empty());
    }
}
