//! The only crate that touches data files: the shard journal, checkpoints, and the files that logs settle into.
mod block;
mod disk;
mod error;
mod lsn;
mod record;

pub use block::Block;
pub use disk::{DirEntry, DirLock, Disk, DiskFile, Mapped, OpenMode};
pub use error::StoreError;
pub use lsn::Lsn;
pub use record::{RecordKind, Replayed, Source};
