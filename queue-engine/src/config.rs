/// Sizes that bound the engine's memory and the work of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Bytes of messages that one queue may hold in memory; beyond, it keeps their positions only.
    pub queue_memory_bytes: u64,
    /// The same for all queues together.
    pub memory_bytes: u64,
    /// Most bytes that one read from the journal brings back.
    pub read_ahead_bytes: u64,
    /// The journal's segment size, for the account of what each segment still holds.
    pub segment_bytes: u64,
    /// Most leases, delays and expired messages that one `tick` works off before it yields.
    pub tick_events: usize,
    /// How long a subscription without a lease time may keep a message of a quorum queue that says nothing else, in
    /// milliseconds. `None`: for ever.
    pub consumer_timeout_ms: Option<u64>,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            queue_memory_bytes: 1 << 20,
            memory_bytes: 64 << 20,
            read_ahead_bytes: 256 << 10,
            segment_bytes: 64 << 20,
            tick_events: 10_000,
            consumer_timeout_ms: Some(30 * 60 * 1000),
        }
    }
}
