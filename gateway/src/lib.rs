//! The broker: one set of topics behind HTTP and WebSocket.

pub mod amqp;
pub mod auth;
pub mod cli;
pub mod codec;
pub mod config;
pub mod drain;
pub mod errors;
pub mod http;
pub mod kafka;
pub mod logging;
pub mod management;
pub mod metrics;
mod printed;
pub mod refusal;
pub mod shovel;
pub mod tls;
pub mod topics;
pub mod ws;
