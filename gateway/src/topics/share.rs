//! Share groups (KIP-932) for a door that speaks their protocol: on logs the log engine keeps track of each record, on
//! queues the leases of the queue do, which every door sees.
//!
//! As with consumer groups, the outer result of a function is the server's, the inner one is the group's answer.

mod bells;
mod membership;
mod offsets;
mod queue_hold;
mod reading;
mod records;

pub(crate) use bells::ShareBells;
pub use log_engine::{
    AcknowledgeType, Acknowledgement, AcquiredRecords, ShareGroupDescription, ShareHeartbeat,
    ShareMemberDescription,
};
pub(super) use membership::CHANGE;
pub use membership::ShareListing;
pub use offsets::ShareProgress;
pub use queue_hold::QueueHold;
pub use records::{ShareRecords, ShareWish, Shared};
