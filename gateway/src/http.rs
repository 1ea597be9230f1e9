//! The HTTP door.

pub mod api;
mod bindings;
mod body;
mod browse;
pub mod console;
pub mod cors;
pub mod docs;
mod document;
mod events;
mod exchanges;
pub mod front;
mod group_body;
mod groups;
pub mod health;
mod log_events;
mod media;
pub mod metrics;
pub mod operations;
mod page;
mod parameters;
mod path;
mod problem;
mod publish;
mod publish_schema;
mod publish_stream;
mod query;
mod queue_events;
mod receive;
mod record_stream;
mod records;
mod refusals;
mod replay_body;
mod replays;
mod reply;
pub mod server;
mod settle;
mod shapes;
mod specification;
mod start_at;
mod topic_body;
mod topics;
mod unavailable;

pub use api::{AppState, HttpLimits};

pub use specification::specification;
