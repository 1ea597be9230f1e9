//! The HTTP server: accepts, limits, times out and closes connections. HTTP/1.1 and HTTP/2 without TLS on one port,
//! upgrades to WebSocket included.
//!
//! Limits cost nothing per request: a connection notes what it does in atomics (`Watch`) and one patrol looks at all
//! of them once a second.

mod accept;
mod io;
mod leash;
mod peer;
mod refuse;
mod session;
mod watch;
mod watched_body;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;

use crate::config::HttpConfig;

pub use accept::serve;
pub use peer::Peer;
pub use watch::Connections;

/// Answers requests; one clone per connection.
pub trait Answer: Clone + Send + Sync + 'static {
    /// What becomes of a request.
    type Future: Future<Output = Result<Response, Infallible>> + Send + 'static;
    /// Takes a request whose head is within its limits.
    fn answer(&self, request: Request) -> Self::Future;
}

/// What bounds a connection: `http.*` in `docs/configuration.md`.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Most connections at a time.
    pub max_connections: usize,
    /// Largest request head, in bytes.
    pub max_header_bytes: usize,
    /// Longest time for a request head.
    pub header_timeout: Duration,
    /// Longest time in which nothing moves.
    pub idle_timeout: Duration,
}

impl From<&HttpConfig> for ServerLimits {
    fn from(config: &HttpConfig) -> ServerLimits {
        ServerLimits {
            max_connections: config.max_connections,
            max_header_bytes: config.max_header_bytes,
            header_timeout: Duration::from_millis(config.header_timeout_ms),
            idle_timeout: Duration::from_millis(config.idle_timeout_ms),
        }
    }
}
