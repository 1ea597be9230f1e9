use std::time::Duration;

use super::ClientFormat;
use crate::Adjustable;

/// What bounds consumer groups, and how long they wait.
#[derive(Clone, Copy, Debug)]
pub struct GroupConfig {
    /// Members of one group.
    pub members_max: usize,
    /// Memory of all groups: offsets with their metadata, members with what they said of themselves.
    pub bytes_max: u64,
    /// Bytes of metadata that a committed offset may carry.
    pub metadata_bytes_max: usize,
    /// The shortest session of a classic member (`group.min.session.timeout.ms`).
    pub session_min: Duration,
    /// The longest session of a classic member (`group.max.session.timeout.ms`).
    pub session_max: Duration,
    /// How long an empty group waits for more members before its first rebalance
    /// (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay: Duration,
    /// After this silence a KIP-848 member is out (`group.consumer.session.timeout.ms`).
    pub consumer_session: Adjustable,
    /// How often a KIP-848 member is to be heard of (`group.consumer.heartbeat.interval.ms`).
    pub consumer_heartbeat: Adjustable,
    /// How long a group without members keeps its offsets (`offsets.retention.minutes`).
    pub offsets_retention: Duration,
    /// How often offsets are looked at for their age (`offsets.retention.check.interval.ms`).
    pub offsets_check: Duration,
    /// How clients write down what they read and what they are assigned.
    pub format: ClientFormat,
}

impl Default for GroupConfig {
    fn default() -> GroupConfig {
        GroupConfig {
            members_max: 1000,
            bytes_max: 1 << 30,
            metadata_bytes_max: 4096,
            session_min: Duration::from_secs(6),
            session_max: Duration::from_secs(30 * 60),
            initial_rebalance_delay: Duration::from_secs(3),
            consumer_session: Adjustable::seconds(45, 45, 60),
            consumer_heartbeat: Adjustable::seconds(5, 5, 15),
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            offsets_check: Duration::from_secs(10 * 60),
            format: ClientFormat::UNKNOWN,
        }
    }
}
