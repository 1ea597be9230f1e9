//! What tests with a Kafka client need: the server as a child process, and clients of it.

mod broker;
mod clients;

pub use broker::{Broker, name, shared};
pub use clients::{
    PATIENCE, Reader, Watched, admin, commit, config, consumer, make_topic, producer, send, sent, take,
    until, values,
};
