//! What time does to share groups, and how the journal knows of them.

use std::time::Duration;

use message::{GroupName, Timestamp};
use segment_store::Block;

use crate::record::LogRecord;
use crate::share::{SharePartition, ShareRecord};
use crate::{LogEngine, LogError, PartitionId};

/// Changes in one record of a checkpoint.
const CHANGES_PER_RECORD: usize = 1024;

impl LogEngine {
    /// Puts out silent members and takes back records whose locks ended. Answers when the next thing is due.
    pub(crate) fn tick_shares(&mut self, block: &mut Block, now: Timestamp) -> Option<Timestamp> {
        let limits = self.config.shares.limits;
        while let Some(name) = self.shares.due(now) {
            let overdue = self.shares.change(&name, |group| {
                group.members.expire(now);
                let due = |one: &SharePartition| one.next_timeout().is_some_and(|at| at <= now);
                let partitions = group.partitions.iter().filter(|(_, one)| due(one));
                partitions.map(|(id, _)| *id).collect::<Vec<PartitionId>>()
            });
            for id in overdue.unwrap_or_default() {
                if block.remaining() < self.share_settle_len(&name, u64::MAX) {
                    return Some(now.plus(Duration::from_millis(1)));
                }
                if let Some(changes) = self.change_share(&name, id, |one| one.expire(now, &limits)) {
                    self.record_states(block, &name, id, changes);
                }
            }
            // Only now is it known when the next lock ends.
            self.shares.change(&name, |_| ());
        }
        self.shares.next_deadline()
    }

    /// Takes a record of a share group handed back by the journal.
    pub(crate) fn replay_share(&mut self, record: ShareRecord<'_>) -> Result<(), LogError> {
        match record {
            ShareRecord::Group(group) => self.shares.make(&GroupName::new(group)?),
            ShareRecord::GroupDeleted(group) => self.shares.remove(&GroupName::new(group)?),
            ShareRecord::Settings { group, settings } => {
                let text = settings.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
                self.take_group_settings(GroupName::new(group)?, text);
            }
            ShareRecord::Started { group, partition, start } => {
                let started = SharePartition::new(start);
                self.shares.change(&GroupName::new(group)?, |one| one.partitions.insert(partition, started));
            }
            ShareRecord::States { group, partition, changes } => {
                self.change_share(&GroupName::new(group)?, partition, |one| {
                    changes.into_iter().for_each(|change| one.replay(change));
                });
            }
            ShareRecord::Forgotten { group, partitions } => {
                self.shares.change(&GroupName::new(group)?, |one| {
                    partitions.iter().for_each(|id| _ = one.partitions.remove(id));
                });
            }
        }
        Ok(())
    }

    /// Ends replay for share groups: what they knew of partitions that are gone is gone.
    pub(crate) fn finish_share_recovery(&mut self) {
        let known = self.shares.iter().flat_map(|(_, group)| group.partitions.keys());
        let gone: Vec<PartitionId> = known.filter(|id| !self.partitions.contains_key(id)).copied().collect();
        self.shares.forget(&gone);
        self.shares.freed.clear();
    }

    /// The records of a checkpoint that share groups consist of.
    pub(crate) fn checkpoint_shares(&self, put: &mut dyn FnMut(&LogRecord<'_>)) {
        let mut put = |record: ShareRecord<'_>| put(&LogRecord::Share(record));
        for (name, group) in self.shares.iter() {
            let name = name.as_str();
            put(ShareRecord::Group(name));
            for (id, one) in &group.partitions {
                put(ShareRecord::Started { group: name, partition: *id, start: one.start() });
                for changes in one.kept().chunks(CHANGES_PER_RECORD) {
                    put(ShareRecord::States { group: name, partition: *id, changes: changes.to_vec() });
                }
            }
        }
    }
}
