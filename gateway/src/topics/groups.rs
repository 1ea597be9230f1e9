//! Consumer groups of logs, for whoever looks after them: what they committed, how far behind they are, where they go on.

use std::collections::BTreeSet;
use std::time::Duration;

use log_engine::{Committer, Generation, LogEngine, MemberId, OffsetCommit, PartitionLag};
use message::{GroupName, Timestamp};

use super::Topics;
use super::authorization::Act;
use super::deeds::Deed;
use super::group_lag::Age;
use super::group_spec::{
    CommitOffset, GroupCommit, GroupDescription, GroupKind, GroupMember, GroupOffset, GroupReset, GroupState,
    GroupSummary, MemberKind, ResetOutcome, ResetTo, TopicPartition,
};
use super::outgoing::Acks;
use super::queue_topic::LOOK;
use super::shard::{Room, Terms, Turn};
use crate::refusal::Refusal;

impl Topics {
    /// Commits offsets: all of them, or none. What a member acknowledges one by one is thereby done, too.
    pub async fn group_commit(&self, group: &str, commit: GroupCommit, acks: Acks) -> Result<(), Refusal> {
        self.allow(Act::UseGroup, group)?;
        let name = GroupName::new(group)?;
        let weight = 512 + GroupCommit::weight(&commit.offsets);
        let offsets = self.offset_commits(&commit.offsets)?;
        let (member, generation) = (commit.member.clone(), commit.generation);
        let topics = self.clone();
        let work = move |turn: &mut Turn<'_>| {
            let log = &mut turn.engines.log;
            let member = member.map(|id| MemberId::new(&id));
            let committer = match &member {
                None => Committer::Nobody,
                Some(id) => Committer::Member { id, generation: generation.map(Generation), instance: None },
            };
            log.commit_offsets(turn.journal.block(), &name, committer, &offsets, turn.now)?;
            if member.is_none() {
                topics.tell_offsets_set(&name, offsets.iter().map(|one| &one.partition));
            }
            Ok::<_, Refusal>(())
        };
        self.shard().call(Terms { acks, weight, room: Room::Reserved }, work).await??;
        if let Some(member) = &commit.member {
            self.note_committed(group, member, &commit.offsets);
        }
        Ok(())
    }

    /// Writes down that a group is sent elsewhere by somebody who is none of its members. The offsets are not told: a reader
    /// without a group's protocol commits so, too, and again and again.
    pub(super) fn tell_offsets_set<'a>(
        &self,
        group: &GroupName,
        partitions: impl Iterator<Item = &'a log_engine::TopicPartition>,
    ) {
        let names: BTreeSet<&str> = partitions.map(|one| one.topic.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        self.did(Deed::SetOffsets, &format!("group {group} in {}", names.join(" ")));
    }

    /// As the engine takes them.
    pub(super) fn offset_commits(&self, offsets: &[CommitOffset]) -> Result<Vec<OffsetCommit>, Refusal> {
        let now = self.now();
        let commit = |(index, one): (usize, &CommitOffset)| {
            one.note.check().map_err(|refusal| {
                let field = refusal.field.clone().unwrap_or_default();
                refusal.in_field(format!("/offsets/{index}/{field}"))
            })?;
            let topic = self.log(&one.topic)?.name().clone();
            Ok(OffsetCommit {
                partition: log_engine::TopicPartition { topic, partition: one.partition },
                offset: log_engine::Offset(one.offset),
                leader_epoch: one.note.leader_epoch,
                metadata: one.note.metadata.clone().unwrap_or_default(),
                expires_at: one.note.retention_ms.map(|kept| now.plus(Duration::from_millis(kept))),
            })
        };
        offsets.iter().enumerate().map(commit).collect()
    }

    /// Groups sorted by name, from after `after`.
    pub async fn list_groups(&self, after: Option<&str>, limit: usize) -> Result<Vec<GroupSummary>, Refusal> {
        let after = after.map(GroupName::new).transpose()?;
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            let summary = |one: log_engine::GroupListing| GroupSummary {
                group: one.name.to_string(),
                kind: one.kind.into(),
                state: one.state.into(),
                members: u32::try_from(one.members).unwrap_or(u32::MAX),
            };
            let all = turn.engines.log.list_groups(after.as_ref());
            let seen = all.filter(|one| topics.may(Act::SeeGroup, one.name.as_str()));
            seen.take(limit).map(summary).collect()
        };
        self.shard().call(LOOK, look).await
    }

    /// A group as it stands.
    pub async fn group(&self, name: &str) -> Result<GroupDescription, Refusal> {
        self.allow(Act::SeeGroup, name)?;
        let name = GroupName::new(name)?;
        let look = move |turn: &mut Turn<'_>| turn.engines.log.describe_group(&name);
        let group = self.shard().call(LOOK, look).await??;
        let mut groups = self.with_ages(vec![group]).await;
        let (group, ages) = groups.pop().ok_or_else(|| {
            Refusal::new(message::ErrorCode::Internal, "a group's lag was mixed up; please report this")
        })?;
        Ok(told_group(group, &ages))
    }

    /// Forgets a group without members, and everything that it committed.
    pub async fn delete_group(&self, name: &str) -> Result<(), Refusal> {
        self.allow(Act::DeleteGroup, name)?;
        Ok(self.group_delete(&GroupName::new(name)?).await??)
    }

    /// Forgets what a group committed for a log, or for one partition of it; answers for which partitions there was
    /// anything. Refused while its members read the log.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        topic: &str,
        partition: Option<u32>,
    ) -> Result<Vec<TopicPartition>, Refusal> {
        let group = GroupName::new(group)?;
        let log = self.log(topic)?;
        let numbers = match partition {
            Some(partition) => {
                log.partition(partition)?;
                partition..partition + 1
            }
            None => 0..log.partitions(),
        };
        let partitions: Vec<_> = numbers
            .map(|partition| log_engine::TopicPartition { topic: log.name().clone(), partition })
            .collect();
        let deleted = self.group_delete_offsets(&group, partitions.clone()).await??;
        let mut gone = Vec::new();
        for (partition, deleted) in partitions.iter().zip(deleted) {
            if deleted? {
                gone.push(TopicPartition::from(partition));
            }
        }
        Ok(gone)
    }

    /// Sets a group without members to other offsets, or tells what that would do.
    pub async fn group_reset(&self, name: &str, reset: GroupReset) -> Result<Vec<ResetOutcome>, Refusal> {
        self.allow(Act::UseGroup, name)?;
        let group = GroupName::new(name)?;
        let mut partitions = Vec::new();
        for topic in &reset.topics {
            let log = self.log(topic)?;
            let all = (0..log.partitions())
                .map(|partition| log_engine::TopicPartition { topic: log.name().clone(), partition });
            partitions.extend(all);
        }
        for TopicPartition { topic, partition } in reset.partitions {
            let log = self.log(&topic)?;
            log.partition(partition)?;
            partitions.push(log_engine::TopicPartition { topic: log.name().clone(), partition });
        }
        let to = match reset.to {
            ResetTo::Earliest => log_engine::ResetTo::Earliest,
            ResetTo::Latest => log_engine::ResetTo::Latest,
            ResetTo::Time(ms) => log_engine::ResetTo::Time(Timestamp(ms)),
            ResetTo::Offset(offset) => log_engine::ResetTo::Offset(log_engine::Offset(offset)),
            ResetTo::Shift(records) => log_engine::ResetTo::Shift(records),
        };
        let dry_run = reset.dry_run;
        let (weight, topics) = (LogEngine::RECORDS_LEN_MAX, self.clone());
        let work = move |turn: &mut Turn<'_>| {
            let log = &mut turn.engines.log;
            if partitions.is_empty() {
                partitions = log.committed(&group).into_iter().map(|(partition, _)| partition).collect();
            }
            let outcomes = log.reset(turn.journal.block(), &group, &partitions, to, dry_run, turn.now)?;
            if !dry_run {
                topics.tell_offsets_set(&group, partitions.iter());
            }
            let told = outcomes.into_iter().map(|one| ResetOutcome {
                topic: one.partition.topic.to_string(),
                partition: one.partition.partition,
                from: one.from.map(|offset| offset.0),
                to: one.to.0,
            });
            Ok(told.collect())
        };
        self.shard().call(Terms { acks: Acks::All, weight, room: Room::Reserved }, work).await?
    }
}

impl GroupCommit {
    /// Journal bytes that the commit of these takes at most.
    pub(super) fn weight(offsets: &[CommitOffset]) -> usize {
        offsets.iter().map(|one| 64 + one.note.metadata.as_ref().map_or(0, String::len)).sum()
    }
}

impl From<log_engine::GroupKind> for GroupKind {
    fn from(kind: log_engine::GroupKind) -> GroupKind {
        match kind {
            log_engine::GroupKind::Classic => GroupKind::Classic,
            log_engine::GroupKind::Consumer => GroupKind::Consumer,
        }
    }
}

impl From<log_engine::GroupState> for GroupState {
    fn from(state: log_engine::GroupState) -> GroupState {
        match state {
            log_engine::GroupState::Empty => GroupState::Empty,
            log_engine::GroupState::PreparingRebalance => GroupState::PreparingRebalance,
            log_engine::GroupState::CompletingRebalance => GroupState::CompletingRebalance,
            log_engine::GroupState::Reconciling => GroupState::Reconciling,
            log_engine::GroupState::Stable => GroupState::Stable,
        }
    }
}

fn told_group(group: log_engine::GroupDescription, ages: &[Age]) -> GroupDescription {
    let offsets: Vec<GroupOffset> =
        group.partitions.into_iter().zip(ages).map(|(lag, age)| told_offset(lag, *age)).collect();
    GroupDescription {
        group: group.listing.name.to_string(),
        kind: group.listing.kind.into(),
        state: group.listing.state.into(),
        generation: group.generation.0,
        protocol: group.protocol.into(),
        members: group.members.into_iter().map(told_member).collect(),
        lag: offsets.iter().map(|one| one.lag).sum(),
        lag_seconds: offsets.iter().filter_map(|one| one.lag_seconds).fold(0.0, f64::max),
        offsets,
    }
}

fn told_offset(lag: PartitionLag, age: Age) -> GroupOffset {
    let committed = lag.committed.as_ref();
    GroupOffset {
        topic: lag.partition.topic.to_string(),
        partition: lag.partition.partition,
        committed: committed.map(|committed| committed.offset.0),
        log_end: lag.high_watermark.0,
        lag: i64::try_from(lag.lag).unwrap_or(i64::MAX),
        lag_seconds: age.seconds(),
        committed_at: committed.map(|committed| committed.at.0),
        expires_at: committed.and_then(|committed| committed.expires_at).map(|at| at.0),
        leader_epoch: committed.and_then(|committed| committed.leader_epoch),
        metadata: lag
            .committed
            .map(|committed| committed.metadata.into())
            .filter(|text: &String| !text.is_empty()),
    }
}

fn told_member(member: log_engine::MemberDescription) -> GroupMember {
    GroupMember {
        member_id: member.id.as_str().to_owned(),
        kind: match member.kind {
            log_engine::MemberKind::Classic => MemberKind::Classic,
            log_engine::MemberKind::Consumer => MemberKind::Consumer,
            log_engine::MemberKind::Attendant => MemberKind::Reader,
        },
        instance_id: member.instance.map(|instance| instance.as_str().to_owned()),
        client_id: member.origin.id.to_string(),
        client_host: member.origin.host.to_string(),
        topics: member.topics.iter().map(ToString::to_string).collect(),
        partitions: member.assignment.iter().map(TopicPartition::from).collect(),
    }
}
