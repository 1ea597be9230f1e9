use std::collections::BTreeMap;

use message::GroupName;

use super::{ConsumerSettings, GroupSettings, Offer, ShareSettings};

/// What each group chose, as text and as read; also groups that do not exist yet.
#[derive(Debug, Default)]
pub(crate) struct Choices(BTreeMap<GroupName, Chosen>);

#[derive(Debug, Default)]
struct Chosen {
    text: BTreeMap<Box<str>, Box<str>>,
    settings: GroupSettings,
}

impl Choices {
    /// What matters to a group of that name as a consumer group.
    pub(crate) fn consumer(&self, group: &GroupName) -> ConsumerSettings {
        self.0.get(group).map(|chosen| chosen.settings.consumer).unwrap_or_default()
    }

    /// What matters to a group of that name as a share group.
    pub(crate) fn share(&self, group: &GroupName) -> ShareSettings {
        self.0.get(group).map(|chosen| chosen.settings.share).unwrap_or_default()
    }

    /// What a group chose, as it was given.
    pub(crate) fn text(&self, group: &GroupName) -> Option<&BTreeMap<Box<str>, Box<str>>> {
        self.0.get(group).map(|chosen| &chosen.text)
    }

    /// How many groups chose something.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All groups that chose something, and what.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupName, &BTreeMap<Box<str>, Box<str>>)> {
        self.0.iter().map(|(name, chosen)| (name, &chosen.text))
    }

    /// Takes what a group chose, in place of all that it chose before; a value that is out of bounds by now leaves the
    /// group with what is usual.
    pub(crate) fn set(&mut self, group: GroupName, text: BTreeMap<Box<str>, Box<str>>, offer: Offer<'_>) {
        if text.is_empty() {
            self.0.remove(&group);
            return;
        }
        let settings = GroupSettings::parse(&text, offer).unwrap_or_default();
        self.0.insert(group, Chosen { text, settings });
    }
}
