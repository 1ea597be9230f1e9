use std::time::Duration;

use message::{GroupName, Timestamp, TopicName};
use segment_store::Block;

use crate::group::{
    Committed, Generation, GroupDescription, GroupState, Joined, MemberId, OffsetCommit, OffsetReset,
    PartitionLag, ResetTo, resolve,
};
use crate::record::{CommittedOffset, LogRecord};
use crate::{LogEngine, LogError, Offset, PartitionId, TopicPartition};

impl LogEngine {
    /// Joins a group, or says again what the member reads. A new member gives no id and is given one; a member that
    /// the group does not know (any more) must join as a new one.
    pub fn join(
        &mut self,
        group: &GroupName,
        member: Option<MemberId>,
        topics: &[TopicName],
        session_timeout: Duration,
        now: Timestamp,
    ) -> Result<Joined, LogError> {
        if let Some(missing) = topics.iter().find(|topic| !self.topics.contains_key(*topic)) {
            return Err(LogError::UnknownTopic(missing.clone()));
        }
        let known = self.groups.get(group).map(|group| &group.membership);
        match &member {
            Some(id) if !known.is_some_and(|members| members.contains(id)) => {
                return Err(LogError::UnknownMember(id.clone()));
            }
            None if known.is_some_and(|members| members.len() >= self.config.members_max) => {
                return Err(LogError::GroupFull { group: group.clone(), limit: self.config.members_max });
            }
            _ => {}
        }
        let counts = &self.topics;
        let partitions = |name: &TopicName| counts.get(name).map_or(0, |topic| topic.partitions.len() as u32);
        let group = self.groups.entry(group.clone()).or_default();
        Ok(group.membership.join(member, topics, session_timeout, &partitions, now))
    }

    /// Renews a member's session and tells it what it reads by now. Receiving counts as a heartbeat.
    pub fn heartbeat(
        &mut self,
        group: &GroupName,
        member: &MemberId,
        now: Timestamp,
    ) -> Result<Joined, LogError> {
        let known = self.groups.get_mut(group).and_then(|group| group.membership.heartbeat(member, now));
        known.ok_or_else(|| LogError::UnknownMember(member.clone()))
    }

    /// Leaves a group; others take over what the member read.
    pub fn leave(&mut self, group: &GroupName, member: &MemberId) -> Result<(), LogError> {
        let counts = &self.topics;
        let partitions = |name: &TopicName| counts.get(name).map_or(0, |topic| topic.partitions.len() as u32);
        let left =
            self.groups.get_mut(group).is_some_and(|group| group.membership.leave(member, &partitions));
        if !left {
            return Err(LogError::UnknownMember(member.clone()));
        }
        self.groups.retain(|_, group| !group.is_vacant());
        Ok(())
    }

    /// Commits offsets, all or none. A member may commit what it has had since the generation that it names;
    /// without a member, only for a group that has none.
    pub fn commit_offsets(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        member: Option<(&MemberId, Generation)>,
        commits: &[OffsetCommit],
        now: Timestamp,
    ) -> Result<(), LogError> {
        let ids = self.check_commit(group, member, commits)?;
        self.store_offsets(block, group, &ids, commits, now);
        Ok(())
    }

    /// Whether these offsets may be committed; answers their partitions.
    pub(crate) fn check_commit(
        &self,
        group: &GroupName,
        member: Option<(&MemberId, Generation)>,
        commits: &[OffsetCommit],
    ) -> Result<Vec<PartitionId>, LogError> {
        let membership = self.groups.get(group).map(|group| &group.membership);
        match member {
            Some((id, _)) if !membership.is_some_and(|members| members.contains(id)) => {
                return Err(LogError::UnknownMember(id.clone()));
            }
            None if membership.is_some_and(|members| !members.is_empty()) => {
                return Err(LogError::GroupInUse(group.clone()));
            }
            _ => {}
        }
        let mut ids = Vec::with_capacity(commits.len());
        for commit in commits {
            let view = self.resolve(&commit.partition)?;
            if let (Some((id, generation)), Some(membership)) = (member, membership)
                && !membership.may_commit(id, generation, &commit.partition)
            {
                return Err(LogError::StaleGeneration(commit.partition.clone()));
            }
            let (size, max) = (commit.metadata.len(), self.config.metadata_bytes_max);
            if size > max {
                return Err(LogError::MetadataTooLarge { size, max });
            }
            let end = view.log_end();
            if commit.offset.0 < 0 || commit.offset > end {
                let start = view.log_start();
                return Err(LogError::OffsetOutOfRange { requested: commit.offset, start, end });
            }
            ids.push(view.id());
        }
        Ok(ids)
    }

    /// Stores offsets that were checked before, as far as their partitions still exist.
    pub(crate) fn store_committed(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        mut commits: Vec<(PartitionId, Committed)>,
        now: Timestamp,
    ) {
        commits.retain(|(partition, _)| self.partitions.contains_key(partition));
        if commits.is_empty() {
            return;
        }
        let recorded = commits.iter().map(|(partition, committed)| CommittedOffset {
            partition: *partition,
            offset: committed.offset,
            metadata: &committed.metadata,
        });
        let record = LogRecord::Offsets { group: group.as_str(), at: now, commits: recorded.collect() };
        self.push(block, &record);
        let group = self.groups.entry(group.clone()).or_default();
        for (partition, committed) in commits {
            group.offsets.insert(partition, Committed { at: now, ..committed });
        }
    }

    fn store_offsets(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        ids: &[PartitionId],
        commits: &[OffsetCommit],
        now: Timestamp,
    ) {
        if commits.is_empty() {
            return;
        }
        let recorded = ids.iter().zip(commits).map(|(partition, commit)| CommittedOffset {
            partition: *partition,
            offset: commit.offset,
            metadata: &commit.metadata,
        });
        let record = LogRecord::Offsets { group: group.as_str(), at: now, commits: recorded.collect() };
        self.push(block, &record);
        let group = self.groups.entry(group.clone()).or_default();
        for (partition, commit) in ids.iter().zip(commits) {
            let metadata = commit.metadata.as_str().into();
            group.offsets.insert(*partition, Committed { offset: commit.offset, metadata, at: now });
        }
    }

    /// What a group has committed, by partition. An unknown group has committed nothing.
    #[must_use]
    pub fn committed(&self, group: &GroupName) -> Vec<(TopicPartition, Committed)> {
        let offsets = self.groups.get(group).into_iter().flat_map(|group| &group.offsets);
        let named = offsets.filter_map(|(id, committed)| {
            let view = self.partition(*id)?;
            Some((view.name().clone(), committed.clone()))
        });
        named.collect()
    }

    /// What a group has committed in one partition.
    #[must_use]
    pub fn committed_offset(&self, group: &GroupName, partition: PartitionId) -> Option<&Committed> {
        self.groups.get(group)?.offsets.get(&partition)
    }

    /// All groups with offsets or members, by name.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.groups.keys()
    }

    /// One group: its members, what they read, and how far behind it is.
    pub fn describe_group(&self, name: &GroupName) -> Result<GroupDescription, LogError> {
        let group = self.groups.get(name).ok_or_else(|| LogError::UnknownGroup(name.clone()))?;
        let members = group.membership.describe();
        let assigned = members.iter().flat_map(|member| &member.assignment);
        let assigned = assigned.filter_map(|partition| self.resolve(partition).ok().map(|view| view.id()));
        let ids: std::collections::BTreeSet<_> = group.offsets.keys().copied().chain(assigned).collect();
        let lag = |id: PartitionId| {
            let view = self.partition(id)?;
            let committed = group.offsets.get(&id).cloned();
            let (log_start, high_watermark) = (view.log_start(), view.high_watermark());
            let next = committed.as_ref().map_or(log_start, |committed| committed.offset).max(log_start);
            let lag = u64::try_from(high_watermark.0 - next.0).unwrap_or(0);
            Some(PartitionLag { partition: view.name().clone(), committed, log_start, high_watermark, lag })
        };
        let mut partitions: Vec<_> = ids.into_iter().filter_map(lag).collect();
        partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
        let state = if members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        let generation = group.membership.generation();
        Ok(GroupDescription { name: name.clone(), state, generation, members, partitions })
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
        if !dry_run && self.groups.get(group).is_some_and(|group| !group.membership.is_empty()) {
            return Err(LogError::GroupInUse(group.clone()));
        }
        let mut resets = Vec::with_capacity(partitions.len());
        let mut ids = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let view = self.resolve(partition)?;
            let from = self.committed_offset(group, view.id()).map(|committed| committed.offset);
            let to = resolve(view, from, to)?;
            ids.push(view.id());
            resets.push(OffsetReset { partition: partition.clone(), from, to });
        }
        if !dry_run {
            let commit = |reset: &OffsetReset| OffsetCommit {
                partition: reset.partition.clone(),
                offset: reset.to,
                metadata: String::new(),
            };
            let commits: Vec<_> = resets.iter().map(commit).collect();
            self.store_offsets(block, group, &ids, &commits, now);
        }
        Ok(resets)
    }

    /// Deletes a group with its offsets. Refused while it has live members.
    pub fn delete_group(&mut self, block: &mut Block, group: &GroupName) -> Result<(), LogError> {
        let known = self.groups.get(group).ok_or_else(|| LogError::UnknownGroup(group.clone()))?;
        if !known.membership.is_empty() {
            return Err(LogError::GroupInUse(group.clone()));
        }
        self.push(block, &LogRecord::GroupDeleted(group.as_str()));
        self.groups.remove(group);
        Ok(())
    }

    /// Removes members that were silent for too long; answers when the next would be.
    pub(crate) fn expire_members(&mut self, now: Timestamp) -> Option<Timestamp> {
        let counts = &self.topics;
        let partitions = |name: &TopicName| counts.get(name).map_or(0, |topic| topic.partitions.len() as u32);
        let mut next = None;
        for group in self.groups.values_mut() {
            let expires = group.membership.expire(&partitions, now);
            next = [next, expires].into_iter().flatten().min();
        }
        self.groups.retain(|_, group| !group.is_vacant());
        next
    }

    /// Spreads a topic's partitions anew in the groups that read it.
    pub(crate) fn rebalance_readers(&mut self, topic: &TopicName) {
        let counts = &self.topics;
        let partitions = |name: &TopicName| counts.get(name).map_or(0, |topic| topic.partitions.len() as u32);
        for group in self.groups.values_mut().filter(|group| group.membership.reads(topic)) {
            group.membership.rebalance(&partitions);
        }
    }

    /// Whether the group reads on from `offset` when it has committed nothing: the start of the log.
    #[must_use]
    pub fn position(&self, group: &GroupName, partition: PartitionId) -> Option<Offset> {
        let start = self.partition(partition)?.log_start();
        let committed = self.committed_offset(group, partition).map(|committed| committed.offset);
        Some(committed.map_or(start, |offset| offset.max(start)))
    }
}
