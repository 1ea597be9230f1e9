//! The AMQP 0-9-1 door: RabbitMQ's clients, unchanged.
//!
//! `wire` reads and writes bytes. `connection` is the protocol: bytes, outcomes and the time go in, bytes and effects come
//! out; it knows no socket, clock or lock. `socket` drives one connection, `listener` takes them in.

mod connection;
mod door;
pub(crate) mod error;
mod identity;
mod limits;
mod listener;
mod local;
mod log_reader;
pub(crate) mod login;
mod metering;
pub(crate) mod refusals;
mod roster;
mod socket;
mod stream_filter;
mod unsettled;
pub mod wire;

use connection::Effect;
pub use connection::{ChannelReport, ConnectionReport, ConsumerReport};
#[doc(hidden)]
pub use connection::{converse, replies};
pub use door::AmqpDoor;
pub use limits::AmqpLimits;
pub use listener::serve;
pub use local::LocalUser;
pub use login::Mechanism;
pub use roster::{Presence, Roster};
