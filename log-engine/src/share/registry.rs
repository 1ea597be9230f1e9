use std::collections::{BTreeMap, BTreeSet};

use message::{GroupName, Timestamp};

use super::members::ShareMembers;
use super::partition::SharePartition;
use crate::PartitionId;

/// One share group as the engine keeps it.
#[derive(Debug, Default)]
pub(crate) struct ShareGroup {
    pub members: ShareMembers,
    pub partitions: BTreeMap<PartitionId, SharePartition>,
    deadline: Option<Timestamp>,
}

impl ShareGroup {
    fn next_deadline(&self) -> Option<Timestamp> {
        let locks = self.partitions.values().filter_map(SharePartition::next_timeout);
        locks.chain(self.members.next_deadline()).min()
    }
}

/// All share groups of an engine.
#[derive(Debug, Default)]
pub(crate) struct ShareGroups {
    by_name: BTreeMap<GroupName, ShareGroup>,
    deadlines: BTreeSet<(Timestamp, GroupName)>,
    /// Groups in which records came back, so that somebody who waits may have them.
    pub freed: BTreeSet<GroupName>,
}

impl ShareGroups {
    pub(crate) fn get(&self, name: &GroupName) -> Option<&ShareGroup> {
        self.by_name.get(name)
    }

    pub(crate) fn contains(&self, name: &GroupName) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupName, &ShareGroup)> {
        self.by_name.iter()
    }

    pub(crate) fn make(&mut self, name: &GroupName) {
        self.by_name.entry(name.clone()).or_default();
    }

    pub(crate) fn remove(&mut self, name: &GroupName) {
        let Some(group) = self.by_name.remove(name) else { return };
        if let Some(deadline) = group.deadline {
            self.deadlines.remove(&(deadline, name.clone()));
        }
    }

    /// Has something happen in a group that is there.
    pub(crate) fn change<T>(
        &mut self,
        name: &GroupName,
        happen: impl FnOnce(&mut ShareGroup) -> T,
    ) -> Option<T> {
        let group = self.by_name.get_mut(name)?;
        let outcome = happen(group);
        let deadline = group.next_deadline();
        self.due_at(name, deadline);
        Some(outcome)
    }

    /// The same in one partition, without a look at the others: what is due then may be found to be due later.
    pub(crate) fn change_partition<T>(
        &mut self,
        name: &GroupName,
        partition: PartitionId,
        happen: impl FnOnce(&mut SharePartition) -> T,
    ) -> Option<T> {
        let group = self.by_name.get_mut(name)?;
        let one = group.partitions.get_mut(&partition)?;
        let outcome = happen(one);
        let (known, timeout) = (group.deadline, one.next_timeout());
        if timeout.is_some_and(|timeout| known.is_none_or(|known| timeout < known)) {
            self.due_at(name, timeout);
        }
        Some(outcome)
    }

    fn due_at(&mut self, name: &GroupName, deadline: Option<Timestamp>) {
        let Some(group) = self.by_name.get_mut(name).filter(|group| group.deadline != deadline) else {
            return;
        };
        if let Some(old) = std::mem::replace(&mut group.deadline, deadline) {
            self.deadlines.remove(&(old, name.clone()));
        }
        self.deadlines.extend(deadline.map(|new| (new, name.clone())));
    }

    /// When something is due.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next group in which something is due by `now`.
    pub(crate) fn due(&self, now: Timestamp) -> Option<GroupName> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, name)| name.clone())
    }

    /// Forgets partitions that are gone.
    pub(crate) fn forget(&mut self, gone: &[PartitionId]) {
        for group in self.by_name.values_mut() {
            gone.iter().for_each(|id| _ = group.partitions.remove(id));
        }
    }
}
