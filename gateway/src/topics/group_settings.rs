//! What a group chooses for itself (`kafka-configs --entity-type groups`), whichever kind of group it is.

pub use log_engine::GroupSetting;
use message::GroupName;

use super::authorization::Act;
use super::deeds::Deed;
use super::queue_topic::LOOK;
use super::shard::Turn;
use super::share::CHANGE;
use super::{ConfigChange, Mode, Others, Topics};
use crate::refusal::Refusal;

impl Topics {
    /// The settings of a group, whether or not it is there.
    pub async fn group_settings(&self, group: &GroupName) -> Result<Vec<GroupSetting>, Refusal> {
        self.allow(Act::SeeGroupSettings, group.as_str())?;
        let group = group.clone();
        self.shard().call(LOOK, move |turn: &mut Turn<'_>| turn.engines.log.group_settings(&group)).await
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

    /// Changes settings of a group, all or none.
    pub async fn change_group_settings(
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
            log.alter_group_settings(block, &group, &changes, how)?;
            if mode == Mode::Make {
                let changes = changes.iter().map(|(key, change)| match change {
                    ConfigChange::Set(value) => format!(", {key}={value}"),
                    ConfigChange::Unset => format!(", without {key}"),
                    ConfigChange::Append(items) => format!(", {key} with {items}"),
                    ConfigChange::Subtract(items) => format!(", {key} without {items}"),
                });
                topics.did(Deed::ChangeGroup, &format!("group {group}{}", changes.collect::<String>()));
            }
            Ok(())
        };
        self.shard().call(CHANGE, change).await?
    }
}
