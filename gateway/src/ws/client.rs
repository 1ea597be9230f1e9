//! Who is at the other end of a socket.
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::header;
use axum::http::request::Parts;

use super::command::Subscription;
use crate::auth::{Origin, Pass};
use crate::http::login;
use crate::http::server::Peer;

/// Most characters of what a client calls itself that are kept.
const LONGEST_AGENT: usize = 100;

/// Where a socket comes from, and what program it says it is.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) origin: Origin,
    port: Option<u16>,
    agent: Option<Arc<str>>,
}

impl Client {
    /// Of the request that opens the socket.
    pub(super) fn of(parts: &Parts) -> Client {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Client {
            origin: Origin { door: "ws", ..login::origin_of(parts) },
            port: parts.extensions.get::<Arc<Peer>>().map(|peer| peer.port),
            agent: agent.map(|agent| agent.chars().take(LONGEST_AGENT).collect::<String>().into()),
        }
    }

    /// One of its subscriptions, for whoever looks at a message and asks who has it.
    pub(super) fn holder(&self, subscription: Subscription, pass: &Pass) -> String {
        let address = self.origin.address.to_canonical();
        let from = match self.port {
            Some(port) => SocketAddr::new(address, port).to_string(),
            None => address.to_string(),
        };
        let user = pass.caller().map(|caller| format!(" of {}", caller.user())).unwrap_or_default();
        let agent = self.agent.as_ref().map(|agent| format!(" ({agent})")).unwrap_or_default();
        format!("subscription {subscription} of the WebSocket from {from}{user}{agent}")
    }
}
