use std::time::Duration;

use crate::config::Config;
use crate::topics::{IdempotencySettings, LogEngineConfig, QueueEngineConfig, TopicsSettings};

/// What the topics are opened with.
pub fn topics(config: &Config) -> TopicsSettings {
    let mut settings = TopicsSettings::new(config.data_dir.clone());
    settings.journal.segment_bytes = config.storage.segment_bytes;
    settings.journal.spare_segments = config.storage.spare_segments;
    settings.journal.headroom_bytes = config.storage.headroom_bytes;
    settings.in_flight_bytes = config.storage.max_in_flight_bytes;
    settings.limits = config.limits;
    settings.log = LogEngineConfig {
        settle_bytes: config.log.settle_bytes,
        unsettled_bytes_max: config.log.unsettled_bytes,
        open_segments_max: config.log.open_segments,
        partitions_max: config.log.max_partitions,
        members_max: config.log.max_group_members,
        verify_reads: config.log.verify_reads,
        check_interval: Duration::from_millis(config.log.check_interval_ms),
        limits: config.limits,
        ..LogEngineConfig::default()
    };
    settings.queue = QueueEngineConfig {
        queue_memory_bytes: config.queue.loaded_bytes,
        memory_bytes: config.queue.loaded_bytes_total,
        read_ahead_bytes: config.queue.read_ahead_bytes,
        segment_bytes: config.storage.segment_bytes,
        ..QueueEngineConfig::default()
    };
    settings.idempotency = IdempotencySettings {
        window: Duration::from_millis(config.idempotency.window_ms),
        max_keys: config.idempotency.max_keys,
    };
    settings
}
