//! How a log keeps its records.
mod change;
mod describe;
mod keys;
mod values;

#[cfg(test)]
mod tests;

use message::Timestamp;

use crate::batch::{Codec, Compression, TimestampType};
use crate::{LogError, Offset, PartitionId};

pub use change::ConfigChange;
pub use describe::{ConfigEntry, ConfigSource};
pub use keys::{ConfigKey, ConfigKind, FixedKey};
pub use values::CleanupPolicy;

/// How a log keeps its records: the keys that Kafka's topics take.
///
/// What is not set has the broker's own value, and what that does not set has Kafka's default, with one exception:
/// `file.delete.delay.ms` is 0.
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
    cleanup: CleanupPolicy,
    compression: Option<Codec>,
    gzip_level: i32,
    lz4_level: i32,
    zstd_level: i32,
    delete_retention_ms: i64,
    file_delete_delay_ms: i64,
    flush_messages: i64,
    flush_ms: i64,
    index_interval_bytes: u32,
    max_compaction_lag_ms: i64,
    max_message_bytes: u32,
    timestamp_after_max_ms: i64,
    timestamp_before_max_ms: i64,
    timestamp_type: TimestampType,
    /// In millionths.
    min_dirty_ratio: i64,
    min_compaction_lag_ms: i64,
    preallocate: bool,
    retention_bytes: i64,
    retention_ms: i64,
    segment_bytes: u32,
    segment_index_bytes: u32,
    segment_jitter_ms: i64,
    segment_ms: i64,
    /// One bit for each key that the topic sets itself, in the table's order.
    own: u32,
    /// The same for those that the broker's configuration sets.
    broker: u32,
}

/// The `compression.lz4.level` that stands for the fast compressor.
const LZ4_FAST: i32 = 9;
const WEEK_MS: i64 = 7 * 24 * 3_600_000;
const DAY_MS: i64 = 24 * 3_600_000;
const HOUR_MS: i64 = 3_600_000;

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig {
            cleanup: CleanupPolicy { delete: true, compact: false },
            compression: None,
            gzip_level: -1,
            lz4_level: LZ4_FAST,
            zstd_level: 3,
            delete_retention_ms: DAY_MS,
            file_delete_delay_ms: 0,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            index_interval_bytes: 4096,
            max_compaction_lag_ms: i64::MAX,
            max_message_bytes: 1_048_588,
            timestamp_after_max_ms: HOUR_MS,
            timestamp_before_max_ms: i64::MAX,
            timestamp_type: TimestampType::CreateTime,
            min_dirty_ratio: values::RATIO_ONE / 2,
            min_compaction_lag_ms: 0,
            preallocate: false,
            retention_bytes: -1,
            retention_ms: WEEK_MS,
            segment_bytes: 1 << 30,
            segment_index_bytes: 10 << 20,
            segment_jitter_ms: 0,
            segment_ms: WEEK_MS,
            own: 0,
            broker: 0,
        }
    }
}

impl TopicConfig {
    /// What becomes of records that are no longer needed.
    #[must_use]
    pub fn cleanup(&self) -> CleanupPolicy {
        self.cleanup
    }

    /// How batches are to be compressed; none keeps them as their producer sent them.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        let codec = self.compression?;
        Some(match codec {
            Codec::Gzip if self.gzip_level > 0 => Compression::new(codec, self.gzip_level),
            Codec::Lz4 if self.lz4_level != LZ4_FAST => Compression::new(codec, self.lz4_level),
            Codec::Zstd => Compression::new(codec, self.zstd_level),
            _ => Compression::usual(codec),
        })
    }

    /// How long records are kept, in milliseconds; none means for ever.
    #[must_use]
    pub fn retention_ms(&self) -> Option<i64> {
        (self.cleanup.delete && self.retention_ms >= 0).then_some(self.retention_ms)
    }

    /// How many bytes a partition keeps; none means all.
    #[must_use]
    pub fn retention_bytes(&self) -> Option<u64> {
        u64::try_from(self.retention_bytes).ok().filter(|_| self.cleanup.delete)
    }

    /// Bytes after which a new segment is begun.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        u64::from(self.segment_bytes)
    }

    /// Bytes of an offset index after which a new segment is begun.
    #[must_use]
    pub fn segment_index_bytes(&self) -> u64 {
        u64::from(self.segment_index_bytes)
    }

    /// Whether a segment begun at `created` should get no more records. `partition` and `base` tell segments apart,
    /// so that they end at different times where `segment.jitter.ms` asks for that.
    #[must_use]
    pub fn is_segment_old(
        &self,
        (partition, base): (PartitionId, Offset),
        created: Timestamp,
        now: Timestamp,
    ) -> bool {
        let jitter = match self.segment_jitter_ms.min(self.segment_ms) {
            0 => 0,
            most => spread(u64::from(partition.0) << 40 ^ base.0 as u64) % most as u64,
        };
        let mut life = self.segment_ms - jitter as i64;
        if self.cleanup.compact {
            life = life.min(self.max_compaction_lag_ms);
        }
        now.0.saturating_sub(created.0) >= life
    }

    /// Whether a segment's file gets its room when it is begun.
    #[must_use]
    pub fn preallocate(&self) -> bool {
        self.preallocate
    }

    /// The same for batches up to this size, for what the broker itself puts into the log.
    #[must_use]
    pub fn with_batches_of(mut self, bytes: usize) -> TopicConfig {
        self.max_message_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
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

    /// The timestamps that records may bear at `now`, in milliseconds; none when any may be.
    #[must_use]
    pub fn timestamp_bounds(&self, now: Timestamp) -> Option<std::ops::RangeInclusive<i64>> {
        if self.timestamp_type == TimestampType::LogAppendTime {
            return None;
        }
        let earliest = now.0.saturating_sub(self.timestamp_before_max_ms);
        let latest = now.0.saturating_add(self.timestamp_after_max_ms);
        // Nothing lies before the least number: that is how "no bound" looks.
        let unbounded = self.timestamp_before_max_ms == i64::MAX;
        Some(if unbounded { i64::MIN } else { earliest }..=latest)
    }

    /// Bytes of records between two entries of an index.
    #[must_use]
    pub fn index_interval_bytes(&self) -> u64 {
        u64::from(self.index_interval_bytes)
    }

    /// Records after which a partition is synced.
    #[must_use]
    pub fn flush_messages(&self) -> u64 {
        self.flush_messages as u64
    }

    /// Milliseconds after which a record is synced.
    #[must_use]
    pub fn flush_ms(&self) -> i64 {
        self.flush_ms
    }

    /// How long the files of a segment stay after it was given up, in milliseconds.
    #[must_use]
    pub fn file_delete_delay_ms(&self) -> i64 {
        self.file_delete_delay_ms
    }

    /// How long compaction keeps tombstones and markers, in milliseconds.
    #[must_use]
    pub fn delete_retention_ms(&self) -> i64 {
        self.delete_retention_ms
    }

    /// How long a record is safe from compaction, in milliseconds.
    #[must_use]
    pub fn min_compaction_lag_ms(&self) -> i64 {
        self.min_compaction_lag_ms
    }

    /// After how long a record must be compacted, in milliseconds.
    #[must_use]
    pub fn max_compaction_lag_ms(&self) -> i64 {
        self.max_compaction_lag_ms
    }

    /// Whether so many dirty bytes out of so many in all make compaction worth its while.
    #[must_use]
    pub fn is_dirty_enough(&self, dirty: u64, total: u64) -> bool {
        let (dirty, total) = (u128::from(dirty), u128::from(total));
        dirty > 0 && dirty * values::RATIO_ONE as u128 > total * self.min_dirty_ratio as u128
    }

    /// Refuses settings that contradict each other.
    fn check(&self) -> Result<(), LogError> {
        if self.min_compaction_lag_ms > self.max_compaction_lag_ms {
            return Err(LogError::ConflictingConfig(format!(
                "min.compaction.lag.ms of {} is more than max.compaction.lag.ms of {}; make it smaller",
                self.min_compaction_lag_ms, self.max_compaction_lag_ms
            )));
        }
        Ok(())
    }
}

/// A number that looks like chance and is the same every time (the finalizer of SplitMix64).
fn spread(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
