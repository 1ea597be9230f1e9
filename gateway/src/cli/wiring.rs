use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::amqp::{AmqpLimits, Mechanism};
use crate::auth::Guard;
use crate::config::Config;
use crate::http::HttpLimits;
use crate::management::Node;
use crate::topics::{
    Adjustable, GroupConfig, IdempotencySettings, LogEngineConfig, QueueEngineConfig, ShareConfig,
    ShareLimits, StagingSettings, TopicsSettings,
};
use crate::ws::WsLimits;

/// What the topics are opened with.
pub fn topics(config: &Config, guard: Guard) -> TopicsSettings {
    let mut settings = TopicsSettings::new(config.data_dir.clone());
    settings.guard = guard;
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
        groups: groups(config),
        shares: shares(config),
        verify_reads: config.log.verify_reads,
        check_interval: Duration::from_millis(config.log.check_interval_ms),
        producer_expiration: Duration::from_millis(config.log.producer_expiration_ms),
        producers_max: config.log.max_producers,
        transaction_timeout_max: Duration::from_millis(config.transactions.max_timeout_ms),
        transactional_id_expiration: Duration::from_millis(config.transactions.id_expiration_ms),
        transactional_ids_max: config.transactions.max_ids,
        outcome_retention: Duration::from_millis(config.transactions.outcome_ms),
        cleaner_bytes: config.log.cleaner_bytes,
        hash_secret: secret(),
        topic_defaults: config.log.topic_defaults.as_broker_defaults(),
        limits: config.limits,
    };
    settings.queue = QueueEngineConfig {
        queue_memory_bytes: config.queue.loaded_bytes,
        memory_bytes: config.queue.loaded_bytes_total,
        read_ahead_bytes: config.queue.read_ahead_bytes,
        segment_bytes: config.storage.segment_bytes,
        consumer_timeout_ms: Some(config.queue.consumer_timeout_ms).filter(|ms| *ms > 0),
        ..QueueEngineConfig::default()
    };
    settings.idempotency = IdempotencySettings {
        window: Duration::from_millis(config.idempotency.window_ms),
        max_keys: config.idempotency.max_keys,
    };
    let half_segment = usize::try_from(config.storage.segment_bytes / 2).unwrap_or(usize::MAX);
    settings.staging = StagingSettings {
        transaction_bytes: config.transactions.max_staged_bytes.min(half_segment),
        total_bytes: config.transactions.max_staged_bytes_total,
    };
    settings
}

/// What bounds consumer groups.
fn groups(config: &Config) -> GroupConfig {
    let groups = &config.groups;
    let ms = Duration::from_millis;
    // What is usual is allowed, wherever the bounds for those who choose for themselves are.
    let adjustable = |usual, least, most| adjustable(usual, usual.min(least), usual.max(most));
    GroupConfig {
        members_max: groups.max_members,
        bytes_max: groups.memory_bytes,
        metadata_bytes_max: groups.max_metadata_bytes,
        session_min: ms(groups.min_session_timeout_ms),
        session_max: ms(groups.max_session_timeout_ms),
        initial_rebalance_delay: ms(groups.initial_rebalance_delay_ms),
        consumer_session: adjustable(
            groups.consumer_session_timeout_ms,
            groups.min_consumer_session_timeout_ms,
            groups.max_consumer_session_timeout_ms,
        ),
        consumer_heartbeat: adjustable(
            groups.consumer_heartbeat_interval_ms,
            groups.min_consumer_heartbeat_interval_ms,
            groups.max_consumer_heartbeat_interval_ms,
        ),
        offsets_retention: ms(groups.offsets_retention_ms),
        offsets_check: ms(groups.offsets_check_interval_ms),
        ..GroupConfig::default()
    }
}

/// What bounds share groups.
fn shares(config: &Config) -> ShareConfig {
    let shares = &config.share_groups;
    ShareConfig {
        groups_max: shares.max_groups,
        members_max: shares.max_members,
        session: adjustable(
            shares.session_timeout_ms,
            shares.min_session_timeout_ms,
            shares.max_session_timeout_ms,
        ),
        heartbeat: adjustable(
            shares.heartbeat_interval_ms,
            shares.min_heartbeat_interval_ms,
            shares.max_heartbeat_interval_ms,
        ),
        record_lock: adjustable(shares.record_lock_ms, shares.min_record_lock_ms, shares.max_record_lock_ms),
        limits: ShareLimits {
            deliveries: u16::try_from(shares.max_deliveries).unwrap_or(u16::MAX),
            record_locks: shares.max_record_locks,
        },
    }
}

fn adjustable(usual: u64, least: u64, most: u64) -> Adjustable {
    let ms = Duration::from_millis;
    Adjustable { usual: ms(usual), least: ms(least), most: ms(most) }
}

/// What bounds requests.
pub fn http(config: &Config) -> HttpLimits {
    HttpLimits {
        body_bytes: config.http.max_body_bytes,
        in_flight_bytes: config.http.max_in_flight_bytes,
        line_bytes: config.http.max_line_bytes,
        wait: Duration::from_millis(config.http.max_wait_ms),
    }
}

/// What bounds sockets. A drained socket gets half of the grace, so that the rest is left for what comes after it.
pub fn ws(config: &Config) -> WsLimits {
    let ws = &config.ws;
    WsLimits {
        frame_bytes: ws.max_frame_bytes,
        commands_in_flight: ws.max_commands_in_flight,
        subscriptions: ws.max_subscriptions,
        credit_messages: ws.max_credit_messages,
        credit_bytes: ws.max_credit_bytes,
        outbound_bytes: ws.max_buffered_bytes,
        protocol_errors: ws.max_protocol_errors,
        ping_after: Duration::from_millis(ws.ping_after_ms),
        idle_timeout: Duration::from_millis(ws.idle_timeout_ms),
        write_timeout: Duration::from_millis(ws.write_timeout_ms),
        drain_timeout: Duration::from_millis(config.drain_grace_ms / 2),
        sockets: ws.max_sockets,
    }
}

/// What bounds AMQP connections.
pub fn amqp(config: &Config) -> AmqpLimits {
    let amqp = &config.amqp;
    AmqpLimits {
        connections: amqp.max_connections,
        channels: u16::try_from(amqp.max_channels).unwrap_or(u16::MAX),
        frame_bytes: amqp.max_frame_bytes,
        message_bytes: config.limits.message_bytes,
        header_bytes: config.limits.header_bytes,
        consumers: amqp.max_consumers,
        unsettled: amqp.max_unsettled,
        in_flight_bytes: amqp.max_in_flight_bytes,
        assembling_bytes: amqp.max_assembling_bytes,
        buffered_bytes: amqp.max_buffered_bytes,
        heartbeat: Duration::from_secs(amqp.heartbeat_s),
        handshake: Duration::from_millis(amqp.handshake_timeout_ms),
        // A drained client gets half of the grace, so that the rest is left for what comes after it.
        closing: Duration::from_millis(config.drain_grace_ms / 2),
        write: Duration::from_millis(amqp.write_timeout_ms),
    }
}

/// What the management API says of the process.
pub fn node(config: &Config, data_dir: &Path, listeners: Vec<(&'static str, SocketAddr)>) -> Node {
    Node {
        name: Node::name_here(),
        started: SystemTime::now(),
        listeners,
        data_dir: data_dir.display().to_string(),
        mechanisms: mechanisms(config).into_iter().map(Mechanism::name).collect(),
        connections_max: config.amqp.max_connections,
        memory_high: super::memory_watch::high_watermark(config.memory_high_watermark_bytes),
        disk_free_limit: config.storage.segment_bytes + config.storage.headroom_bytes,
    }
}

/// How AMQP clients may log in; the configuration was checked to name only what there is.
pub fn mechanisms(config: &Config) -> Vec<Mechanism> {
    config.amqp.mechanisms.iter().filter_map(|name| Mechanism::from_name(name)).collect()
}

/// Two numbers that nobody can guess.
fn secret() -> (u64, u64) {
    // The standard library seeds every one of these from the operating system.
    let number = || RandomState::new().build_hasher().finish();
    (number(), number())
}
