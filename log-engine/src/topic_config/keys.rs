//! Every key that Kafka's topics take: what it means here, and what it may be.
use super::TopicConfig;
use super::values::{
    CleanupPolicy, compression, compression_text, gzip_level, number, ratio, ratio_text, timestamp_type,
    timestamp_type_text, truth,
};

/// What a setting's value looks like (the types of KIP-226's `DescribeConfigs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A number with a fraction.
    Double,
    /// Words with commas between them.
    List,
}

/// One setting that a topic can have.
#[derive(Clone, Copy)]
pub struct ConfigKey {
    /// Its name, as Kafka has it.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: ConfigKind,
    /// What it does, in a sentence or two.
    pub about: &'static str,
    pub(super) get: fn(&TopicConfig) -> String,
    pub(super) set: fn(&mut TopicConfig, &str) -> Result<(), String>,
}

/// A key whose value is a fixed statement about what happens here anyway; anything else is refused.
#[derive(Clone, Copy, Debug)]
pub struct FixedKey {
    /// Its name, as Kafka has it.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: ConfigKind,
    /// The only value.
    pub value: &'static str,
    /// Why there is no other.
    pub why: &'static str,
}

impl std::fmt::Debug for ConfigKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigKey")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
/// The smallest segment: small enough to watch retention at work, large enough not to drown in files.
const SEGMENT_BYTES_MIN: i64 = 1024;

macro_rules! whole {
    ($name:literal, $field:ident, $kind:ident, $min:expr, $max:expr, $about:literal) => {
        ConfigKey {
            name: $name,
            kind: ConfigKind::$kind,
            about: $about,
            get: |config| config.$field.to_string(),
            set: |config, value| {
                config.$field = number(value, $min, $max)? as _;
                Ok(())
            },
        }
    };
}

macro_rules! other {
    ($name:literal, $kind:ident, $field:ident, $parse:path, $get:expr, $about:literal) => {
        ConfigKey {
            name: $name,
            kind: ConfigKind::$kind,
            about: $about,
            get: $get,
            set: |config, value| {
                config.$field = $parse(value)?;
                Ok(())
            },
        }
    };
}

/// The keys that are enforced, by name. Their order is the order of the bits that say what was set.
pub(super) const KEYS: &[ConfigKey] = &[
    other!(
        "cleanup.policy",
        List,
        cleanup,
        CleanupPolicy::parse,
        |config| config.cleanup.as_str().to_owned(),
        "`delete` removes old segments by time and size, `compact` keeps the last record of each key, \
         `compact,delete` does both. Records without a key are refused while it contains `compact`; compaction removes those \
         that came before."
    ),
    other!(
        "compression.gzip.level",
        Int,
        gzip_level,
        gzip_level,
        |config| config.gzip_level.to_string(),
        "How hard `compression.type=gzip` tries: 1 to 9, or -1 for the usual level."
    ),
    whole!(
        "compression.lz4.level",
        lz4_level,
        Int,
        1,
        17,
        "How hard `compression.type=lz4` tries. 9 is the fast compressor, as with Kafka; every other level is the thorough \
         one, which has levels up to 12: above, nothing changes."
    ),
    other!(
        "compression.type",
        String,
        compression,
        compression,
        |config| compression_text(config).to_owned(),
        "`producer` stores batches as they were sent; `uncompressed`, `gzip`, `snappy`, `lz4` or `zstd` compresses \
         anew what was sent otherwise, before it is appended."
    ),
    whole!(
        "compression.zstd.level",
        zstd_level,
        Int,
        -131_072,
        22,
        "How hard `compression.type=zstd` tries: up to 22; negative levels are faster."
    ),
    whole!(
        "delete.retention.ms",
        delete_retention_ms,
        Long,
        0,
        LONG_MAX,
        "How long compaction keeps tombstones, and the markers of transactions, after it first met them."
    ),
    whole!(
        "file.delete.delay.ms",
        file_delete_delay_ms,
        Long,
        0,
        LONG_MAX,
        "How long a segment's files stay after they were given up. Readers keep what they read in any case, so the \
         default is 0, and room is free at once; Kafka's is 60000."
    ),
    whole!(
        "flush.messages",
        flush_messages,
        Long,
        1,
        LONG_MAX,
        "After so many records a partition is synced to disk before anything is answered, whatever `acks` asked for. \
         With the default only `acks=all` waits for a sync."
    ),
    whole!(
        "flush.ms",
        flush_ms,
        Long,
        0,
        LONG_MAX,
        "A record is synced to disk at most so long after it came, whatever `acks` asked for. Everything is \
         durable after about two seconds in any case."
    ),
    whole!(
        "index.interval.bytes",
        index_interval_bytes,
        Int,
        0,
        INT_MAX,
        "Bytes of records between two entries of a segment's indexes."
    ),
    whole!(
        "max.compaction.lag.ms",
        max_compaction_lag_ms,
        Long,
        1,
        LONG_MAX,
        "A record is compacted at the latest so long after it was written, whatever the dirty ratio; segments are \
         closed early enough for that."
    ),
    whole!("max.message.bytes", max_message_bytes, Int, 0, INT_MAX, "The largest batch accepted, as stored."),
    whole!(
        "message.timestamp.after.max.ms",
        timestamp_after_max_ms,
        Long,
        0,
        LONG_MAX,
        "How far a record's timestamp may lie in the future. Not looked at with `LogAppendTime`."
    ),
    whole!(
        "message.timestamp.before.max.ms",
        timestamp_before_max_ms,
        Long,
        0,
        LONG_MAX,
        "How far a record's timestamp may lie in the past. Not looked at with `LogAppendTime`."
    ),
    other!(
        "message.timestamp.type",
        String,
        timestamp_type,
        timestamp_type,
        |config| timestamp_type_text(config.timestamp_type).to_owned(),
        "`CreateTime` keeps the producer's timestamps, `LogAppendTime` puts the time of arrival in their place."
    ),
    other!(
        "min.cleanable.dirty.ratio",
        Double,
        min_dirty_ratio,
        ratio,
        |config| ratio_text(config.min_dirty_ratio),
        "Compaction runs when this share of a partition's bytes has not been compacted yet."
    ),
    whole!(
        "min.compaction.lag.ms",
        min_compaction_lag_ms,
        Long,
        0,
        LONG_MAX,
        "How long a record is safe from compaction."
    ),
    other!(
        "preallocate",
        Boolean,
        preallocate,
        truth,
        |config| config.preallocate.to_string(),
        "Whether a segment's file gets its room on disk when it is begun; what is not used is given back when it ends."
    ),
    whole!(
        "retention.bytes",
        retention_bytes,
        Long,
        -1,
        LONG_MAX,
        "How many bytes a partition keeps; -1 is all. Whole segments go, and only with the policy `delete`."
    ),
    whole!(
        "retention.ms",
        retention_ms,
        Long,
        -1,
        LONG_MAX,
        "How long records are kept; -1 is for ever. Whole segments go, and only with the policy `delete`."
    ),
    whole!(
        "segment.bytes",
        segment_bytes,
        Int,
        SEGMENT_BYTES_MIN,
        INT_MAX,
        "Bytes after which a new segment is begun."
    ),
    whole!(
        "segment.index.bytes",
        segment_index_bytes,
        Int,
        16,
        INT_MAX,
        "How large a segment's offset index may grow; a new segment is begun then."
    ),
    whole!(
        "segment.jitter.ms",
        segment_jitter_ms,
        Long,
        0,
        LONG_MAX,
        "By how much at most segments end before `segment.ms`, each by another amount, so that not all end at once."
    ),
    whole!("segment.ms", segment_ms, Long, 1, LONG_MAX, "Age from which on a segment gets no more records."),
];

/// Keys of Kafka's topics that take only the value which describes what happens here anyway, by name.
pub(super) const FIXED: &[FixedKey] = &[
    FixedKey {
        name: "follower.replication.throttled.replicas",
        kind: ConfigKind::List,
        value: "",
        why: "there is no replication to throttle",
    },
    FixedKey {
        name: "leader.replication.throttled.replicas",
        kind: ConfigKind::List,
        value: "",
        why: "there is no replication to throttle",
    },
    FixedKey {
        name: "local.retention.bytes",
        kind: ConfigKind::Long,
        value: "-2",
        why: "there is no remote storage; retention.bytes is all there is",
    },
    FixedKey {
        name: "local.retention.ms",
        kind: ConfigKind::Long,
        value: "-2",
        why: "there is no remote storage; retention.ms is all there is",
    },
    FixedKey {
        name: "min.insync.replicas",
        kind: ConfigKind::Int,
        value: "1",
        why: "there is one copy, and acks=all means that it is on disk",
    },
    FixedKey {
        name: "remote.log.copy.disable",
        kind: ConfigKind::Boolean,
        value: "false",
        why: "there is no remote storage",
    },
    FixedKey {
        name: "remote.log.delete.on.disable",
        kind: ConfigKind::Boolean,
        value: "false",
        why: "there is no remote storage",
    },
    FixedKey {
        name: "remote.storage.enable",
        kind: ConfigKind::Boolean,
        value: "false",
        why: "there is no remote storage",
    },
    FixedKey {
        name: "unclean.leader.election.enable",
        kind: ConfigKind::Boolean,
        value: "false",
        why: "there is one copy, and no election",
    },
];

/// Keys of older Kafka that take one value without being described any more.
pub(super) const BYGONE: &[FixedKey] = &[FixedKey {
    name: "message.downconversion.enable",
    kind: ConfigKind::Boolean,
    value: "false",
    why: "batches are handed out as they are stored, in format version 2",
}];

/// Stands for [`BEFORE_AND_AFTER`] together, as it did before Kafka 3.6.
pub(super) const DIFFERENCE: &str = "message.timestamp.difference.max.ms";
/// What [`DIFFERENCE`] sets.
pub(super) const BEFORE_AND_AFTER: [&str; 2] =
    ["message.timestamp.before.max.ms", "message.timestamp.after.max.ms"];

/// The record format's version by the Kafka release that brought it; every release since 0.11 has version 2.
pub(super) const FORMAT_VERSION: &str = "message.format.version";

/// Whether a release stores records in format version 2.
pub(super) fn check_format_version(release: &str) -> Result<(), String> {
    let mut parts = release.trim().split(['.', '-']).map(|part| part.parse::<u32>().ok());
    let new_enough = match (parts.next().flatten(), parts.next().flatten()) {
        (Some(0), Some(minor)) => minor >= 11,
        (Some(_), Some(_)) => true,
        _ => false,
    };
    if new_enough {
        return Ok(());
    }
    Err("records are stored in format version 2; name a release from 0.11 on, or leave it out".to_owned())
}
