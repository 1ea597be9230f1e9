use std::io;
use std::path::PathBuf;

use message::ErrorCode;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room for another segment. Nothing was lost; settle or delete messages, or free disk space, and retry.
    #[error("the disk has no room for another journal segment; free space and retry")]
    DiskFull,
    /// A write or sync failed earlier. Nothing further is accepted until a restart recovers from disk.
    #[error("the store stopped after a failed write or sync ({0}); restart to recover from disk")]
    Poisoned(String),
    /// Another process uses the data directory.
    #[error("the data directory {0} is in use by another process")]
    Locked(PathBuf),
    /// A file holds what it should not.
    #[error("{file} is damaged at byte {position}: {what}")]
    Corrupt {
        /// The file, relative to the data directory.
        file: PathBuf,
        /// Byte offset in the file.
        position: u64,
        /// What was wrong.
        what: String,
    },
    /// The operating system refused an operation that did not endanger written data.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            StoreError::DiskFull => ErrorCode::DiskFull,
            StoreError::Poisoned(_)
            | StoreError::Locked(_)
            | StoreError::Corrupt { .. }
            | StoreError::Io { .. } => ErrorCode::StorageFailed,
        }
    }
}
