use log_engine::{
    ConfigChange, ConsumerAnswer, GroupError, ShareGroupDescription, ShareHeartbeat, ShareSetting, Shareable,
};
use message::{GroupName, TopicName};

use crate::refusal::Refusal;
use crate::topics::authorization::Act;
use crate::topics::deeds::Deed;
use crate::topics::outgoing::Acks;
use crate::topics::queue_topic::LOOK;
use crate::topics::shard::{Room, Terms, Turn};
use crate::topics::{Mode, Others, Topics};

/// Changes of a group are on disk before they are answered.
pub(super) const CHANGE: Terms = Terms { acks: Acks::All, weight: 4096, room: Room::Reserved };

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

    /// The settings of a share group, whether or not it is there.
    pub async fn share_settings(&self, group: &GroupName) -> Result<Vec<ShareSetting>, Refusal> {
        self.allow(Act::SeeGroupSettings, group.as_str())?;
        let group = group.clone();
        self.shard().call(LOOK, move |turn: &mut Turn<'_>| turn.engines.log.share_settings(&group)).await
    }

    /// Groups with settings of their own.
    pub async fn groups_with_settings(&self) -> Result<Vec<GroupName>, Refusal> {
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            let all = turn.engines.log.groups_with_settings().cloned();
            all.filter(|name| topics.may(Act::SeeGroupSettings, name.as_str())).collect()
        };
        self.shard().call(LOOK, look).await
    }

    /// Changes settings of a share group, all or none.
    pub async fn change_share_settings(
        &self,
        group: &GroupName,
        changes: Vec<(String, ConfigChange)>,
        others: Others,
        mode: Mode,
    ) -> Result<(), Refusal> {
        self.allow(Act::ChangeGroupSettings, group.as_str())?;
        let (group, topics) = (group.clone(), self.clone());
        let how = (others == Others::Unset, mode == Mode::Check);
        let change = move |turn: &mut Turn<'_>| {
            let (log, block) = (&mut turn.engines.log, turn.journal.block());
            log.alter_share_settings(block, &group, &changes, how)?;
            if mode == Mode::Make {
                let changes = changes.iter().map(|(key, change)| match change {
                    ConfigChange::Set(value) => format!(", {key}={value}"),
                    ConfigChange::Unset => format!(", without {key}"),
                    ConfigChange::Append(items) => format!(", {key} with {items}"),
                    ConfigChange::Subtract(items) => format!(", {key} without {items}"),
                });
                topics.did(Deed::ChangeGroup, &format!("share group {group}{}", changes.collect::<String>()));
            }
            Ok(())
        };
        self.shard().call(CHANGE, change).await?
    }
}
