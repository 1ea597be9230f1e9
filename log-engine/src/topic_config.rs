use std::collections::BTreeMap;

use message::Timestamp;

use crate::LogError;
use crate::batch::TimestampType;

/// How a log keeps its records: the keys that Kafka's topics take, as far as they are enforced here.
///
/// ```
/// use log_engine::TopicConfig;
///
/// let config = TopicConfig::parse([("retention.ms", "60000")])?;
/// assert_eq!(config.retention_ms(), Some(60_000));
/// let error = TopicConfig::parse([("retention.msec", "60000")]).unwrap_err();
/// assert!(error.to_string().contains("retention.ms"));
/// # Ok::<(), log_engine::LogError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    retention_ms: i64,
    retention_bytes: i64,
    segment_bytes: u32,
    segment_ms: i64,
    max_message_bytes: u32,
    timestamp_type: TimestampType,
    index_interval_bytes: u32,
    /// One bit for each of [`KEYS`] that was set explicitly.
    explicit: u32,
}

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Nobody set it.
    Default,
    /// The topic's own configuration.
    Topic,
}

/// One setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its key.
    pub name: &'static str,
    /// Its value, as text.
    pub value: String,
    /// Where the value comes from.
    pub source: ConfigSource,
}

struct Key {
    name: &'static str,
    get: fn(&TopicConfig) -> String,
    set: fn(&mut TopicConfig, &str) -> Result<(), String>,
}

/// The smallest segment: small enough to watch retention at work, large enough not to drown in files.
const SEGMENT_BYTES_MIN: i64 = 1024;

const KEYS: &[Key] = &[
    Key { name: "cleanup.policy", get: |_| "delete".to_owned(), set: |_, value| cleanup_policy(value) },
    Key {
        name: "index.interval.bytes",
        get: |c| c.index_interval_bytes.to_string(),
        set: |c, value| {
            c.index_interval_bytes = number(value, 0, i64::from(i32::MAX))? as u32;
            Ok(())
        },
    },
    Key {
        name: "max.message.bytes",
        get: |c| c.max_message_bytes.to_string(),
        set: |c, value| {
            c.max_message_bytes = number(value, 0, i64::from(i32::MAX))? as u32;
            Ok(())
        },
    },
    Key {
        name: "message.timestamp.type",
        get: |c| timestamp_type_name(c.timestamp_type).to_owned(),
        set: |c, value| {
            c.timestamp_type = timestamp_type(value)?;
            Ok(())
        },
    },
    Key {
        name: "retention.bytes",
        get: |c| c.retention_bytes.to_string(),
        set: |c, value| {
            c.retention_bytes = number(value, -1, i64::MAX)?;
            Ok(())
        },
    },
    Key {
        name: "retention.ms",
        get: |c| c.retention_ms.to_string(),
        set: |c, value| {
            c.retention_ms = number(value, -1, i64::MAX)?;
            Ok(())
        },
    },
    Key {
        name: "segment.bytes",
        get: |c| c.segment_bytes.to_string(),
        set: |c, value| {
            c.segment_bytes = number(value, SEGMENT_BYTES_MIN, i64::from(i32::MAX))? as u32;
            Ok(())
        },
    },
    Key {
        name: "segment.ms",
        get: |c| c.segment_ms.to_string(),
        set: |c, value| {
            c.segment_ms = number(value, 1, i64::MAX)?;
            Ok(())
        },
    },
];

/// Keys of Kafka's topics that take only the value which describes what happens here anyway.
const FIXED: &[(&str, &str)] = &[
    ("compression.type", "producer"),
    ("flush.messages", "9223372036854775807"),
    ("flush.ms", "9223372036854775807"),
    ("min.insync.replicas", "1"),
    ("preallocate", "false"),
    ("remote.storage.enable", "false"),
    ("segment.jitter.ms", "0"),
    ("unclean.leader.election.enable", "false"),
];

/// Keys of Kafka's topics that are not enforced, hence refused.
const REFUSED: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "segment.index.bytes",
];

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig {
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            index_interval_bytes: 4096,
            explicit: 0,
        }
    }
}

impl TopicConfig {
    /// Reads settings given as text; what is not given has its default.
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Result<TopicConfig, LogError> {
        let mut config = TopicConfig::default();
        for (name, value) in settings {
            config.set(name.as_ref(), value.as_ref())?;
        }
        Ok(config)
    }

    /// Changes one setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LogError> {
        let refuse = |why: String| Err(LogError::InvalidConfig(why));
        if let Some(at) = KEYS.iter().position(|key| key.name == name) {
            if let Err(why) = (KEYS[at].set)(self, value) {
                return refuse(format!("{name}={value:?} is not valid: {why}"));
            }
            self.explicit |= 1 << at;
            return Ok(());
        }
        if let Some((_, only)) = FIXED.iter().find(|(key, _)| *key == name) {
            if *only == value {
                return Ok(());
            }
            return refuse(format!("{name}={value:?} is not supported; {name} can only be {only:?}"));
        }
        if REFUSED.contains(&name) {
            return refuse(format!("{name} is not supported; leave it out"));
        }
        refuse(match nearest(name) {
            Some(known) => format!("there is no topic setting {name:?}; did you mean {known:?}?"),
            None => format!("there is no topic setting {name:?}"),
        })
    }

    /// Gives one setting its default again.
    pub fn unset(&mut self, name: &str) -> Result<(), LogError> {
        if FIXED.iter().any(|(key, _)| *key == name) {
            return Ok(());
        }
        let defaults = TopicConfig::default();
        let Some(at) = KEYS.iter().position(|key| key.name == name) else {
            return self.set(name, "");
        };
        self.set(name, &(KEYS[at].get)(&defaults))?;
        self.explicit &= !(1 << at);
        Ok(())
    }

    /// All settings with their values and where these come from.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigEntry> {
        let source = |at: usize| match self.explicit & (1u32 << at) {
            0 => ConfigSource::Default,
            _ => ConfigSource::Topic,
        };
        let own = KEYS.iter().enumerate().map(|(at, key)| ConfigEntry {
            name: key.name,
            value: (key.get)(self),
            source: source(at),
        });
        let fixed = FIXED.iter().map(|(name, value)| ConfigEntry {
            name,
            value: (*value).to_owned(),
            source: ConfigSource::Default,
        });
        let mut all: Vec<_> = own.chain(fixed).collect();
        all.sort_by_key(|entry| entry.name);
        all
    }

    /// The settings that were made explicitly, by key.
    #[must_use]
    pub fn explicit(&self) -> BTreeMap<&'static str, String> {
        self.describe()
            .into_iter()
            .filter(|entry| entry.source == ConfigSource::Topic)
            .map(|entry| (entry.name, entry.value))
            .collect()
    }

    /// How long records are kept, in milliseconds; none means for ever.
    #[must_use]
    pub fn retention_ms(&self) -> Option<i64> {
        (self.retention_ms >= 0).then_some(self.retention_ms)
    }

    /// How many bytes a partition keeps; none means all.
    #[must_use]
    pub fn retention_bytes(&self) -> Option<u64> {
        u64::try_from(self.retention_bytes).ok()
    }

    /// Bytes after which a new segment is begun.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        u64::from(self.segment_bytes)
    }

    /// Whether a segment begun at `created` should get no more records.
    #[must_use]
    pub fn is_segment_old(&self, created: Timestamp, now: Timestamp) -> bool {
        now.0.saturating_sub(created.0) >= self.segment_ms
    }

    /// The largest batch accepted, in bytes.
    #[must_use]
    pub fn max_message_bytes(&self) -> usize {
        self.max_message_bytes as usize
    }

    /// Whose clock gives records their time.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        self.timestamp_type
    }

    /// Bytes of records between two entries of an index.
    #[must_use]
    pub fn index_interval_bytes(&self) -> u64 {
        u64::from(self.index_interval_bytes)
    }
}

fn number(value: &str, min: i64, max: i64) -> Result<i64, String> {
    match value.trim().parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("give a whole number from {min} to {max}")),
    }
}

fn cleanup_policy(value: &str) -> Result<(), String> {
    match value {
        "delete" => Ok(()),
        "compact" | "compact,delete" | "delete,compact" => {
            Err("this version has no compaction; use \"delete\"".to_owned())
        }
        _ => Err("the policies are \"delete\" and \"compact\"".to_owned()),
    }
}

fn timestamp_type(value: &str) -> Result<TimestampType, String> {
    match value {
        "CreateTime" => Ok(TimestampType::CreateTime),
        "LogAppendTime" => Ok(TimestampType::LogAppendTime),
        _ => Err("use \"CreateTime\" or \"LogAppendTime\"".to_owned()),
    }
}

fn timestamp_type_name(value: TimestampType) -> &'static str {
    match value {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| key.name)
        .chain(FIXED.iter().map(|(name, _)| *name))
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_kafkas_defaults_and_tells_where_values_come_from() {
        let config =
            TopicConfig::parse([("segment.bytes", "4096"), ("compression.type", "producer")]).unwrap();
        let all = config.describe();
        let entry = |name: &str| all.iter().find(|entry| entry.name == name).unwrap().clone();
        assert_eq!(entry("retention.ms").value, "604800000");
        assert_eq!(entry("max.message.bytes").value, "1048588");
        assert_eq!(entry("segment.bytes").source, ConfigSource::Topic);
        assert_eq!(entry("retention.ms").source, ConfigSource::Default);
        assert_eq!(TopicConfig::parse(config.explicit()).unwrap(), config);
    }

    #[test]
    fn unset_returns_to_the_default() {
        let mut config = TopicConfig::parse([("segment.bytes", "4096")]).unwrap();
        config.unset("segment.bytes").unwrap();
        assert_eq!(config, TopicConfig::default());
        assert!(config.unset("segment.byte").is_err());
    }

    #[test]
    fn refuses_what_it_does_not_enforce() {
        for (name, value) in [
            ("cleanup.policy", "compact"),
            ("cleanup.policy", "shred"),
            ("compression.type", "zstd"),
            ("min.cleanable.dirty.ratio", "0.5"),
            ("retention.ms", "-2"),
            ("retention.ms", "soon"),
            ("segment.bytes", "10"),
            ("colour", "blue"),
        ] {
            let error = TopicConfig::parse([(name, value)]).unwrap_err();
            assert_eq!(error.code(), message::ErrorCode::InvalidConfig, "{name}={value}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
