use log_engine::{ConsumerAnswer, GroupError, ShareGroupDescription, ShareHeartbeat, Shareable};
use message::{GroupName, TopicName};

use crate::refusal::Refusal;
use crate::topics::Topics;
use crate::topics::authorization::Act;
use crate::topics::outgoing::Acks;
use crate::topics::queue_topic::LOOK;
use crate::topics::shard::{Room, Terms, Turn};

/// Changes of a group are on disk before they are answered.
pub(in crate::topics) const CHANGE: Terms = Terms { acks: Acks::All, weight: 4096, room: Room::Reserved };

/// A share group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareListing {
    /// Its name.
    pub name: GroupName,
    /// How many members it has.
    pub members: usize,
}

impl Topics {
    /// A heartbeat of a member, which may be given partitions of logs, and queues as one partition each.
    pub async fn share_heartbeat(
        &self,
        group: &GroupName,
        ask: ShareHeartbeat,
    ) -> Result<Result<ConsumerAnswer, GroupError>, Refusal> {
        self.allow(Act::UseGroup, group.as_str())?;
        let group = group.clone();
        let beat = move |turn: &mut Turn<'_>| {
            let queues = &turn.engines.queue;
            let queue = |name: &TopicName| {
                queues.check_access(name, None).ok()?;
                let info = queues.queue_info(name).ok()?;
                Some(Shareable { incarnation: u64::from(info.id.0), partitions: 1 })
            };
            turn.engines.log.share_heartbeat(turn.journal.block(), &group, ask, &queue, turn.now)
        };
        self.shard().call(Terms { weight: 1024, ..LOOK }, beat).await
    }

    /// All share groups, by name.
    pub async fn share_listings(&self) -> Result<Vec<ShareListing>, Refusal> {
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            let groups = turn.engines.log.share_groups();
            let groups = groups.filter(|(name, _)| topics.may(Act::SeeGroup, name.as_str()));
            groups.map(|(name, members)| ShareListing { name: name.clone(), members }).collect()
        };
        self.shard().call(LOOK, look).await
    }

    /// A share group with its members, if there is one.
    pub async fn share_members(&self, group: &GroupName) -> Result<Option<ShareGroupDescription>, Refusal> {
        self.allow(Act::SeeGroup, group.as_str())?;
        let group = group.clone();
        self.shard()
            .call(LOOK, move |turn: &mut Turn<'_>| turn.engines.log.describe_share_group(&group))
            .await
    }

    /// How long members of a group keep records.
    pub async fn share_record_lock(&self, group: &GroupName) -> Result<std::time::Duration, Refusal> {
        self.allow(Act::SeeGroup, group.as_str())?;
        let group = group.clone();
        self.shard().call(LOOK, move |turn: &mut Turn<'_>| turn.engines.log.share_record_lock(&group)).await
    }
}
