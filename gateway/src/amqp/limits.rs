use std::time::Duration;

/// What one connection may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmqpLimits {
    /// Connections at a time.
    pub connections: usize,
    /// Highest channel number.
    pub channels: u16,
    /// Largest frame, whole.
    pub frame_bytes: u32,
    /// Largest body.
    pub message_bytes: usize,
    /// Largest header table.
    pub header_bytes: usize,
    /// Subscriptions of one channel.
    pub consumers: usize,
    /// Deliveries of one channel that are not settled.
    pub unsettled: usize,
    /// Bytes of one connection's messages that came in and are not answered, incomplete and uncommitted ones included.
    pub in_flight_bytes: usize,
    /// The same for incomplete and uncommitted messages of all connections.
    pub assembling_bytes: usize,
    /// Bytes that wait to be written to one connection, before nothing more is read from it.
    pub buffered_bytes: usize,
    /// Heartbeat that is proposed; zero proposes none.
    pub heartbeat: Duration,
    /// How long the handshake may take.
    pub handshake: Duration,
    /// How long a client may take to answer a close.
    pub closing: Duration,
    /// How long a write may make no progress.
    pub write: Duration,
}

/// Largest frame before another size was agreed.
pub const FRAME_BEFORE_TUNE: u32 = 8192;
/// Smallest frame that a client may ask for.
pub const FRAME_LEAST: u32 = 8192;

impl Default for AmqpLimits {
    fn default() -> AmqpLimits {
        AmqpLimits {
            connections: 10_000,
            channels: 2047,
            frame_bytes: 131_072,
            message_bytes: 16 << 20,
            header_bytes: 64 << 10,
            consumers: 10_000,
            unsettled: 1_000_000,
            in_flight_bytes: 32 << 20,
            assembling_bytes: 256 << 20,
            buffered_bytes: 8 << 20,
            heartbeat: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            closing: Duration::from_secs(5),
            write: Duration::from_secs(60),
        }
    }
}
