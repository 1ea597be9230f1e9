//! Consumer groups: who is a member, who reads which partition, and how far the group has come.
mod assignment;
mod low_watermark;
mod membership;
mod offsets;
mod reset;

pub use low_watermark::LowWatermark;
pub use membership::{Generation, Joined, MemberDescription, MemberId};
pub use offsets::{Committed, GroupDescription, GroupState, OffsetCommit, PartitionLag};
pub use reset::{OffsetReset, ResetTo, resolve};

pub(crate) use assignment::Subscription;
pub(crate) use membership::Membership;
pub(crate) use offsets::Group;
