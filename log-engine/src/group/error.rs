use message::{ErrorCode, GroupName};

use super::{Generation, InstanceId, MemberId};
use crate::TopicPartition;

/// Why a group refused a member or a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// No group has this name.
    #[error("there is no group {0:?}")]
    UnknownGroup(GroupName),
    /// The group is a share group, which consumers have no part in.
    #[error("{0:?} is a share group; consumers that commit offsets need a group of another name")]
    Shared(GroupName),
    /// The group is a consumer group, which share consumers have no part in.
    #[error("{0:?} is a consumer group; share consumers need a group of another name")]
    NotShared(GroupName),
    /// There are as many groups as are allowed.
    #[error(
        "there are {0} share groups, or groups with settings, as many as are allowed; delete some, or raise share_groups.max_groups"
    )]
    TooMany(usize),
    /// The group still has members.
    #[error("group {0:?} has live members; stop them, or wait until their sessions end")]
    InUse(GroupName),
    /// The group has as many members as are allowed.
    #[error("group {group:?} has its limit of {limit} members")]
    Full {
        /// The group.
        group: GroupName,
        /// The limit.
        limit: usize,
    },
    /// All groups together take as much memory as they may.
    #[error("consumer groups have used up their {0} bytes of memory; delete groups, or raise the limit")]
    NoMemory(u64),
    /// The member is not in the group (any more).
    #[error("member {0:?} is not in the group (any more); join again")]
    UnknownMember(MemberId),
    /// The static member is not in the group (any more).
    #[error("no member of the group has the instance id {0:?} (any more); join again")]
    UnknownInstance(InstanceId),
    /// The id to join with, because members must not join without one (KIP-394).
    #[error("join again with the member id {0:?}")]
    MemberIdRequired(MemberId),
    /// The request spoke of a generation that is over, or never was.
    #[error("generation {} is not the group's; it is at {}", given.0, current.0)]
    StaleGeneration {
        /// What the request said.
        given: Generation,
        /// What it is.
        current: Generation,
    },
    /// The member no longer owns the partition, or never did.
    #[error("partition {0} is not assigned to the member (any more); the commit was refused")]
    NotAssigned(TopicPartition),
    /// The request's member epoch is over (KIP-848); the client may take the newer one and try again.
    #[error("the member's epoch is {} by now, not {}", current.0, given.0)]
    StaleEpoch {
        /// What the request said.
        given: Generation,
        /// What it is.
        current: Generation,
    },
    /// The member was put out or contradicts itself (KIP-848): it gives everything up and joins again.
    #[error("the member's epoch is {}, not {}; give up all partitions and join again", current.0, given.0)]
    FencedEpoch {
        /// What the request said.
        given: Generation,
        /// What it is.
        current: Generation,
    },
    /// The members are to join again.
    #[error("the group is rebalancing; join again")]
    Rebalancing,
    /// The member and the group have no protocol in common.
    #[error("the member does not fit the group: {0}")]
    InconsistentProtocol(&'static str),
    /// Another member uses this instance id now.
    #[error("instance {0:?} is in use by another member")]
    FencedInstance(InstanceId),
    /// The member that uses this instance id has not left.
    #[error("instance {0:?} is still in use; stop the member that has it, or wait until its session ends")]
    UnreleasedInstance(InstanceId),
    /// The session timeout is out of range.
    #[error("a session timeout of {given} ms is not accepted: it is {least} to {most} ms")]
    SessionTimeout {
        /// What was asked for.
        given: u128,
        /// The shortest.
        least: u128,
        /// The longest.
        most: u128,
    },
    /// The assignor does not exist here.
    #[error("there is no server-side assignor {0:?}; use \"uniform\" or \"range\"")]
    UnsupportedAssignor(Box<str>),
    /// The topic pattern cannot be read.
    #[error("the topic pattern is no valid regular expression (RE2 syntax): {0}")]
    InvalidPattern(Box<str>),
    /// The request contradicts the protocol.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// Members read the topic.
    #[error("members of the group read topic {0:?}; its offsets cannot be deleted now")]
    SubscribedTo(message::TopicName),
    /// Text that a commit carries is too long.
    #[error("the commit's metadata has {size} bytes, more than the limit of {max}")]
    MetadataTooLarge {
        /// Bytes of the metadata.
        size: usize,
        /// The limit.
        max: usize,
    },
}

impl GroupError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            GroupError::UnknownGroup(_) | GroupError::Shared(_) | GroupError::NotShared(_) => {
                ErrorCode::UnknownGroup
            }
            GroupError::TooMany(_) => ErrorCode::Overloaded,
            GroupError::InUse(_) => ErrorCode::InUse,
            GroupError::Full { .. } => ErrorCode::GroupFull,
            GroupError::NoMemory(_) => ErrorCode::Overloaded,
            GroupError::UnknownMember(_) | GroupError::UnknownInstance(_) => ErrorCode::UnknownMember,
            GroupError::MemberIdRequired(_) => ErrorCode::MemberIdRequired,
            GroupError::StaleGeneration { .. } | GroupError::NotAssigned(_) => ErrorCode::StaleGeneration,
            GroupError::StaleEpoch { .. } => ErrorCode::StaleMemberEpoch,
            GroupError::FencedEpoch { .. } => ErrorCode::FencedMemberEpoch,
            GroupError::Rebalancing => ErrorCode::RebalanceInProgress,
            GroupError::InconsistentProtocol(_) => ErrorCode::InconsistentProtocol,
            GroupError::FencedInstance(_) => ErrorCode::FencedInstance,
            GroupError::UnreleasedInstance(_) => ErrorCode::UnreleasedInstance,
            GroupError::SessionTimeout { .. } => ErrorCode::InvalidSessionTimeout,
            GroupError::UnsupportedAssignor(_) => ErrorCode::UnsupportedAssignor,
            GroupError::InvalidPattern(_) => ErrorCode::InvalidPattern,
            GroupError::InvalidRequest(_) => ErrorCode::InvalidRequest,
            GroupError::SubscribedTo(_) => ErrorCode::GroupSubscribed,
            GroupError::MetadataTooLarge { .. } => ErrorCode::MetadataTooLarge,
        }
    }
}
