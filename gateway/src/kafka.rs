//! The Kafka door: unmodified Kafka clients use logs, and queues as share groups.
//!
//! A connection ([`connection`]) cuts frames from what arrives ([`frames`], sans-IO), has each answered by its API
//! ([`api`], one file each under `kafka/api/`), and writes the answers in the order of the requests. What versions a
//! client may use is derived from the registrations in [`api`]. The door knows topics through the seam only.

mod acls;
mod api;
mod authorized_operations;
mod broker;
mod connection;
mod dissection;
mod door;
mod error;
mod fetch_sessions;
mod frames;
mod in_flight;
mod listener;
mod login;
mod metering;
mod share_sessions;
mod topic_ids;

#[doc(hidden)]
pub use dissection::dissect;
pub use door::KafkaDoor;
pub use listener::{Listener, bind, serve};
