//! Readers of logs that a door serves on behalf of a group: those that come request by request, and those that stay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::select_all;
use log_engine::{Attendance, ClientOrigin, Leaving, MemberId};
use message::{ErrorCode, GroupName, TopicName};
use parking_lot::Mutex;

use super::Topics;
use super::authorization::Act;
use super::group_positions::GroupPositions;
use super::group_spec::{GroupReceive, Joined, Reader, TopicPartition};
use super::queue_topic::LOOK;
use super::record_chunk::RecordChunk;
use super::shard::Turn;
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
    /// Joins, or stays in, a group on behalf of a reader. Partitions that it was told before and is not told again it may
    /// commit until it comes again without holding them: that is how it lets go.
    pub async fn group_join(&self, group: &str, reader: Reader) -> Result<Joined, Refusal> {
        let (joined, _) = self.attend(group, reader).await?;
        Ok(joined)
    }

    async fn attend(
        &self,
        group: &str,
        reader: Reader,
    ) -> Result<(Joined, Vec<(TopicPartition, i64)>), Refusal> {
        self.allow(Act::UseGroup, group)?;
        self.check_not_draining()?;
        let group = GroupName::new(group)?;
        let topics = reader.topics.iter().map(|topic| {
            let log = self.log(topic)?;
            log.allow(Act::Consume)?;
            Ok(log.name().clone())
        });
        let topics = topics.collect::<Result<Vec<TopicName>, Refusal>>()?;
        let holds = reader.holds.iter().filter_map(|held| {
            let topic = TopicName::new(&held.topic).ok()?;
            Some(log_engine::TopicPartition { topic, partition: held.partition })
        });
        let ask = Attendance {
            member: reader.member.as_deref().map(MemberId::new),
            new_member: self.new_member_id(reader.door),
            origin: ClientOrigin { id: reader.door.into(), host: reader.host.as_str().into() },
            topics,
            session_timeout: reader.session_timeout,
            holds: holds.collect(),
        };
        let join = move |turn: &mut Turn<'_>| {
            let log = &mut turn.engines.log;
            let joined = log.attend(&group, ask, turn.now)?;
            let starts = joined.assignment.iter().filter_map(|partition| {
                let id = log.resolve(partition).ok()?.id();
                Some((TopicPartition::from(partition), log.position(&group, id)?.0))
            });
            let starts = starts.collect();
            Ok::<_, Refusal>((Joined::from(joined), starts))
        };
        self.shard().call(LOOK, join).await?
    }

    /// Leaves at once, so that others take over without waiting for the session to end.
    pub async fn group_leave(&self, group: &str, member: &str) -> Result<(), Refusal> {
        self.allow(Act::UseGroup, group)?;
        let (name, member) = (GroupName::new(group)?, member.to_owned());
        self.positions().remove(&(name.clone(), member.clone()));
        let leaving = [Leaving { member: Some(MemberId::new(&member)), instance: None }];
        let leave = move |turn: &mut Turn<'_>| turn.engines.log.leave_group(&name, &leaving, turn.now);
        for left in self.shard().call(LOOK, leave).await? {
            left?;
        }
        Ok(())
    }

    /// Records for a member: joins it if it has no id yet, then reads on where it was, waiting if there is nothing.
    ///
    /// By coming again the member confirms what it was told last. When it is to let partitions go, it is told at once,
    /// so that it can finish and come again.
    pub async fn group_receive(&self, group: &str, ask: GroupReceive) -> Result<GroupBatch, Refusal> {
        let session = Duration::from_millis(ask.session_timeout_ms);
        let deadline = Instant::now() + Duration::from_millis(ask.wait_ms);
        let name = GroupName::new(group)?;
        let mut member = ask.member.clone();
        let mut rewind = ask.rewind;
        let holds = member.as_ref().map(|member| self.told(&name, member)).unwrap_or_default();
        loop {
            let reader = Reader {
                member: member.clone(),
                door: "http",
                host: ask.host.clone(),
                topics: ask.topics.clone(),
                session_timeout: session,
                holds: holds.clone(),
            };
            let (joined, starts) = self.attend(group, reader).await?;
            member = Some(joined.member_id.clone());
            let positions = self.positions_of(&name, &joined, session, &starts, ask.max_unacked)?;
            if std::mem::take(&mut rewind) {
                positions.lock().rewind(|wanted| start_of(&starts, wanted));
            }
            let changed = positions.lock().changed();
            let changed = changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let chunks = self.read_in_turn(&positions, ask.max, ask.max_bytes)?;
            let left = deadline.saturating_duration_since(Instant::now());
            let loses = holds.iter().any(|held| !joined.assignment.contains(held));
            if !chunks.is_empty() || loses || left.is_zero() || self.draining().is_cancelled() {
                let Joined { member_id, generation, assignment } = joined;
                positions.lock().tell(&assignment);
                return Ok(GroupBatch { member_id, generation, assignment, chunks });
            }
            let pause = left.min(session / 3).min(ASSIGNMENT_CHECK);
            tokio::select! {
                waited = self.wait_for_records(&positions, pause) => waited?,
                () = changed => {}
            }
        }
    }

    /// What a member was told last that it reads.
    fn told(&self, group: &GroupName, member: &str) -> Vec<TopicPartition> {
        let known = self.positions().get(&(group.clone(), member.to_owned()));
        known.map(|positions| positions.lock().told().to_vec()).unwrap_or_default()
    }

    fn positions_of(
        &self,
        group: &GroupName,
        joined: &Joined,
        session: Duration,
        starts: &[(TopicPartition, i64)],
        max_unacked: Option<usize>,
    ) -> Result<Arc<Mutex<GroupPositions>>, Refusal> {
        let now = Instant::now();
        let entry = self.positions().entry((group.clone(), joined.member_id.clone()));
        let new = || Arc::new(Mutex::new(GroupPositions::new(now, session, max_unacked)));
        let positions = Arc::clone(&entry.or_insert_with(new));
        let mut held = positions.lock();
        held.set_max_unacked(max_unacked)?;
        held.touch(now, session);
        held.assign(&joined.assignment, |wanted| start_of(starts, wanted));
        drop(held);
        self.forget_abandoned(now);
        Ok(positions)
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
        let (room, order, acknowledges) = {
            let positions = positions.lock();
            (positions.room(), positions.in_turn(), positions.acknowledges())
        };
        let (mut records, mut bytes) = (max.min(room), max_bytes);
        let mut chunks = Vec::new();
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
                // Markers and aborted records need not be passed over again.
                positions.lock().served(&partition, &[], chunk.next_offset);
                continue;
            }
            let count = usize::try_from(chunk.next_offset - chunk.from).unwrap_or(0);
            records = records.saturating_sub(count.max(1));
            bytes = bytes.saturating_sub(chunk.batches().iter().map(bytes::Bytes::len).sum());
            let offsets = if acknowledges { chunk.offsets()? } else { Vec::new() };
            positions.lock().served(&partition, &offsets, chunk.next_offset);
            chunks.push(chunk);
        }
        Ok(chunks)
    }

    async fn wait_for_records(
        &self,
        positions: &Mutex<GroupPositions>,
        pause: Duration,
    ) -> Result<(), Refusal> {
        let order = {
            let positions = positions.lock();
            if positions.room() > 0 { positions.in_turn() } else { Vec::new() }
        };
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
}

fn start_of(starts: &[(TopicPartition, i64)], wanted: &TopicPartition) -> Option<i64> {
    starts.iter().find(|(partition, _)| partition == wanted).map(|(_, offset)| *offset)
}
