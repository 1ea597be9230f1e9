use std::collections::BTreeMap;

use message::GroupName;
use segment_store::Block;

use super::{GroupSettings, Offer};
use crate::record::LogRecord;
use crate::share::ShareRecord;
use crate::{ConfigChange, LogEngine, LogError};

/// A setting of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSetting {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Whether the group chose it.
    pub is_chosen: bool,
}

impl LogEngine {
    fn offer(&self) -> Offer<'_> {
        Offer { groups: &self.config.groups, shares: &self.config.shares }
    }

    /// The settings that a group of that name has, or would have.
    #[must_use]
    pub fn group_settings(&self, group: &GroupName) -> Vec<GroupSetting> {
        let chosen = self.choices.text(group);
        let told = GroupSettings::usual(self.offer()).map(|(name, value)| {
            match chosen.and_then(|chosen| chosen.get(name)) {
                Some(value) => GroupSetting { name, value: value.to_string(), is_chosen: true },
                None => GroupSetting { name, value, is_chosen: false },
            }
        });
        told.collect()
    }

    /// Names with settings of their own.
    pub fn groups_with_settings(&self) -> impl Iterator<Item = &GroupName> {
        self.choices.iter().map(|(name, _)| name)
    }

    /// Changes settings of a group, which need not be there yet; with `alone`, those that are not named go back to what is
    /// usual. With `check_only` nothing changes. Renewed locks and heartbeats follow the new values, records that are out
    /// already keep their time.
    pub fn alter_group_settings(
        &mut self,
        block: &mut Block,
        group: &GroupName,
        changes: &[(String, ConfigChange)],
        (alone, check_only): (bool, bool),
    ) -> Result<(), LogError> {
        let known = self.choices.text(group);
        let is_new = known.is_none();
        let mut text = known.filter(|_| !alone).cloned().unwrap_or_default();
        for (name, change) in changes {
            match change {
                ConfigChange::Set(value) => _ = text.insert(name.as_str().into(), value.as_str().into()),
                ConfigChange::Unset => _ = text.remove(name.as_str()),
                ConfigChange::Append(_) | ConfigChange::Subtract(_) => {
                    return Err(LogError::InvalidConfig(format!("{name} is no list")));
                }
            }
        }
        GroupSettings::parse(&text, self.offer())?;
        if check_only {
            return Ok(());
        }
        if is_new {
            self.check_share_room(self.choices.len())?;
        }
        self.push(block, &LogRecord::Share(settings_record(group, &text)));
        self.take_group_settings(group.clone(), text);
        Ok(())
    }

    /// Takes what a group chose, in place of all that it chose before.
    pub(crate) fn take_group_settings(&mut self, group: GroupName, text: BTreeMap<Box<str>, Box<str>>) {
        let offer = Offer { groups: &self.config.groups, shares: &self.config.shares };
        self.choices.set(group, text, offer);
    }

    /// The records of a checkpoint that settings consist of.
    pub(crate) fn checkpoint_group_settings(&self, put: &mut dyn FnMut(&LogRecord<'_>)) {
        self.choices.iter().for_each(|(name, text)| put(&LogRecord::Share(settings_record(name, text))));
    }
}

fn settings_record<'a>(group: &'a GroupName, text: &'a BTreeMap<Box<str>, Box<str>>) -> ShareRecord<'a> {
    let settings = text.iter().map(|(name, value)| (&**name, &**value)).collect();
    ShareRecord::Settings { group: group.as_str(), settings }
}
