//! Consumer groups of logs, for readers that come request by request and for those that stay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::select_all;
use log_engine::{Generation, LogEngine, MemberId, OffsetCommit, PartitionLag};
use message::{ErrorCode, GroupName, Timestamp, TopicName};
use parking_lot::Mutex;

use super::Topics;
use super::group_positions::GroupPositions;
use super::group_spec::{
    GroupCommit, GroupDescription, GroupMember, GroupOffset, GroupReceive, GroupReset, GroupSummary, Joined,
    ResetOutcome, ResetTo, TopicPartition,
};
use super::outgoing::Acks;
use super::queue_topic::LOOK;
use super::record_chunk::RecordChunk;
use super::shard::{Room, Terms, Turn};
use crate::refusal::Refusal;

/// How often a waiting member looks whether its assignment changed, at least.
const ASSIGNMENT_CHECK: Duration = Duration::from_secs(1);

/// What a group member got.
#[derive(Clone, Debug)]
pub struct GroupBatch {
    /// Its id, to be repeated in every later request.
    pub member_id: String,
    /// The assignment's generation.
    pub generation: u32,
    /// What it reads now.
    pub assignment: Vec<TopicPartition>,
    /// Records, at most one chunk per partition.
    pub chunks: Vec<RecordChunk>,
}

impl Topics {
    /// Joins, stays in, or changes the subscription of a member. `member` absent: as a new one.
    pub async fn group_join(
        &self,
        group: &str,
        member: Option<&str>,
        topics: &[String],
        session_timeout: Duration,
    ) -> Result<Joined, Refusal> {
        let (joined, _) = self.join(group, member, topics, session_timeout).await?;
        Ok(joined)
    }

    async fn join(
        &self,
        group: &str,
        member: Option<&str>,
        topics: &[String],
        session_timeout: Duration,
    ) -> Result<(Joined, Vec<(TopicPartition, i64)>), Refusal> {
        self.check_not_draining()?;
        let group = GroupName::new(group)?;
        let member = member.map(MemberId::new);
        let topics = topics.iter().map(|topic| Ok(self.log(topic)?.name().clone()));
        let topics = topics.collect::<Result<Vec<TopicName>, Refusal>>()?;
        let join = move |turn: &mut Turn<'_>| {
            let log = &mut turn.engines.log;
            let joined = log.join(&group, member, &topics, session_timeout, turn.now)?;
            let starts = joined.assignment.iter().filter_map(|partition| {
                let id = log.resolve(partition).ok()?.id();
                Some((told_partition(partition), log.position(&group, id)?.0))
            });
            let starts = starts.collect();
            Ok::<_, Refusal>((told_joined(joined), starts))
        };
        self.shard().call(LOOK, join).await?
    }

    /// Leaves at once, so that others take over without waiting for the session to end.
    pub async fn group_leave(&self, group: &str, member: &str) -> Result<(), Refusal> {
        let (name, member) = (GroupName::new(group)?, member.to_owned());
        self.positions().remove(&(name.clone(), member.clone()));
        let leave = move |turn: &mut Turn<'_>| Ok(turn.engines.log.leave(&name, &MemberId::new(&member))?);
        self.shard().call(LOOK, leave).await?
    }

    /// Records for a member: joins it if it has no id yet, then reads on where it was, waiting if there is nothing.
    pub async fn group_receive(&self, group: &str, ask: GroupReceive) -> Result<GroupBatch, Refusal> {
        let session = Duration::from_millis(ask.session_timeout_ms);
        let deadline = Instant::now() + Duration::from_millis(ask.wait_ms);
        let name = GroupName::new(group)?;
        let mut member = ask.member.clone();
        loop {
            let (joined, starts) = self.join(group, member.as_deref(), &ask.topics, session).await?;
            member = Some(joined.member_id.clone());
            let positions = self.positions_of(&name, &joined, session, &starts);
            let chunks = self.read_in_turn(&positions, ask.max, ask.max_bytes)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !chunks.is_empty() || left.is_zero() || self.draining().is_cancelled() {
                let Joined { member_id, generation, assignment } = joined;
                return Ok(GroupBatch { member_id, generation, assignment, chunks });
            }
            let pause = left.min(session / 3).min(ASSIGNMENT_CHECK);
            self.wait_for_records(&positions, pause).await?;
        }
    }

    fn positions_of(
        &self,
        group: &GroupName,
        joined: &Joined,
        session: Duration,
        starts: &[(TopicPartition, i64)],
    ) -> Arc<Mutex<GroupPositions>> {
        let now = Instant::now();
        let entry = self.positions().entry((group.clone(), joined.member_id.clone()));
        let made = entry.or_insert_with(|| Arc::new(Mutex::new(GroupPositions::new(now, session))));
        let positions = Arc::clone(&made);
        drop(made);
        let mut held = positions.lock();
        held.touch(now, session);
        held.assign(&joined.assignment, |wanted| {
            starts.iter().find(|(partition, _)| partition == wanted).map(|(_, offset)| *offset)
        });
        drop(held);
        self.forget_abandoned(now);
        positions
    }

    /// Members that vanished leave their place behind; whoever comes next sweeps it away.
    fn forget_abandoned(&self, now: Instant) {
        if self.positions().len() > self.sweep_at().load(std::sync::atomic::Ordering::Relaxed) {
            self.positions().retain(|_, positions| !positions.lock().is_abandoned(now));
            let next = self.positions().len() * 2 + 64;
            self.sweep_at().store(next, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn read_in_turn(
        &self,
        positions: &Mutex<GroupPositions>,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<RecordChunk>, Refusal> {
        let (mut records, mut bytes) = (max, max_bytes);
        let mut chunks = Vec::new();
        let order = positions.lock().in_turn();
        for (partition, from) in order {
            if records == 0 || bytes == 0 {
                break;
            }
            let log = self.log(&partition.topic)?;
            let chunk = match log.read(partition.partition, from, bytes) {
                Err(refusal) if refusal.code == ErrorCode::OffsetOutOfRange => {
                    // Retention or a deletion overtook this member: go on at the first record that is left.
                    let start = log.bounds(partition.partition)?.log_start;
                    log.read(partition.partition, start, bytes)?
                }
                read => read?,
            }
            .limited(records);
            if chunk.is_empty() {
                continue;
            }
            let count = usize::try_from(chunk.next_offset - chunk.from).unwrap_or(0);
            records = records.saturating_sub(count.max(1));
            bytes = bytes.saturating_sub(chunk.batches().iter().map(bytes::Bytes::len).sum());
            positions.lock().served(&partition, chunk.next_offset);
            chunks.push(chunk);
        }
        Ok(chunks)
    }

    async fn wait_for_records(
        &self,
        positions: &Mutex<GroupPositions>,
        pause: Duration,
    ) -> Result<(), Refusal> {
        let order = positions.lock().in_turn();
        let mut bells = Vec::with_capacity(order.len());
        for (partition, from) in order {
            let mut watch = self.log(&partition.topic)?.watch_from(partition.partition, from)?;
            bells.push(async move { watch.changed().await }.boxed());
        }
        let pause = tokio::time::sleep(pause);
        if bells.is_empty() {
            tokio::select! { () = pause => {}, () = self.draining().cancelled() => {} }
        } else {
            tokio::select! {
                _ = select_all(bells) => {},
                () = pause => {},
                () = self.draining().cancelled() => {},
            }
        }
        Ok(())
    }

    /// Commits offsets: all of them, or none.
    pub async fn group_commit(&self, group: &str, commit: GroupCommit, acks: Acks) -> Result<(), Refusal> {
        let group = GroupName::new(group)?;
        let weight = 512
            + commit
                .offsets
                .iter()
                .map(|one| 64 + one.metadata.as_ref().map_or(0, String::len))
                .sum::<usize>();
        let offsets = commit.offsets.into_iter().map(|one| {
            let topic = self.log(&one.topic)?.name().clone();
            let partition = log_engine::TopicPartition { topic, partition: one.partition };
            Ok(OffsetCommit {
                partition,
                offset: log_engine::Offset(one.offset),
                metadata: one.metadata.unwrap_or_default(),
            })
        });
        let offsets = offsets.collect::<Result<Vec<_>, Refusal>>()?;
        let (member, generation) = (commit.member, commit.generation);
        let work = move |turn: &mut Turn<'_>| {
            let log = &mut turn.engines.log;
            let member = member.map(|id| MemberId::new(&id));
            let claim = match (&member, generation) {
                (None, _) => None,
                (Some(member), Some(generation)) => Some((member, Generation(generation))),
                (Some(member), None) => Some((member, log.heartbeat(&group, member, turn.now)?.generation)),
            };
            Ok(log.commit_offsets(turn.journal.block(), &group, claim, &offsets, turn.now)?)
        };
        self.shard().call(Terms { acks, weight, room: Room::Reserved }, work).await?
    }

    /// Groups sorted by name, from after `after`.
    pub async fn list_groups(&self, after: Option<&str>, limit: usize) -> Result<Vec<GroupSummary>, Refusal> {
        let after = after.map(str::to_owned);
        let look = move |turn: &mut Turn<'_>| {
            let log = &turn.engines.log;
            let later =
                log.groups().filter(|name| after.as_ref().is_none_or(|after| name.as_str() > after.as_str()));
            let summary = |name: &GroupName| {
                let members = log.describe_group(name).map_or(0, |group| group.members.len() as u32);
                GroupSummary { group: name.to_string(), members }
            };
            later.take(limit).map(summary).collect()
        };
        self.shard().call(LOOK, look).await
    }

    /// A group as it stands.
    pub async fn group(&self, name: &str) -> Result<GroupDescription, Refusal> {
        let name = GroupName::new(name)?;
        let look = move |turn: &mut Turn<'_>| Ok(told_group(turn.engines.log.describe_group(&name)?));
        self.shard().call(LOOK, look).await?
    }

    /// Forgets a group without members, and everything that it committed.
    pub async fn delete_group(&self, name: &str) -> Result<(), Refusal> {
        let name = GroupName::new(name)?;
        let delete =
            move |turn: &mut Turn<'_>| Ok(turn.engines.log.delete_group(turn.journal.block(), &name)?);
        self.shard().call(Terms { acks: Acks::All, weight: 1024, room: Room::Reserved }, delete).await?
    }

    /// Sets a group without members to other offsets, or tells what that would do.
    pub async fn group_reset(&self, name: &str, reset: GroupReset) -> Result<Vec<ResetOutcome>, Refusal> {
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
        let weight = LogEngine::RECORDS_LEN_MAX;
        let work = move |turn: &mut Turn<'_>| {
            let log = &mut turn.engines.log;
            if partitions.is_empty() {
                partitions = log.committed(&group).into_iter().map(|(partition, _)| partition).collect();
            }
            let outcomes = log.reset(turn.journal.block(), &group, &partitions, to, dry_run, turn.now)?;
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

fn told_partition(partition: &log_engine::TopicPartition) -> TopicPartition {
    TopicPartition { topic: partition.topic.to_string(), partition: partition.partition }
}

fn told_joined(joined: log_engine::Joined) -> Joined {
    Joined {
        member_id: joined.member.as_str().to_owned(),
        generation: joined.generation.0,
        assignment: joined.assignment.iter().map(told_partition).collect(),
    }
}

fn told_group(group: log_engine::GroupDescription) -> GroupDescription {
    let offset = |lag: PartitionLag| GroupOffset {
        topic: lag.partition.topic.to_string(),
        partition: lag.partition.partition,
        committed: lag.committed.as_ref().map(|committed| committed.offset.0),
        log_end: lag.high_watermark.0,
        lag: i64::try_from(lag.lag).unwrap_or(i64::MAX),
        metadata: lag
            .committed
            .map(|committed| committed.metadata.into())
            .filter(|text: &String| !text.is_empty()),
    };
    let offsets: Vec<GroupOffset> = group.partitions.into_iter().map(offset).collect();
    let member = |member: log_engine::MemberDescription| GroupMember {
        member_id: member.id.as_str().to_owned(),
        partitions: member.assignment.iter().map(told_partition).collect(),
    };
    GroupDescription {
        group: group.name.to_string(),
        generation: group.generation.0,
        members: group.members.into_iter().map(member).collect(),
        lag: offsets.iter().map(|one| one.lag).sum(),
        offsets,
    }
}
