//! What a group member that comes request by request says of single records and partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use log_engine::{Committer, Generation, LogEngine, MemberId, OffsetCommit};
use message::{ErrorCode, GroupName, TopicName};
use parking_lot::Mutex;

use super::Topics;
use super::authorization::Act;
use super::group_positions::GroupPositions;
use super::group_spec::{CommitOffset, GroupAck, GroupPosition, TopicPartition};
use super::outgoing::Acks;
use super::shard::{Room, Terms, Turn};
use crate::refusal::Refusal;

/// Journal bytes of one partition's commit, at most.
const COMMIT_BYTES: usize = 64;

impl Topics {
    /// Acknowledges records of a member in any order, and commits for each partition the offset before which everything
    /// is acknowledged. Answers what is committed because of it: nothing while earlier records are not acknowledged.
    pub async fn group_ack(
        &self,
        group: &str,
        ack: GroupAck,
        acks: Acks,
    ) -> Result<Vec<GroupPosition>, Refusal> {
        self.allow(Act::UseGroup, group)?;
        let name = GroupName::new(group)?;
        let positions = self.positions_of_member(&name, &ack.member)?;
        let most = {
            let mut positions = positions.lock();
            positions.ack(&ack.records)?;
            positions.dirty().min(LogEngine::RECORDS_LEN_MAX / COMMIT_BYTES)
        };
        let weight = 512 + COMMIT_BYTES * most;
        let (member, generation) = (MemberId::new(&ack.member), ack.generation.map(Generation));
        // What is committed is taken by the owner, so that of two requests the later one commits what is further on.
        let work = move |turn: &mut Turn<'_>| {
            let dirty = positions.lock().take_dirty(most);
            let commits = offset_commits(&dirty);
            let committer = Committer::Member { id: &member, generation, instance: None };
            let log = &mut turn.engines.log;
            let committed = commits.and_then(|commits| {
                let block = turn.journal.block();
                Ok(log.commit_offsets(block, &name, committer, &commits, turn.now)?)
            });
            match committed {
                Ok(()) => Ok(told(dirty)),
                Err(refusal) => {
                    positions.lock().give_back(dirty);
                    Err(refusal)
                }
            }
        };
        self.shard().call(Terms { acks, weight, room: Room::Reserved }, work).await?
    }

    /// Lets a member get nothing more from some of its partitions, or again. Answers which are paused now.
    pub fn group_pause(
        &self,
        group: &str,
        member: &str,
        partitions: &[TopicPartition],
        paused: bool,
    ) -> Result<Vec<TopicPartition>, Refusal> {
        self.allow(Act::UseGroup, group)?;
        let positions = self.positions_of_member(&GroupName::new(group)?, member)?;
        let mut positions = positions.lock();
        positions.pause(partitions, paused)?;
        Ok(positions.paused())
    }

    /// Takes note of what a member committed by itself.
    pub(super) fn note_committed(&self, group: &str, member: &str, offsets: &[CommitOffset]) {
        let Ok(group) = GroupName::new(group) else { return };
        let Ok(positions) = self.positions_of_member(&group, member) else { return };
        let mut positions = positions.lock();
        for one in offsets {
            let partition = TopicPartition { topic: one.topic.clone(), partition: one.partition };
            positions.committed(&partition, one.offset);
        }
    }

    fn positions_of_member(
        &self,
        group: &GroupName,
        member: &str,
    ) -> Result<Arc<Mutex<GroupPositions>>, Refusal> {
        let known = self.positions().get(&(group.clone(), member.to_owned()));
        known.map(|known| Arc::clone(&known)).ok_or_else(|| {
            let shown: String = member.chars().take(80).collect();
            let why = format!(
                "{shown:?} has not received anything over HTTP as a member of {group}: receive first"
            );
            Refusal::new(ErrorCode::UnknownMember, why)
        })
    }
}

fn offset_commits(dirty: &BTreeMap<TopicPartition, i64>) -> Result<Vec<OffsetCommit>, Refusal> {
    let commit = |(at, offset): (&TopicPartition, &i64)| {
        let partition =
            log_engine::TopicPartition { topic: TopicName::new(&at.topic)?, partition: at.partition };
        Ok(OffsetCommit::new(partition, log_engine::Offset(*offset)))
    };
    dirty.iter().map(commit).collect()
}

fn told(committed: BTreeMap<TopicPartition, i64>) -> Vec<GroupPosition> {
    let position = |(TopicPartition { topic, partition }, offset)| GroupPosition { topic, partition, offset };
    committed.into_iter().map(position).collect()
}
