use std::collections::BTreeMap;

use super::keys::{BYGONE, FIXED, KEYS};
use super::{ConfigKey, ConfigKind, FixedKey, TopicConfig};

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Nobody set it.
    Default,
    /// The broker's configuration, for all topics that do not say otherwise.
    Broker,
    /// The topic's own configuration.
    Topic,
}

/// One setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its key.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: ConfigKind,
    /// Its value, as text.
    pub value: String,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it can have another value.
    pub fixed: bool,
    /// What it does.
    pub about: &'static str,
}

impl TopicConfig {
    /// The settings that can be changed, by name.
    #[must_use]
    pub fn keys() -> &'static [ConfigKey] {
        KEYS
    }

    /// The settings that have one value only, by name.
    pub fn fixed_keys() -> impl Iterator<Item = &'static FixedKey> {
        FIXED.iter().chain(BYGONE)
    }

    /// All settings with their values and where these come from, by name.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigEntry> {
        let own = KEYS.iter().enumerate().map(|(at, key)| ConfigEntry {
            name: key.name,
            kind: key.kind,
            value: (key.get)(self),
            source: self.source(at),
            fixed: false,
            about: key.about,
        });
        let fixed = FIXED.iter().map(|fixed| ConfigEntry {
            name: fixed.name,
            kind: fixed.kind,
            value: fixed.value.to_owned(),
            source: ConfigSource::Default,
            fixed: true,
            about: fixed.why,
        });
        let mut all: Vec<_> = own.chain(fixed).collect();
        all.sort_by_key(|entry| entry.name);
        all
    }

    fn source(&self, at: usize) -> ConfigSource {
        let bit = 1u32 << at;
        match (self.own & bit, self.broker & bit) {
            (0, 0) => ConfigSource::Default,
            (0, _) => ConfigSource::Broker,
            _ => ConfigSource::Topic,
        }
    }

    /// The settings that the topic makes itself, by key.
    #[must_use]
    pub fn explicit(&self) -> BTreeMap<&'static str, String> {
        let own = KEYS.iter().enumerate().filter(|(at, _)| self.source(*at) == ConfigSource::Topic);
        own.map(|(_, key)| (key.name, (key.get)(self))).collect()
    }
}
