//! Consumer groups: who is a member, who reads which partition, and how far the group has come.
//!
//! Members come by one of three ways, and share one group whatever door they use: the classic protocol
//! ([`JoinGroup`], [`SyncGroup`]), KIP-848 heartbeats ([`ConsumerHeartbeat`]), or a door that speaks for them
//! ([`Attendance`]). Everything here is a state machine: requests and the time go in, answers come out, some of them
//! later under the [`Ticket`] of the request.
pub(crate) mod answers;
pub(crate) mod catalog;
mod classic;
mod client_format;
mod config;
mod consumer;
mod description;
mod error;
mod identity;
mod low_watermark;
mod members;
mod offsets;
mod registry;
mod reset;

pub use answers::GroupAnswer;
pub use classic::{ClassicProtocol, JoinAnswer, JoinGroup, JoinedMember, Leaving, SyncAnswer, SyncGroup};
pub use client_format::{ClientFormat, ClientSubscription};
pub use config::GroupConfig;
pub use consumer::{AssignorKind, Attendance, ConsumerAnswer, ConsumerHeartbeat, Joined, MemberEpoch};
pub use description::{GroupDescription, GroupKind, GroupListing, GroupState, MemberDescription, MemberKind};
pub use error::GroupError;
pub use identity::{ClientOrigin, Generation, InstanceId, MemberId, Ticket};
pub use low_watermark::LowWatermark;
pub use offsets::{Committed, OffsetCommit, PartitionLag};
pub use reset::{OffsetReset, ResetTo, resolve};

pub(crate) use members::Members;
pub(crate) use offsets::GroupOffsets;
pub(crate) use registry::{Group, Groups};
