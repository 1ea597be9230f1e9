/// Share groups (KIP-932).
#[derive(Clone, Debug)]
pub struct ShareGroupsConfig {
    /// Groups.
    pub max_groups: usize,
    /// Members of one group.
    pub max_members: usize,
    /// Share sessions of all groups together.
    pub max_sessions: usize,
    /// Deliveries of one record.
    pub max_deliveries: u64,
    /// Records of one partition that one group deals with at a time.
    pub max_record_locks: u64,
    /// How long a member may keep a record, unless its group chooses otherwise.
    pub record_lock_ms: u64,
    /// The shortest that a group may choose.
    pub min_record_lock_ms: u64,
    /// The longest that a group may choose.
    pub max_record_lock_ms: u64,
    /// After this silence a member is out, unless its group chooses otherwise.
    pub session_timeout_ms: u64,
    /// The shortest that a group may choose.
    pub min_session_timeout_ms: u64,
    /// The longest that a group may choose.
    pub max_session_timeout_ms: u64,
    /// How often a member is to be heard of, unless its group chooses otherwise.
    pub heartbeat_interval_ms: u64,
    /// The shortest that a group may choose.
    pub min_heartbeat_interval_ms: u64,
    /// The longest that a group may choose.
    pub max_heartbeat_interval_ms: u64,
}

impl Default for ShareGroupsConfig {
    fn default() -> ShareGroupsConfig {
        ShareGroupsConfig {
            max_groups: 10_000,
            max_members: 200,
            max_sessions: 2_000,
            max_deliveries: 5,
            max_record_locks: 2_000,
            record_lock_ms: 30_000,
            min_record_lock_ms: 15_000,
            max_record_lock_ms: 60_000,
            session_timeout_ms: 45_000,
            min_session_timeout_ms: 45_000,
            max_session_timeout_ms: 60_000,
            heartbeat_interval_ms: 5_000,
            min_heartbeat_interval_ms: 5_000,
            max_heartbeat_interval_ms: 15_000,
        }
    }
}
