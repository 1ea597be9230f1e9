//! What the owner asks share groups: joining, getting records, settling them, looking.

use std::collections::BTreeSet;
use std::time::Duration;

use message::{GroupName, Timestamp, TopicName};
use segment_store::Block;

use crate::group::{ConsumerAnswer, GroupError, MemberEpoch, MemberId};
use crate::group_settings::StartAt;
use crate::record::LogRecord;
use crate::share::{
    Acknowledgement, AcquiredRecords, Acquisition, ShareError, ShareGroupDescription, ShareHeartbeat,
    SharePartition, ShareRecord, Shareable, StateChange,
};
use crate::{Isolation, LogEngine, LogError, Offset, PartitionId, TopicPartition};

/// A member's wish for records of one partition.
#[derive(Clone, Copy, Debug)]
pub struct ShareAcquire<'a> {
    /// The group.
    pub group: &'a GroupName,
    /// The member.
    pub member: &'a MemberId,
    /// The partition.
    pub partition: PartitionId,
    /// Most records.
    pub records: u64,
    /// Only from here on.
    pub from: Offset,
    /// Only before this, if there is a bound.
    pub upto: Option<Offset>,
}

/// What a member gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShareAcquired {
    /// Nothing yet: the group has no place in the partition. [`LogEngine::share_open`] gives it one.
    NotOpen,
    /// These records.
    Taken(ShareTaken),
}

/// Records that a member was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareTaken {
    /// Which, by offset.
    pub records: Vec<AcquiredRecords>,
    /// Which records the group is shown.
    pub isolation: Isolation,
    /// Where the group has to stop now.
    pub end: Offset,
    /// How long the member may keep them.
    pub record_lock: Duration,
}

/// How far a share group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// Everything before this is done with; absent when the group has not begun.
    pub start: Option<Offset>,
    /// Records that are not done with.
    pub lag: Option<u64>,
}

impl LogEngine {
    /// A heartbeat of a share group's member: it joins, stays or leaves. `others` are topics that no log has, and that
    /// members can be given all the same.
    pub fn share_heartbeat(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        ask: ShareHeartbeat,
        others: &dyn Fn(&TopicName) -> Option<Shareable>,
        now: Timestamp,
    ) -> Result<ConsumerAnswer, GroupError> {
        match ask.epoch {
            MemberEpoch::Join => self.make_share_group(block, group)?,
            _ if !self.shares.contains(group) => return Err(GroupError::UnknownMember(ask.member)),
            _ => {}
        }
        let (logs, config, settings) = (&self.topics, &self.config.shares, self.choices.share(group));
        let topics = |name: &TopicName| match logs.get(name) {
            Some(log) => Some(Shareable { incarnation: log.id.0, partitions: log.partitions.len() as u32 }),
            None => others(name),
        };
        let member = ask.member.clone();
        let beat = self
            .shares
            .change(group, |one| one.members.heartbeat(group, ask, (config, &settings), &topics, now));
        beat.unwrap_or(Err(GroupError::UnknownMember(member)))
    }

    fn make_share_group(&mut self, block: &mut Block, group: &GroupName) -> Result<(), GroupError> {
        if self.shares.contains(group) {
            return Ok(());
        }
        if self.groups.by_name.contains_key(group) {
            return Err(GroupError::NotShared(group.clone()));
        }
        self.check_share_room(self.shares.len())?;
        self.push(block, &LogRecord::Share(ShareRecord::Group(group.as_str())));
        self.shares.make(group);
        Ok(())
    }

    pub(crate) fn check_share_room(&self, there: usize) -> Result<(), GroupError> {
        let most = self.config.shares.groups_max;
        if there >= most { Err(GroupError::TooMany(most)) } else { Ok(()) }
    }

    pub(crate) fn check_not_shared(&self, group: &GroupName) -> Result<(), GroupError> {
        if self.shares.contains(group) { Err(GroupError::Shared(group.clone())) } else { Ok(()) }
    }

    /// Gives a group its place in a partition, unless it has one: where its settings say that it begins.
    pub fn share_open(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        partition: PartitionId,
        now: Timestamp,
    ) -> Result<(), ShareError> {
        let view = self.partition(partition).ok_or(LogError::GonePartition(partition))?;
        let known = self.shares.get(group).ok_or_else(|| ShareError::UnknownGroup(group.clone()))?;
        if known.partitions.contains_key(&partition) {
            return Ok(());
        }
        let settings = self.choices.share(group);
        let end = view.readable_end(settings.isolation());
        let start = match (settings.start(), settings.start().time(now)) {
            (StartAt::Earliest, _) => view.log_start(),
            (StartAt::Age(_), Some(time)) => {
                view.offset_for_time_below(time, end)?.map_or(end, |found| found.offset)
            }
            (StartAt::Latest | StartAt::Age(_), _) => end,
        };
        self.start_share(block, group, partition, start);
        Ok(())
    }

    fn start_share(&mut self, block: &mut Block, group: &GroupName, partition: PartitionId, start: Offset) {
        let record = ShareRecord::Started { group: group.as_str(), partition, start };
        self.push(block, &LogRecord::Share(record));
        self.shares.change(group, |one| one.partitions.insert(partition, SharePartition::new(start)));
        self.shares.freed.insert(group.clone());
    }

    /// Gives a member records of a partition to deal with. Needs no journal.
    pub fn share_acquire(
        &mut self,
        ask: &ShareAcquire<'_>,
        now: Timestamp,
    ) -> Result<ShareAcquired, ShareError> {
        let view = self.partition(ask.partition).ok_or(LogError::GonePartition(ask.partition))?;
        let settings = self.choices.share(ask.group);
        let (isolation, log_start) = (settings.isolation(), view.log_start());
        let end = view.readable_end(isolation);
        let record_lock = settings.record_lock(&self.config.shares);
        let limits = self.config.shares.limits;
        let want = Acquisition {
            member: ask.member,
            from: ask.from,
            upto: ask.upto.unwrap_or(end).min(end),
            records: ask.records,
            until: now.plus(record_lock),
        };
        let taken = self.change_share(ask.group, ask.partition, |one| {
            one.trim(log_start);
            one.acquire(want, &limits)
        });
        match taken {
            Some(records) => Ok(ShareAcquired::Taken(ShareTaken { records, isolation, end, record_lock })),
            None if self.shares.contains(ask.group) => Ok(ShareAcquired::NotOpen),
            None => Err(ShareError::UnknownGroup(ask.group.clone())),
        }
    }

    /// Takes back records that were acquired but not sent: as if they had not been.
    pub fn share_give_back(
        &mut self,
        group: &GroupName,
        member: &MemberId,
        partition: PartitionId,
        (first, last): (Offset, Offset),
    ) {
        self.change_share(group, partition, |one| one.give_back(member, first, last));
        self.shares.freed.insert(group.clone());
    }

    /// Bytes of journal that settling records in one call takes at most.
    #[must_use]
    pub fn share_settle_len(&self, group: &GroupName, records: u64) -> usize {
        // Before, between and behind what is settled, runs may be cut.
        let runs = usize::try_from(records.min(self.config.shares.limits.record_locks)).unwrap_or(usize::MAX);
        StateChange::LEN * (runs + 2) + group.as_str().len() + 64
    }

    /// Takes a member's word on records of a partition: on all of them, or on none.
    pub fn share_acknowledge(
        &mut self,
        block: &mut Block,
        (group, member): (&GroupName, &MemberId),
        partition: PartitionId,
        acknowledgements: &[Acknowledgement],
        now: Timestamp,
    ) -> Result<(), ShareError> {
        let limits = self.config.shares.limits;
        let until = now.plus(self.choices.share(group).record_lock(&self.config.shares));
        let log_start = self.partition(partition).map(|view| view.log_start());
        let changed = self.change_share(group, partition, |one| {
            log_start.into_iter().for_each(|start| one.trim(start));
            one.acknowledge(member, acknowledgements, until, &limits)
        });
        match changed {
            None if self.partition(partition).is_none() => Err(LogError::GonePartition(partition).into()),
            None => Err(ShareError::UnknownGroup(group.clone())),
            Some(changes) => {
                self.record_states(block, group, partition, changes?);
                Ok(())
            }
        }
    }

    /// Takes back everything that a member has of these partitions, because it went away.
    pub fn share_release(
        &mut self,
        block: &mut Block,
        (group, member): (&GroupName, &MemberId),
        partition: PartitionId,
    ) {
        let limits = self.config.shares.limits;
        if let Some(changes) = self.change_share(group, partition, |one| one.release(member, &limits)) {
            self.record_states(block, group, partition, changes);
        }
    }

    pub(crate) fn change_share<T>(
        &mut self,
        group: &GroupName,
        partition: PartitionId,
        happen: impl FnOnce(&mut SharePartition) -> T,
    ) -> Option<T> {
        self.shares.change_partition(group, partition, happen)
    }

    pub(crate) fn record_states(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        partition: PartitionId,
        changes: Vec<StateChange>,
    ) {
        if changes.is_empty() {
            return;
        }
        self.push(
            block,
            &LogRecord::Share(ShareRecord::States { group: group.as_str(), partition, changes }),
        );
        // Records came back, or others that were held up by the limit may go out.
        self.shares.freed.insert(group.clone());
    }

    /// The groups in which records may have become available since the last call.
    pub fn take_freed_shares(&mut self) -> BTreeSet<GroupName> {
        std::mem::take(&mut self.shares.freed)
    }

    /// All share groups by name, and how many members they have.
    pub fn share_groups(&self) -> impl Iterator<Item = (&GroupName, usize)> {
        self.shares.iter().map(|(name, group)| (name, group.members.len()))
    }

    /// A share group with its members.
    #[must_use]
    pub fn describe_share_group(&self, name: &GroupName) -> Option<ShareGroupDescription> {
        Some(self.shares.get(name)?.members.describe(name))
    }

    /// How far a share group has come: in partitions where it began, and in those that its members are assigned.
    #[must_use]
    pub fn share_offsets(&self, name: &GroupName) -> Option<Vec<ShareOffset>> {
        let group = self.shares.get(name)?;
        let assigned = group.members.iter().flat_map(|(_, member)| &member.assignment);
        let assigned = assigned.filter_map(|partition| self.resolve(partition).ok()).map(|view| view.id());
        let ids: BTreeSet<PartitionId> = group.partitions.keys().copied().chain(assigned).collect();
        Some(ids.into_iter().filter_map(|id| self.share_offset(name, id)).collect())
    }

    /// How far a share group has come in one partition.
    #[must_use]
    pub fn share_offset(&self, name: &GroupName, id: PartitionId) -> Option<ShareOffset> {
        let view = self.partition(id)?;
        let known = self.shares.get(name).and_then(|group| group.partitions.get(&id));
        let end = view.high_watermark();
        let trimmed = known.cloned().map(|mut one| {
            one.trim(view.log_start());
            one
        });
        Some(ShareOffset {
            partition: view.name().clone(),
            start: trimmed.as_ref().map(SharePartition::start),
            lag: trimmed.as_ref().map(|one| one.lag(end)),
        })
    }

    /// Sets a group without members to another place, which makes the group if there is none. What it knew of the
    /// partition's records is forgotten.
    pub fn alter_share_offset(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        partition: PartitionId,
        start: Offset,
    ) -> Result<(), LogError> {
        let view = self.partition(partition).ok_or(LogError::GonePartition(partition))?;
        if start.0 < 0 {
            let (from, end) = (view.log_start(), view.high_watermark());
            return Err(LogError::OffsetOutOfRange { requested: start, start: from, end });
        }
        self.make_share_group(block, group)?;
        self.check_share_is_empty(group)?;
        self.start_share(block, group, partition, start);
        Ok(())
    }

    /// Whether the group is there, and has no members.
    pub fn check_share_is_empty(&self, group: &GroupName) -> Result<(), GroupError> {
        let known = self.shares.get(group).ok_or_else(|| GroupError::UnknownGroup(group.clone()))?;
        if known.members.is_empty() { Ok(()) } else { Err(GroupError::InUse(group.clone())) }
    }

    /// Forgets what a group without members knows of a topic. Answers whether it knew anything.
    pub fn delete_share_offsets(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        topic: &TopicName,
    ) -> Result<bool, LogError> {
        self.check_share_is_empty(group)?;
        let view = self.topics.get(topic).ok_or_else(|| LogError::UnknownTopic(topic.clone()))?;
        let ids: Vec<PartitionId> = view.partitions.iter().map(|view| view.id()).collect();
        let known = self.shares.get(group).map(|one| &one.partitions);
        let partitions: Vec<PartitionId> =
            ids.into_iter().filter(|id| known.is_some_and(|known| known.contains_key(id))).collect();
        if partitions.is_empty() {
            return Ok(false);
        }
        self.shares.change(group, |one| partitions.iter().for_each(|id| _ = one.partitions.remove(id)));
        self.push(block, &LogRecord::Share(ShareRecord::Forgotten { group: group.as_str(), partitions }));
        Ok(true)
    }

    /// Forgets a share group without members, and all that it knew of records.
    pub(crate) fn delete_share_group(
        &mut self,
        block: &mut Block,
        group: &GroupName,
    ) -> Result<(), GroupError> {
        self.check_share_is_empty(group)?;
        self.push(block, &LogRecord::Share(ShareRecord::GroupDeleted(group.as_str())));
        self.shares.remove(group);
        Ok(())
    }

    /// How long members of a group of that name keep records.
    #[must_use]
    pub fn share_record_lock(&self, group: &GroupName) -> Duration {
        self.choices.share(group).record_lock(&self.config.shares)
    }
}
