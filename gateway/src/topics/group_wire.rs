//! Consumer groups for doors that speak a group protocol of Kafka's clients.
//!
//! The outer result of each function is the server's: it is going down, storage has failed, the group's name is not
//! allowed. The inner one is the group's answer, which the protocol carries to the client.

use std::collections::BTreeSet;

pub use log_engine::{
    ClassicProtocol, ClientOrigin, Committed, ConsumerAnswer, ConsumerHeartbeat, Generation,
    GroupDescription, GroupError, GroupKind, GroupListing, GroupState, InstanceId, JoinAnswer, JoinGroup,
    JoinedMember, Leaving, LogError, MemberDescription, MemberEpoch, MemberId, MemberKind, OffsetCommit,
    SyncAnswer, SyncGroup, TopicPartition,
};
use log_engine::{Committer, GroupAnswer, LogEngine, Ticket};
use message::{ErrorCode, GroupName};
use tokio::sync::oneshot;

use super::Topics;
use super::authorization::Act;
use super::deeds::Deed;
use super::outgoing::Acks;
use super::queue_topic::LOOK;
use super::shard::{Room, Terms, Turn};
use crate::refusal::Refusal;

/// On whose behalf a door commits offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireCommitter {
    /// Nobody's: the group must have no members.
    Nobody,
    /// A producer's, whose client names no member: whatever members the group has.
    Producer,
    /// A member's.
    Member {
        /// Its id.
        id: MemberId,
        /// Its generation, or member epoch.
        generation: Generation,
        /// Its static name, if it gives it.
        instance: Option<InstanceId>,
    },
}

impl WireCommitter {
    /// As the engine takes it.
    pub(super) fn in_engine(&self) -> Committer<'_> {
        match self {
            WireCommitter::Nobody => Committer::Nobody,
            WireCommitter::Producer => Committer::Producer,
            WireCommitter::Member { id, generation, instance } => {
                Committer::Member { id, generation: Some(*generation), instance: instance.as_ref() }
            }
        }
    }
}

impl Topics {
    /// A new id for a member whose client calls itself `client`.
    #[must_use]
    pub fn new_member_id(&self, client: &str) -> MemberId {
        self.member_ids().next(client)
    }

    /// A join of the classic protocol. Waits until the group's rebalance is over.
    pub async fn group_classic_join(
        &self,
        group: &GroupName,
        ask: JoinGroup,
    ) -> Result<Result<JoinAnswer, GroupError>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let group = group.clone();
        let answer = self
            .group_answer(move |turn, ticket| turn.engines.log.join_group(&group, ask, ticket, turn.now))
            .await?;
        match answer {
            GroupAnswer::Joined(answer) => Ok(answer),
            GroupAnswer::Synced(_) => Err(mixed_up()),
        }
    }

    /// A sync of the classic protocol. Waits until the leader has brought its plan.
    pub async fn group_classic_sync(
        &self,
        group: &GroupName,
        ask: SyncGroup,
    ) -> Result<Result<SyncAnswer, GroupError>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let group = group.clone();
        let answer = self
            .group_answer(move |turn, ticket| turn.engines.log.sync_group(&group, ask, ticket, turn.now))
            .await?;
        match answer {
            GroupAnswer::Synced(answer) => Ok(answer),
            GroupAnswer::Joined(_) => Err(mixed_up()),
        }
    }

    async fn group_answer(
        &self,
        ask: impl FnOnce(&mut Turn<'_>, Ticket) + Send + 'static,
    ) -> Result<GroupAnswer, Refusal> {
        self.check_not_draining()?;
        let (waiter, answer) = oneshot::channel();
        let work = move |turn: &mut Turn<'_>| {
            let ticket = turn.engines.waiters.insert(waiter);
            ask(turn, ticket);
        };
        self.shard().call(LOOK, work).await?;
        tokio::select! {
            answer = answer => answer.map_err(|_| {
                Refusal::new(ErrorCode::StorageFailed, "storage failed; restart the server to recover")
            }),
            () = self.draining().cancelled() => Err(self.check_not_draining().err().unwrap_or_else(mixed_up)),
        }
    }

    /// A sign of life of a classic member.
    pub async fn group_classic_heartbeat(
        &self,
        group: &GroupName,
        member: MemberId,
        generation: Generation,
        instance: Option<InstanceId>,
    ) -> Result<Result<(), GroupError>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let group = group.clone();
        let beat = move |turn: &mut Turn<'_>| {
            turn.engines.log.heartbeat(&group, &member, generation, instance.as_ref(), turn.now)
        };
        self.shard().call(LOOK, beat).await
    }

    /// Members leave; one result for each.
    pub async fn group_leave_each(
        &self,
        group: &GroupName,
        leaving: Vec<Leaving>,
    ) -> Result<Vec<Result<(), GroupError>>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let group = group.clone();
        let leave = move |turn: &mut Turn<'_>| turn.engines.log.leave_group(&group, &leaving, turn.now);
        self.shard().call(LOOK, leave).await
    }

    /// A KIP-848 heartbeat.
    pub async fn group_consumer_heartbeat(
        &self,
        group: &GroupName,
        ask: ConsumerHeartbeat,
    ) -> Result<Result<ConsumerAnswer, GroupError>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let group = group.clone();
        let beat = move |turn: &mut Turn<'_>| turn.engines.log.consumer_heartbeat(&group, ask, turn.now);
        self.shard().call(LOOK, beat).await
    }

    /// Commits what can be committed of these offsets: a result for each, or why the committer may not commit at all.
    pub async fn group_commit_each(
        &self,
        group: &GroupName,
        committer: WireCommitter,
        commits: Vec<OffsetCommit>,
        acks: Acks,
    ) -> Result<Result<Vec<Result<(), LogError>>, LogError>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let (group, topics) = (group.clone(), self.clone());
        let weight = 1024 + commits.iter().map(|one| 64 + one.metadata.len()).sum::<usize>();
        let work = move |turn: &mut Turn<'_>| {
            let committer = committer.in_engine();
            let (log, block) = (&mut turn.engines.log, turn.journal.block());
            let is_a_reset = matches!(committer, Committer::Nobody);
            let outcomes = log.commit_each(block, &group, committer, &commits, turn.now);
            if let (true, Ok(outcomes)) = (is_a_reset, &outcomes) {
                let done = commits.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
                let mut done = done.map(|(commit, _)| &commit.partition).peekable();
                if done.peek().is_some() {
                    topics.tell_offsets_set(&group, done);
                }
            }
            outcomes
        };
        self.shard().call(Terms { acks, weight, room: Room::Reserved }, work).await
    }

    /// What a group has committed for these partitions, or for all that it committed. An unknown group has committed
    /// nothing.
    pub async fn group_committed(
        &self,
        group: &GroupName,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<Vec<(TopicPartition, Option<Committed>)>, Refusal> {
        self.allow(Act::SeeGroup, group.as_str())?;
        let group = group.clone();
        let look = move |turn: &mut Turn<'_>| {
            let log = &turn.engines.log;
            let one = |partition: TopicPartition| {
                let view = log.resolve(&partition).ok();
                let committed = view.and_then(|view| log.committed_offset(&group, view.id()));
                (partition, committed)
            };
            match partitions {
                Some(partitions) => partitions.into_iter().map(one).collect(),
                None => log.committed(&group).into_iter().map(|(at, one)| (at, Some(one))).collect(),
            }
        };
        self.shard().call(LOOK, look).await
    }

    /// All groups, by name.
    pub async fn group_listings(&self) -> Result<Vec<GroupListing>, Refusal> {
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            let all = turn.engines.log.list_groups(None);
            all.filter(|one| topics.may(Act::SeeGroup, one.name.as_str())).collect()
        };
        self.shard().call(LOOK, look).await
    }

    /// A group with its members, without its offsets.
    pub async fn group_members(
        &self,
        group: &GroupName,
    ) -> Result<Result<GroupDescription, GroupError>, Refusal> {
        self.allow(Act::SeeGroup, group.as_str())?;
        let group = group.clone();
        self.shard().call(LOOK, move |turn: &mut Turn<'_>| turn.engines.log.describe_members(&group)).await
    }

    /// Forgets a group without members, and everything that it committed.
    pub async fn group_delete(&self, group: &GroupName) -> Result<Result<(), LogError>, Refusal> {
        self.allow(Act::DeleteGroup, group.as_str())?;
        let (group, topics) = (group.clone(), self.clone());
        let delete = move |turn: &mut Turn<'_>| {
            turn.engines.log.delete_group(turn.journal.block(), &group)?;
            topics.did(Deed::DeleteGroup, &format!("group {group}"));
            Ok(())
        };
        self.shard().call(Terms { acks: Acks::All, weight: 1024, room: Room::Reserved }, delete).await
    }

    /// Forgets what a group committed for these partitions: whether there was anything, for each.
    pub async fn group_delete_offsets(
        &self,
        group: &GroupName,
        partitions: Vec<TopicPartition>,
    ) -> Result<Result<Vec<Result<bool, LogError>>, LogError>, Refusal> {
        self.allow(Act::DeleteGroup, group.as_str())?;
        let (group, topics) = (group.clone(), self.clone());
        let weight = (1024 + 4 * partitions.len()).min(LogEngine::RECORDS_LEN_MAX);
        let delete = move |turn: &mut Turn<'_>| {
            let (log, block) = (&mut turn.engines.log, turn.journal.block());
            let outcomes = log.delete_offsets(block, &group, &partitions, turn.now)?;
            let gone = partitions.iter().zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Ok(true)));
            let gone: BTreeSet<&str> = gone.map(|(at, _)| at.topic.as_str()).collect();
            for topic in gone {
                topics.did(Deed::DeleteOffsets, &format!("group {group} in {topic}"));
            }
            Ok(outcomes)
        };
        self.shard().call(Terms { acks: Acks::All, weight, room: Room::Reserved }, delete).await
    }
}

fn mixed_up() -> Refusal {
    Refusal::new(ErrorCode::Internal, "a group's answer was mixed up; please report this")
}
