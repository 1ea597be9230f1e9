//! Share groups (KIP-932): members read the same partitions side by side, and the group keeps track of each record.
//!
//! A record that nobody has is *available*; whoever fetches it *acquires* it for a time and then accepts, releases,
//! rejects or renews it. What was released, or kept for too long, is handed out again until it was handed out too often.
//! The journal learns of everything but who has what at the moment: after a crash that is available again.
mod acknowledgement;
mod assignor;
mod config;
mod error;
mod in_flight;
mod members;
mod partition;
mod record;
mod registry;

pub use acknowledgement::{AcknowledgeType, Acknowledgement};
pub use config::{ShareConfig, ShareLimits};
pub use error::ShareError;
pub use members::{ShareGroupDescription, ShareHeartbeat, ShareMemberDescription, Shareable};
pub use partition::AcquiredRecords;

pub(crate) use partition::{Acquisition, SharePartition, StateChange};
pub(crate) use record::ShareRecord;
pub(crate) use registry::ShareGroups;
