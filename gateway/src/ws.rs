//! The WebSocket door: many subscriptions and pipelined commands over one socket, in two encodings.
//!
//! [`session::Session`] is the protocol and knows no socket; `socket` drives it. `docs/websocket.md` is for users,
//! `openapi/asyncapi.yaml` describes every frame.
//!
//! **Invariant:** a client that misbehaves, reads slowly or vanishes costs only itself: all that a socket may hold is
//! in [`limits::WsLimits`], and what it had leased returns when it ends.

pub mod answer;
#[cfg(test)]
mod asyncapi_tests;
pub mod binary;
mod client;
pub mod command;
pub mod credit;
pub mod door;
pub mod effect;
pub mod encoding;
mod errand;
mod held;
mod idempotency;
mod in_flight;
mod json_answer;
mod json_command;
mod json_fields;
pub mod limits;
mod log_feed;
pub mod message_command;
mod message_errand;
mod message_fields;
mod metering;
pub mod outbox;
mod queue_feed;
mod record_cache;
pub mod records;
pub mod session;
mod session_commands;
mod session_deliveries;
mod session_feeds;
mod session_groups;
mod socket;
mod sources;
mod start;
mod subscription;
mod upgrade;

pub use door::WsDoor;
pub use limits::WsLimits;
pub use upgrade::routes;
