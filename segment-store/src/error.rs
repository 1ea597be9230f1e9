use std::io;
use std::path::{Path, PathBuf};

use message::ErrorCode;

use crate::Lsn;

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
    /// The journal does not hold this position: it was recycled, or nothing was written there yet.
    #[error("the journal does not hold position {0}: it was recycled, or is not written yet")]
    NotHeld(Lsn),
    /// One record is larger than a segment can take.
    #[error(
        "a record of {bytes} bytes does not fit a journal segment, which takes {limit}; send it in parts or raise the segment size"
    )]
    TooLarge {
        /// Bytes asked for.
        bytes: u64,
        /// The largest payload of one record.
        limit: u64,
    },
    /// A setting is out of range or contradicts what is on disk.
    #[error("{0}")]
    Config(String),
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
            StoreError::TooLarge { .. } => ErrorCode::TooLarge,
            StoreError::Config(_) => ErrorCode::InvalidConfig,
            StoreError::Corrupt { .. } | StoreError::NotHeld(_) => ErrorCode::DataDamaged,
            StoreError::Poisoned(_) | StoreError::Locked(_) | StoreError::Io { .. } => {
                ErrorCode::StorageFailed
            }
        }
    }

    /// The error for an operation on `path` that did not endanger written data; a full disk is told apart.
    pub(crate) fn io(doing: &str, path: &Path, source: io::Error) -> StoreError {
        if is_full(&source) {
            return StoreError::DiskFull;
        }
        StoreError::Io { context: format!("{doing} {}", path.display()), source }
    }
}

/// Whether the operating system says that there is no room: disk, quota or file size limit.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
