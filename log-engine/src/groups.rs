//! What the owner asks groups: joining, staying, leaving, looking.

use message::{GroupName, Timestamp, TopicName};

use crate::group::answers::Moment;
use crate::group::catalog::Catalog;
use crate::group::{
    Attendance, ConsumerAnswer, ConsumerHeartbeat, Generation, Group, GroupAnswer, GroupDescription,
    GroupError, GroupListing, InstanceId, JoinGroup, Joined, Leaving, MemberId, PartitionLag, SyncGroup,
    Ticket,
};
use crate::{LogEngine, LogError, Offset, PartitionId};

impl LogEngine {
    /// A member of the classic protocol joins, or joins again. The answer comes under the ticket from
    /// [`LogEngine::take_group_answers`], perhaps only when the rebalance is over.
    pub fn join_group(&mut self, group: &GroupName, ask: JoinGroup, ticket: Ticket, now: Timestamp) {
        if let Err(error) = self.check_join(group, &ask) {
            return self.groups.answers.push((ticket, GroupAnswer::Joined(Err(error))));
        }
        self.change_group(group, now, |one, catalog, at| one.members.join(group, ask, ticket, catalog, at));
    }

    fn check_join(&mut self, group: &GroupName, ask: &JoinGroup) -> Result<(), GroupError> {
        self.check_not_shared(group)?;
        let (least, most) = (self.config.groups.session_min, self.config.groups.session_max);
        if ask.session_timeout < least || ask.session_timeout > most {
            return Err(GroupError::SessionTimeout {
                given: ask.session_timeout.as_millis(),
                least: least.as_millis(),
                most: most.as_millis(),
            });
        }
        match &ask.member {
            Some(id) if !self.groups.by_name.contains_key(group) => {
                Err(GroupError::UnknownMember(id.clone()))
            }
            Some(_) => Ok(()),
            None => self.check_group_memory(),
        }
    }

    pub(crate) fn check_group_memory(&mut self) -> Result<(), GroupError> {
        let limit = self.config.groups.bytes_max;
        if self.groups.make_room(limit) { Ok(()) } else { Err(GroupError::NoMemory(limit)) }
    }

    /// A member of the classic protocol asks for its part of the plan; the leader brings the plan. The answer comes
    /// under the ticket, perhaps only when the leader has brought it.
    pub fn sync_group(&mut self, group: &GroupName, ask: SyncGroup, ticket: Ticket, now: Timestamp) {
        let answer = match self.groups.by_name.contains_key(group) {
            true => None,
            false => Some(GroupError::UnknownMember(ask.member.clone())),
        };
        if let Some(error) = answer {
            return self.groups.answers.push((ticket, GroupAnswer::Synced(Err(error))));
        }
        self.change_group(group, now, |one, catalog, at| one.members.sync(ask, ticket, catalog, at));
    }

    /// A sign of life of a member of the classic protocol; [`GroupError::Rebalancing`] tells it to join again.
    pub fn heartbeat(
        &mut self,
        group: &GroupName,
        member: &MemberId,
        generation: Generation,
        instance: Option<&InstanceId>,
        now: Timestamp,
    ) -> Result<(), GroupError> {
        let unknown = || GroupError::UnknownMember(member.clone());
        let known = self.groups.by_name.get_mut(group).ok_or_else(unknown)?;
        // A deadline that moved back is found when it comes: no need to look at the whole group here.
        let config = &self.config.groups;
        let pace = self.choices.consumer(group).pace(config);
        let at = Moment { now, config, pace, answers: &mut self.groups.answers };
        known.members.heartbeat(member, generation, instance, &at)
    }

    /// Members of any kind leave; others take over what they had. One result for each.
    pub fn leave_group(
        &mut self,
        group: &GroupName,
        leaving: &[Leaving],
        now: Timestamp,
    ) -> Vec<Result<(), GroupError>> {
        self.change_group(group, now, |one, catalog, at| {
            leaving.iter().map(|who| one.members.leave(who, catalog, at)).collect()
        })
    }

    /// A heartbeat of a KIP-848 member: it joins, stays, or leaves.
    pub fn consumer_heartbeat(
        &mut self,
        group: &GroupName,
        ask: ConsumerHeartbeat,
        now: Timestamp,
    ) -> Result<ConsumerAnswer, GroupError> {
        if ask.epoch == crate::MemberEpoch::Join {
            self.check_not_shared(group)?;
            self.check_group_memory()?;
        }
        self.change_group(group, now, |one, catalog, at| {
            one.members.consumer_heartbeat(group, ask, catalog, at)
        })
    }

    /// A reader that a door serves joins or stays, and is told what it reads. What it was told before and reads no
    /// more, it may commit until it attends again without holding it.
    pub fn attend(&mut self, group: &GroupName, ask: Attendance, now: Timestamp) -> Result<Joined, LogError> {
        if let Some(missing) = ask.topics.iter().find(|topic| !self.topics.contains_key(*topic)) {
            return Err(LogError::UnknownTopic(missing.clone()));
        }
        if ask.member.is_none() {
            self.check_not_shared(group)?;
            self.check_group_memory()?;
        }
        let joined =
            self.change_group(group, now, |one, catalog, at| one.members.attend(group, ask, catalog, at));
        Ok(joined?)
    }

    /// Answers to joins and syncs that are due since the last call, for the shell to hand out when it releases the
    /// group of commands.
    pub fn take_group_answers(&mut self) -> Vec<(Ticket, GroupAnswer)> {
        std::mem::take(&mut self.groups.answers)
    }

    /// When groups want [`LogEngine::tick`] to be called.
    #[must_use]
    pub fn group_deadline(&self) -> Option<Timestamp> {
        [self.groups.next_deadline(), self.shares.next_deadline()].into_iter().flatten().min()
    }

    /// Memory that all groups take, about.
    #[must_use]
    pub fn group_bytes(&self) -> u64 {
        self.groups.weight
    }

    pub(crate) fn change_group<T>(
        &mut self,
        name: &GroupName,
        now: Timestamp,
        happen: impl FnOnce(&mut Group, Catalog<'_>, &mut Moment<'_>) -> T,
    ) -> T {
        let catalog = Catalog { topics: &self.topics, partitions: &self.partitions };
        let happen = |group: &mut Group, at: &mut Moment<'_>| happen(group, catalog, at);
        let config = &self.config.groups;
        let pace = self.choices.consumer(name).pace(config);
        self.groups.change(name, catalog, (config, pace), now, happen)
    }

    /// All groups with offsets or members, by name.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.groups.by_name.keys()
    }

    /// Groups by name, from after `after`.
    pub fn list_groups(&self, after: Option<&GroupName>) -> impl Iterator<Item = GroupListing> {
        use std::ops::Bound::{Excluded, Unbounded};
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        let format = self.config.groups.format;
        let groups = self.groups.by_name.range::<GroupName, _>(range);
        groups.map(move |(name, group)| group.members.listing(name, format))
    }

    /// A group with its members, without its offsets.
    pub fn describe_members(&self, name: &GroupName) -> Result<GroupDescription, GroupError> {
        let group = self.groups.by_name.get(name);
        let group = group.ok_or_else(|| GroupError::UnknownGroup(name.clone()))?;
        let format = self.config.groups.format;
        let listing = group.members.listing(name, format);
        let (generation, protocol, members) = group.members.describe(self.catalog(), format);
        Ok(GroupDescription { listing, generation, protocol, members, partitions: Vec::new() })
    }

    /// The same, with what it has committed and how far behind it is.
    pub fn describe_group(&self, name: &GroupName) -> Result<GroupDescription, GroupError> {
        let mut description = self.describe_members(name)?;
        let Some(group) = self.groups.by_name.get(name) else { return Ok(description) };
        let assigned = description.members.iter().flat_map(|member| &member.assignment);
        let assigned = assigned.filter_map(|partition| self.catalog().find(partition));
        let ids: std::collections::BTreeSet<_> = group.offsets.partitions().chain(assigned).collect();
        let mut partitions: Vec<_> = ids.into_iter().filter_map(|id| self.lag(group, id)).collect();
        partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
        description.partitions = partitions;
        Ok(description)
    }

    fn lag(&self, group: &Group, id: PartitionId) -> Option<PartitionLag> {
        let view = self.partition(id)?;
        let committed = group.offsets.get(id);
        let (log_start, high_watermark) = (view.log_start(), view.high_watermark());
        let next = committed.as_ref().map_or(log_start, |committed| committed.offset).max(log_start);
        let lag = u64::try_from(high_watermark.0 - next.0).unwrap_or(0);
        Some(PartitionLag { partition: view.name().clone(), committed, log_start, high_watermark, next, lag })
    }

    pub(crate) fn catalog(&self) -> Catalog<'_> {
        Catalog { topics: &self.topics, partitions: &self.partitions }
    }

    /// A topic came, went or grew: groups whose readers the server shares out get another target.
    pub(crate) fn topic_changed_for_groups(&mut self, topic: &TopicName) {
        let catalog = Catalog { topics: &self.topics, partitions: &self.partitions };
        let mut concerned = Vec::new();
        for (name, group) in &mut self.groups.by_name {
            if !group.members.is_empty() {
                group.members.topic_changed(topic, catalog);
                concerned.push(name.clone());
            }
        }
        concerned.iter().for_each(|name| self.groups.tidy(name));
    }

    /// Where the group reads on in a partition: behind what it committed, or at the start of the log.
    #[must_use]
    pub fn position(&self, group: &GroupName, partition: PartitionId) -> Option<Offset> {
        let start = self.partition(partition)?.log_start();
        let committed = self.groups.by_name.get(group).and_then(|group| group.offsets.offset(partition));
        Some(committed.map_or(start, |offset| offset.max(start)))
    }
}
