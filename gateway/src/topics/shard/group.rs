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

/// Groups in journal order. **Invariant:** none is released before one that came earlier, so no answer, delivery
/// or rejection is seen that rests on something which could still be lost while a stricter promise is open.
pub(crate) struct GroupQueue<E> {
    waiting: VecDeque<Group<E>>,
}

impl<E> GroupQueue<E> {
    pub(crate) fn new() -> Self {
        GroupQueue { waiting: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, group: Group<E>) {
        self.waiting.push_back(group);
    }

    /// The next group that may go, given what the disk holds for certain.
    pub(crate) fn pop_ready(&mut self, durable: Lsn) -> Option<Group<E>> {
        let first = self.waiting.front()?;
        if first.synced && first.end > durable { None } else { self.waiting.pop_front() }
    }

    /// Up to where the disk must be synced for everything that waits, and how many commands that are.
    pub(crate) fn wanted(&self) -> Option<(Lsn, usize)> {
        let newest = self.waiting.iter().rev().find(|group| group.synced)?;
        Some((newest.end, self.waiting.iter().map(|group| group.commands).sum()))
    }

    #[cfg(test)]
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
        let mut groups = GroupQueue::new();
        groups.push(group(10, false));
        groups.push(group(20, true));
        groups.push(group(30, false));
        assert_eq!(groups.wanted(), Some((Lsn(20), 3)));
        assert_eq!(groups.pop_ready(Lsn(0)).map(|g| g.effects), Some(10));
        assert!(groups.pop_ready(Lsn(19)).is_none());
        assert_eq!(groups.pop_ready(Lsn(20)).map(|g| g.effects), Some(20));
        assert_eq!(groups.pop_ready(Lsn(20)).map(|g| g.effects), Some(30));
        assert!(groups.is_empty());
    }
}
