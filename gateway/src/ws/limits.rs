use std::time::Duration;

/// What one socket may use. Each is a key of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WsLimits {
    /// Largest frame (all its fragments together) that a client may send, in bytes.
    pub frame_bytes: usize,
    /// Commands whose reply is still owed; beyond it the socket is not read until some are answered.
    pub commands_in_flight: usize,
    /// Subscriptions open at once.
    pub subscriptions: usize,
    /// Most messages that one subscription may have in flight.
    pub credit_messages: u32,
    /// Most payload bytes that one subscription may have in flight.
    pub credit_bytes: u64,
    /// Bytes waiting to be written; beyond it nothing more is pulled from the topics.
    pub outbound_bytes: usize,
    /// Undecodable frames after which the socket is closed.
    pub protocol_errors: u32,
    /// Silence after which a ping is sent.
    pub ping_after: Duration,
    /// Silence, pongs included, after which the socket is closed.
    pub idle_timeout: Duration,
    /// How long a write may make no progress before the socket is closed.
    pub write_timeout: Duration,
    /// How long a drained socket may take to finish what it had begun.
    pub drain_timeout: Duration,
    /// Sockets open at once.
    pub sockets: usize,
}

impl Default for WsLimits {
    fn default() -> WsLimits {
        WsLimits {
            frame_bytes: 32 << 20,
            commands_in_flight: 256,
            subscriptions: 256,
            credit_messages: 100_000,
            credit_bytes: 64 << 20,
            outbound_bytes: 1 << 20,
            protocol_errors: 8,
            ping_after: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            sockets: 50_000,
        }
    }
}
