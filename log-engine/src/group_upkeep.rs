//! What time does to groups, and how the journal knows of them.

use message::{GroupName, Timestamp};
use segment_store::Block;

use crate::record::{CommittedOffset, LogRecord};
use crate::{LogEngine, LogError, PartitionId};

/// Groups that got or lost members, noted by one tick.
const RECORDED_AT_A_TIME: usize = 512;
/// Groups that one tick looks at for old offsets.
const GROUPS_EXPIRED_AT_A_TIME: usize = 4096;
/// Offsets that one tick forgets.
const OFFSETS_EXPIRED_AT_A_TIME: usize = 16 << 10;
/// Committed offsets in one record of a checkpoint.
const COMMITS_PER_RECORD: usize = 256;

impl LogEngine {
    /// Does what is due in groups: silent members go, rebalances end, old offsets are forgotten. Answers when the next
    /// thing is due.
    pub(crate) fn tick_groups(&mut self, block: &mut Block, now: Timestamp) -> Option<Timestamp> {
        while let Some(name) = self.groups.due(now) {
            self.change_group(&name, now, |one, catalog, at| one.members.tick(catalog, at));
        }
        self.record_occupation(block);
        self.expire_offsets(block, now);
        let more = self.groups.expiry_from.is_some() || !self.groups.unrecorded.is_empty();
        let offsets = match more {
            true => Some(now.plus(std::time::Duration::from_millis(1))),
            false => (!self.groups.by_name.is_empty()).then_some(self.groups.next_expiry),
        };
        [self.groups.next_deadline(), offsets].into_iter().flatten().min()
    }

    /// Tells the journal which groups got their first member or lost their last: that decides how long it keeps their
    /// offsets.
    fn record_occupation(&mut self, block: &mut Block) {
        for _ in 0..RECORDED_AT_A_TIME {
            let Some(name) = self.groups.unrecorded.pop_first() else { return };
            self.record_occupation_of(block, &name);
        }
    }

    pub(crate) fn record_occupation_of(&mut self, block: &mut Block, name: &GroupName) {
        let Some(group) = self.groups.by_name.get_mut(name) else { return };
        let occupied = !group.members.is_empty();
        if group.recorded_occupied == occupied || group.offsets.is_empty() {
            return;
        }
        group.recorded_occupied = occupied;
        let empty_since = group.empty_since.filter(|_| !occupied);
        self.push(block, &LogRecord::GroupOccupation { group: name.as_str(), empty_since });
    }

    /// Forgets offsets that nobody came back for, a number of groups at a time.
    fn expire_offsets(&mut self, block: &mut Block, now: Timestamp) {
        use std::ops::Bound::{Excluded, Unbounded};
        if self.groups.expiry_from.is_none() {
            if now < self.groups.next_expiry {
                return;
            }
            self.groups.next_expiry = now.plus(self.config.groups.offsets_check);
        }
        let from = self.groups.expiry_from.take();
        let range = (from.as_ref().map_or(Unbounded, Excluded), Unbounded);
        let (mut expired, mut vacant, mut count, mut seen) = (Vec::new(), Vec::new(), 0, 0);
        let mut last = None;
        for (name, group) in self.groups.by_name.range::<GroupName, _>(range) {
            if seen == GROUPS_EXPIRED_AT_A_TIME || count >= OFFSETS_EXPIRED_AT_A_TIME {
                self.groups.expiry_from = last;
                break;
            }
            seen += 1;
            last = Some(name.clone());
            let mut gone = self.expired_of(group, now);
            gone.truncate(OFFSETS_EXPIRED_AT_A_TIME - count);
            count += gone.len();
            if group.members.is_vacant() && gone.len() == group.offsets.len() {
                vacant.push(name.clone());
            }
            if !gone.is_empty() {
                expired.push((name.clone(), gone));
            }
        }
        for (name, gone) in expired {
            self.forget_offsets(block, &name, &gone, now);
        }
        vacant.iter().for_each(|name| self.groups.remove(name));
    }

    fn expired_of(&self, group: &crate::group::Group, now: Timestamp) -> Vec<PartitionId> {
        let retention = self.config.groups.offsets_retention;
        let read = match group.members.is_empty() {
            true => Some(Default::default()),
            false => group.members.read_topics(self.config.groups.format),
        };
        // While members are there, only topics that none of them reads any more grow old.
        let Some(read) = read else { return Vec::new() };
        let kept_since = group.empty_since.filter(|_| group.members.is_empty());
        group.offsets.expired(now, |id, at| {
            let is_read = self.partition(id).is_some_and(|view| read.contains(view.topic()));
            let since = kept_since.map_or(at, |since| since.max(at));
            !is_read && since.plus(retention) <= now
        })
    }

    /// Ends replay for groups: what was committed for partitions that are gone is gone, and who was a member is not.
    pub(crate) fn finish_group_recovery(&mut self, now: Timestamp) {
        let partitions = &self.partitions;
        let names: Vec<GroupName> = self.groups.by_name.keys().cloned().collect();
        for name in names {
            let Some(group) = self.groups.by_name.get_mut(&name) else { continue };
            let gone: Vec<PartitionId> =
                group.offsets.partitions().filter(|id| !partitions.contains_key(id)).collect();
            gone.iter().for_each(|id| _ = group.offsets.remove(*id));
            if group.recorded_occupied {
                // Its members did not come along: it counts as empty from now on.
                group.empty_since = Some(now);
                self.groups.unrecorded.insert(name.clone());
            }
            self.groups.tidy(&name);
        }
        self.groups.next_expiry = now.plus(self.config.groups.offsets_check);
    }

    /// Takes a record of a group handed back by the journal.
    pub(crate) fn replay_group(&mut self, record: LogRecord<'_>) -> Result<(), LogError> {
        match record {
            LogRecord::Offsets { group, commits } => {
                let group = self.groups.by_name.entry(GroupName::new(group)?).or_default();
                for commit in commits {
                    group.offsets.set(commit.partition, commit.committed());
                }
            }
            LogRecord::OffsetsDeleted { group, partitions } => {
                if let Some(group) = self.groups.by_name.get_mut(&GroupName::new(group)?) {
                    partitions.iter().for_each(|id| _ = group.offsets.remove(*id));
                }
            }
            LogRecord::GroupOccupation { group, empty_since } => {
                let group = self.groups.by_name.entry(GroupName::new(group)?).or_default();
                group.recorded_occupied = empty_since.is_none();
                group.empty_since = empty_since;
            }
            LogRecord::GroupDeleted(group) => self.groups.remove(&GroupName::new(group)?),
            _ => {}
        }
        Ok(())
    }

    /// The records of a checkpoint that groups consist of.
    pub(crate) fn checkpoint_groups(&self, put: &mut dyn FnMut(&LogRecord<'_>)) {
        for (name, group) in &self.groups.by_name {
            let offsets: Vec<_> = group.offsets.iter().collect();
            for run in offsets.chunks(COMMITS_PER_RECORD) {
                let commits = run.iter().map(|(id, committed)| CommittedOffset::of(*id, committed));
                put(&LogRecord::Offsets { group: name.as_str(), commits: commits.collect() });
            }
            let occupied = !group.members.is_empty();
            if !offsets.is_empty() && (occupied || group.empty_since.is_some()) {
                let empty_since = group.empty_since.filter(|_| !occupied);
                put(&LogRecord::GroupOccupation { group: name.as_str(), empty_since });
            }
        }
    }
}
