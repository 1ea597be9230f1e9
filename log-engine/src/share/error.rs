use message::{ErrorCode, GroupName};

use crate::group::GroupError;
use crate::{LogError, Offset};

/// Why a share group refused something about its records.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// No share group has this name.
    #[error("there is no share group {0:?}; its members join it first, by ShareGroupHeartbeat")]
    UnknownGroup(GroupName),
    /// The member does not have the record.
    #[error(
        "the record at offset {0} is not in the member's hands (any more): its lock ended, or it never had it"
    )]
    NotAcquired(Offset),
    /// Nobody was ever given the record.
    #[error("nobody was given the record at offset {0} so far")]
    NeverAcquired(Offset),
    /// The log refused it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl ShareError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            ShareError::UnknownGroup(_) => ErrorCode::UnknownGroup,
            ShareError::NotAcquired(_) => ErrorCode::StaleLease,
            ShareError::NeverAcquired(_) => ErrorCode::InvalidRequest,
            ShareError::Log(error) => error.code(),
        }
    }
}

impl From<GroupError> for ShareError {
    fn from(error: GroupError) -> ShareError {
        ShareError::Log(error.into())
    }
}
