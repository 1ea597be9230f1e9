//! What groups have committed.

use message::{GroupName, Timestamp};
use segment_store::Block;

use crate::group::{
    Committed, Generation, GroupError, InstanceId, MemberId, OffsetCommit, OffsetReset, ResetTo, resolve,
};
use crate::record::{CommittedOffset, LogRecord};
use crate::{LogEngine, LogError, Offset, PartitionId, TopicPartition};

/// On whose behalf offsets are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committer<'a> {
    /// A reader that picks its partitions itself, or an administrator: only while the group has no members.
    Nobody,
    /// A producer that names no member, as clients from before KIP-447 do in a transaction: whatever members there are.
    Producer,
    /// A member, in a generation.
    Member {
        /// Its id.
        id: &'a MemberId,
        /// The generation in which it got what it commits; absent means the one that it has reached.
        generation: Option<Generation>,
        /// Its static name, if it gives it.
        instance: Option<&'a InstanceId>,
    },
}

impl LogEngine {
    /// Commits offsets, all or none. Offsets outside what the partition holds are refused.
    pub fn commit_offsets(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        committer: Committer<'_>,
        commits: &[OffsetCommit],
        now: Timestamp,
    ) -> Result<(), LogError> {
        let ids = self.check_commit(group, committer, commits, now)?;
        let committed = ids.into_iter().zip(commits.iter().map(|commit| commit.committed(now)));
        self.store_committed(block, group, committed.collect(), now);
        Ok(())
    }

    /// Whether all of these offsets may be committed; answers their partitions.
    pub(crate) fn check_commit(
        &mut self,
        group: &GroupName,
        committer: Committer<'_>,
        commits: &[OffsetCommit],
        now: Timestamp,
    ) -> Result<Vec<PartitionId>, LogError> {
        let checked = self.check_commits(group, committer, commits, now)?;
        let ids = checked.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.check_within_logs(commits)?;
        Ok(ids)
    }

    /// Refuses offsets outside of their partitions. Clients of the wire protocol may commit those; others most
    /// likely made a mistake.
    pub fn check_within_logs(&self, commits: &[OffsetCommit]) -> Result<(), LogError> {
        self.check_each(commits, |offset, end| offset.0 >= 0 && offset <= end)
    }

    /// Refuses negative offsets.
    pub(crate) fn check_not_negative(&self, commits: &[OffsetCommit]) -> Result<(), LogError> {
        self.check_each(commits, |offset, _| offset.0 >= 0)
    }

    /// Refuses offsets that do not fit the end of their log.
    fn check_each(&self, commits: &[OffsetCommit], fits: fn(Offset, Offset) -> bool) -> Result<(), LogError> {
        for commit in commits {
            let view = self.resolve(&commit.partition)?;
            let (start, end) = (view.log_start(), view.log_end());
            if !fits(commit.offset, end) {
                return Err(LogError::OffsetOutOfRange { requested: commit.offset, start, end });
            }
        }
        Ok(())
    }

    /// Commits what of these offsets can be committed: one result for each. Whether the partition holds the offset is
    /// not asked, as clients of the wire protocol expect. A negative offset, by which KafkaJS resets a group to an end of
    /// its logs, stands for none: what was committed is forgotten.
    pub fn commit_each(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        committer: Committer<'_>,
        commits: &[OffsetCommit],
        now: Timestamp,
    ) -> Result<Vec<Result<(), LogError>>, LogError> {
        let checked = self.check_commits(group, committer, commits, now)?;
        let valid =
            commits.iter().zip(&checked).filter_map(|(commit, id)| Some((*id.as_ref().ok()?, commit)));
        let (gone, kept): (Vec<_>, Vec<_>) = valid.partition(|(_, commit)| commit.offset.0 < 0);
        let gone: Vec<PartitionId> = gone.into_iter().map(|(id, _)| id).collect();
        let kept = kept.into_iter().map(|(id, commit)| (id, commit.committed(now)));
        self.store_committed(block, group, kept.collect(), now);
        self.forget_offsets(block, group, &gone, now);
        Ok(checked.into_iter().map(|id| id.map(|_| ())).collect())
    }

    /// Whether the committer may commit at all, and each of these.
    pub(crate) fn check_commits(
        &mut self,
        group: &GroupName,
        committer: Committer<'_>,
        commits: &[OffsetCommit],
        now: Timestamp,
    ) -> Result<Vec<Result<PartitionId, LogError>>, LogError> {
        let max = self.config.groups.metadata_bytes_max;
        let check = |commit: &OffsetCommit| {
            let id = self.resolve(&commit.partition)?.id();
            let size = commit.metadata.len();
            if size > max {
                return Err(GroupError::MetadataTooLarge { size, max }.into());
            }
            Ok(id)
        };
        let checked: Vec<Result<PartitionId, LogError>> = commits.iter().map(check).collect();
        self.check_not_shared(group)?;
        self.check_group_memory()?;
        let known = self.groups.by_name.get_mut(group);
        let (id, generation, instance) = match (committer, known.as_ref()) {
            (Committer::Nobody, Some(known)) if !known.members.is_empty() => {
                return Err(GroupError::InUse(group.clone()).into());
            }
            (Committer::Nobody | Committer::Producer, _) => return Ok(checked),
            (Committer::Member { id, generation, instance }, _) => (id, generation, instance),
        };
        let unknown = || GroupError::UnknownMember(id.clone());
        let members = &mut known.ok_or_else(unknown)?.members;
        let generation = match generation {
            Some(generation) => generation,
            None => members.epoch_of(id).ok_or_else(unknown)?,
        };
        let ids: Vec<PartitionId> = checked.iter().filter_map(|id| id.as_ref().ok().copied()).collect();
        let mut allowed = members.check_commit(id, generation, instance, &ids, now)?.into_iter();
        let judge = |(commit, id): (&OffsetCommit, Result<PartitionId, LogError>)| match id {
            Ok(_) if allowed.next() == Some(false) => {
                Err(GroupError::NotAssigned(commit.partition.clone()).into())
            }
            id => id,
        };
        Ok(commits.iter().zip(checked).map(judge).collect())
    }

    /// Stores offsets that were checked before, as far as their partitions still exist.
    pub(crate) fn store_committed(
        &mut self,
        block: &mut Block,
        name: &GroupName,
        mut commits: Vec<(PartitionId, Committed)>,
        now: Timestamp,
    ) {
        commits.retain(|(partition, _)| self.partitions.contains_key(partition));
        if commits.is_empty() {
            return;
        }
        commits.iter_mut().for_each(|(_, committed)| committed.at = now);
        let recorded = commits.iter().map(|(id, committed)| CommittedOffset::of(*id, committed)).collect();
        self.push(block, &LogRecord::Offsets { group: name.as_str(), commits: recorded });
        let group = self.groups.by_name.entry(name.clone()).or_default();
        for (id, committed) in commits {
            group.offsets.set(id, committed);
        }
        self.groups.tidy(name);
        self.record_occupation_of(block, name);
    }

    /// What a group has committed, by partition. An unknown group has committed nothing.
    #[must_use]
    pub fn committed(&self, group: &GroupName) -> Vec<(TopicPartition, Committed)> {
        let offsets = self.groups.by_name.get(group).into_iter().flat_map(|group| group.offsets.iter());
        let named = offsets.filter_map(|(id, committed)| {
            let view = self.partition(id)?;
            Some((view.name().clone(), committed))
        });
        named.collect()
    }

    /// What a group has committed in one partition.
    #[must_use]
    pub fn committed_offset(&self, group: &GroupName, partition: PartitionId) -> Option<Committed> {
        self.groups.by_name.get(group)?.offsets.get(partition)
    }

    /// Moves a group's offsets, or with `dry_run` tells where they would move. Refused while it has live members.
    pub fn reset(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        partitions: &[TopicPartition],
        to: ResetTo,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<OffsetReset>, LogError> {
        if !dry_run {
            self.check_unused(group)?;
        }
        let mut resets = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let view = self.resolve(partition)?;
            let from = self.committed_offset(group, view.id()).map(|committed| committed.offset);
            let to = resolve(view, from, to)?;
            resets.push(OffsetReset { partition: partition.clone(), from, to });
        }
        if !dry_run {
            let commit = |reset: &OffsetReset| OffsetCommit::new(reset.partition.clone(), reset.to);
            let commits: Vec<_> = resets.iter().map(commit).collect();
            self.commit_each(block, group, Committer::Nobody, &commits, now)?;
        }
        Ok(resets)
    }

    fn check_unused(&self, group: &GroupName) -> Result<(), GroupError> {
        match self.groups.by_name.get(group).is_some_and(|group| !group.members.is_empty()) {
            true => Err(GroupError::InUse(group.clone())),
            false => Ok(()),
        }
    }

    /// Deletes a group of any kind with its offsets. Refused while it has live members.
    pub fn delete_group(&mut self, block: &mut Block, group: &GroupName) -> Result<(), LogError> {
        if self.shares.contains(group) {
            return Ok(self.delete_share_group(block, group)?);
        }
        if !self.groups.by_name.contains_key(group) {
            return Err(GroupError::UnknownGroup(group.clone()).into());
        }
        self.check_unused(group)?;
        self.push(block, &LogRecord::GroupDeleted(group.as_str()));
        self.groups.remove(group);
        Ok(())
    }

    /// Forgets what a group committed for some partitions, one result for each; whether there was anything. Refused for
    /// topics that members read.
    pub fn delete_offsets(
        &mut self,
        block: &mut Block,
        name: &GroupName,
        partitions: &[TopicPartition],
        now: Timestamp,
    ) -> Result<Vec<Result<bool, LogError>>, LogError> {
        let group = self.groups.by_name.get(name);
        let group = group.ok_or_else(|| GroupError::UnknownGroup(name.clone()))?;
        let read = group.members.read_topics(self.config.groups.format);
        let Some(read) = read else { return Err(GroupError::InUse(name.clone()).into()) };
        let check = |partition: &TopicPartition| {
            let id = self.resolve(partition)?.id();
            match read.contains(&partition.topic) {
                true => Err(GroupError::SubscribedTo(partition.topic.clone()).into()),
                false => Ok(id),
            }
        };
        let checked: Vec<Result<PartitionId, LogError>> = partitions.iter().map(check).collect();
        let has = |id: &PartitionId| group.offsets.offset(*id).is_some();
        let gone: Vec<PartitionId> =
            checked.iter().filter_map(|id| id.as_ref().ok().copied()).filter(has).collect();
        let told = checked.into_iter().map(|id| id.map(|id| gone.contains(&id))).collect();
        self.forget_offsets(block, name, &gone, now);
        Ok(told)
    }

    pub(crate) fn forget_offsets(
        &mut self,
        block: &mut Block,
        name: &GroupName,
        gone: &[PartitionId],
        now: Timestamp,
    ) {
        if gone.is_empty() {
            return;
        }
        self.push(block, &LogRecord::OffsetsDeleted { group: name.as_str(), partitions: gone.to_vec() });
        self.change_group(name, now, |group, _, _| {
            for partition in gone {
                group.offsets.remove(*partition);
            }
        });
    }

    /// Forgets what all groups committed for partitions that are gone.
    pub(crate) fn forget_partitions(&mut self, gone: &[PartitionId]) {
        let concerned: Vec<GroupName> = self
            .groups
            .by_name
            .iter_mut()
            .filter_map(|(name, group)| {
                let before = group.offsets.len();
                gone.iter().for_each(|partition| _ = group.offsets.remove(*partition));
                (group.offsets.len() < before).then(|| name.clone())
            })
            .collect();
        concerned.iter().for_each(|name| self.groups.tidy(name));
    }

    /// How many offsets all groups together have committed.
    #[must_use]
    pub fn committed_count(&self) -> usize {
        self.groups.by_name.values().map(|group| group.offsets.len()).sum()
    }
}
