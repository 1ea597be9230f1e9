use log_engine::{LogEngine, LogError, Offset, ShareOffset, TopicPartition};
use message::{ErrorCode, GroupName, TopicName};
use queue_engine::QueueEngine;

use super::membership::CHANGE;
use crate::refusal::Refusal;
use crate::topics::authorization::Act;
use crate::topics::deeds::Deed;
use crate::topics::queue_topic::LOOK;
use crate::topics::shard::Turn;
use crate::topics::{Topic, Topics};

/// How far a share group has come in a partition of a log, or a queue in its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareProgress {
    /// The partition.
    pub partition: TopicPartition,
    /// Everything before this is done with; absent when the group has not begun.
    pub start: Option<i64>,
    /// What is not done with.
    pub lag: Option<u64>,
}

impl From<ShareOffset> for ShareProgress {
    fn from(offset: ShareOffset) -> ShareProgress {
        let ShareOffset { partition, start, lag } = offset;
        ShareProgress { partition, start: start.map(|start| start.0), lag }
    }
}

impl Topics {
    /// How far a group has come wherever it began or its members are assigned; none when there is no such group.
    pub async fn share_progress(&self, group: &GroupName) -> Result<Option<Vec<ShareProgress>>, Refusal> {
        self.allow(Act::SeeGroup, group.as_str())?;
        let group = group.clone();
        let look = move |turn: &mut Turn<'_>| {
            let (log, queue) = (&turn.engines.log, &turn.engines.queue);
            let of_logs = log.share_offsets(&group)?;
            let members = log.describe_share_group(&group).map(|group| group.members).unwrap_or_default();
            let assigned = members.into_iter().flat_map(|member| member.assignment);
            let queues: std::collections::BTreeSet<TopicName> = assigned.map(|one| one.topic).collect();
            let of_queues = queues.iter().filter_map(|name| of_queue(queue, name));
            Some(of_logs.into_iter().map(ShareProgress::from).chain(of_queues).collect())
        };
        self.shard().call(LOOK, look).await
    }

    /// The same for one partition, whatever group asks.
    pub async fn share_progress_in(
        &self,
        group: &GroupName,
        topic: &Topic,
        partition: u32,
    ) -> Result<Option<ShareProgress>, Refusal> {
        self.allow(Act::SeeGroup, group.as_str())?;
        let (group, name) = (group.clone(), topic.name().clone());
        let id = match topic {
            Topic::Log(log) => Some(log.partition(partition)?.id),
            Topic::Queue(_) => None,
        };
        let look = move |turn: &mut Turn<'_>| match id {
            Some(id) => turn.engines.log.share_offset(&group, id).map(ShareProgress::from),
            None => of_queue(&turn.engines.queue, &name),
        };
        self.shard().call(LOOK, look).await
    }

    /// Sets a group without members to other places: one result for each.
    pub async fn alter_share_offsets(
        &self,
        group: &GroupName,
        to: Vec<(Topic, u32, i64)>,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let mut outcomes = Vec::with_capacity(to.len());
        for (topic, partition, start) in to {
            let Topic::Log(log) = topic else {
                outcomes.push(Err(no_offsets(topic.name())));
                continue;
            };
            let id = match log.partition(partition) {
                Ok(partition) => partition.id,
                Err(refusal) => {
                    outcomes.push(Err(refusal));
                    continue;
                }
            };
            let (group, topics, name) = (group.clone(), self.clone(), log.name().clone());
            let alter = move |turn: &mut Turn<'_>| {
                let (log, block) = (&mut turn.engines.log, turn.journal.block());
                log.alter_share_offset(block, &group, id, Offset(start))?;
                topics.did(Deed::SetOffsets, &format!("share group {group} in {name}"));
                Ok(())
            };
            let altered: Result<(), LogError> = self.shard().call(CHANGE, alter).await?;
            outcomes.push(altered.map_err(Refusal::from));
        }
        Ok(outcomes)
    }

    /// Whether a share group is there and has no members, as those who change its offsets need it.
    pub async fn check_share_is_empty(&self, group: &GroupName) -> Result<(), Refusal> {
        self.allow(Act::SeeGroup, group.as_str())?;
        let group = group.clone();
        let look =
            move |turn: &mut Turn<'_>| turn.engines.log.check_share_is_empty(&group).map_err(LogError::from);
        Ok(self.shard().call(LOOK, look).await??)
    }

    /// Forgets what a group without members knows of a log; refused when it knows nothing.
    pub async fn delete_share_offsets(&self, group: &GroupName, topic: &Topic) -> Result<(), Refusal> {
        self.allow(Act::DeleteGroup, group.as_str())?;
        let Topic::Log(log) = topic else { return Err(no_offsets(topic.name())) };
        let (group, name, topics) = (group.clone(), log.name().clone(), self.clone());
        let weight = (1024 + 4 * log.partitions() as usize).min(LogEngine::RECORDS_LEN_MAX);
        let forget = move |turn: &mut Turn<'_>| {
            let (log, block) = (&mut turn.engines.log, turn.journal.block());
            let deleted = log.delete_share_offsets(block, &group, &name)?;
            if deleted {
                topics.did(Deed::DeleteOffsets, &format!("share group {group} in {name}"));
            }
            Ok::<_, LogError>(deleted)
        };
        match self.shard().call(crate::topics::shard::Terms { weight, ..CHANGE }, forget).await?? {
            true => Ok(()),
            false => {
                Err(Refusal::new(ErrorCode::UnknownPartition, "There is no offset information to delete."))
            }
        }
    }
}

/// A queue has no offsets, but its oldest message has an id, and so many are not done with.
fn of_queue(queues: &QueueEngine, name: &TopicName) -> Option<ShareProgress> {
    let info = queues.queue_info(name).ok()?;
    let oldest = queues.browse(name, None, 1, 0).ok().and_then(|page| Some(page.messages.first()?.id));
    let start = i64::try_from(oldest.unwrap_or(info.next_id).0).ok();
    let lag = Some(info.ready + info.leased + info.delayed);
    Some(ShareProgress { partition: TopicPartition { topic: name.clone(), partition: 0 }, start, lag })
}

fn no_offsets(queue: &TopicName) -> Refusal {
    let detail =
        format!("{queue} is a queue: what was settled is gone, so no group has a place in it to change");
    Refusal::new(ErrorCode::InvalidRequest, detail)
}
