//! What the engines refuse, in the doors' words. Codes come from the engines; only fields are added here.

use log_engine::{GroupError, LogError};
use queue_engine::{QueueError, SettleError};
use segment_store::StoreError;

use crate::refusal::Refusal;

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Refusal {
        Refusal::from(&error)
    }
}

impl From<&LogError> for Refusal {
    fn from(error: &LogError) -> Refusal {
        let refusal = Refusal::new(error.code(), error.to_string());
        match error {
            LogError::InvalidConfig(_) | LogError::ConflictingConfig(_) => refusal.in_field("/log/config"),
            LogError::OffsetOutOfRange { .. } => refusal.in_field("offset"),
            LogError::UnknownPartition(_) => refusal.in_field("partition"),
            LogError::Overloaded(_) => refusal.retry_after(200),
            _ => refusal,
        }
    }
}

impl From<GroupError> for Refusal {
    fn from(error: GroupError) -> Refusal {
        Refusal::new(error.code(), error.to_string())
    }
}

impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Refusal {
        Refusal::from(&error)
    }
}

impl From<&QueueError> for Refusal {
    fn from(error: &QueueError) -> Refusal {
        let refusal = Refusal::new(error.code(), error.to_string());
        match error {
            QueueError::InvalidOption { field, .. } | QueueError::ConflictingOptions { field, .. } => {
                refusal.in_field(format!("/queue/{field}"))
            }
            QueueError::Differs { field, .. } => refusal.in_field(*field),
            QueueError::QueueFull(_) | QueueError::LogsFull => refusal.retry_after(1000),
            QueueError::BlockFull => refusal.retry_after(50),
            _ => refusal,
        }
    }
}

impl From<SettleError> for Refusal {
    fn from(error: SettleError) -> Refusal {
        Refusal::new(error.code(), error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::new(error.code(), error.to_string())
    }
}
