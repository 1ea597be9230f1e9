//! Durable bytes: the shard journal that both engines commit through, its checkpoints, and the files that logs settle
//! into. It is the only crate that touches data files, all of them through the [`Disk`] trait.
//!
//! **Invariant:** what a [`Syncer`] reported durable is there after any crash, in order and unchanged, or its loss is
//! reported with file and position. What was not is there as a prefix: whole blocks up to some point, nothing after,
//! nothing invented. After a failed write or sync nothing is accepted until a restart.
//!
//! ```
//! use std::sync::Arc;
//! use segment_store::{Journal, JournalConfig, LyingDisk, RecordKind};
//!
//! # fn main() -> Result<(), segment_store::StoreError> {
//! let disk = LyingDisk::new(7);
//! let config = JournalConfig { segment_bytes: 1 << 20, background: false, ..JournalConfig::default() };
//! let (mut journal, _) = Journal::open(Arc::new(disk.clone()), config.clone(), &mut |_| Ok(()))?;
//! journal.ensure(5)?;
//! let at = journal.block().push(RecordKind::QUEUE, &[b"he", b"llo"]);
//! let end = journal.flush()?;
//! assert!(journal.syncer().sync(end)? >= end);
//! assert_eq!(journal.reader().read(at, 5)?, "hello");
//!
//! // The power goes; what was synced is still there.
//! let disk = disk.crash();
//! let mut found = Vec::new();
//! let (_journal, report) = Journal::open(Arc::new(disk), config, &mut |record| {
//!     found.push((record.lsn, record.payload.to_vec()));
//!     Ok(())
//! })?;
//! assert_eq!(found, [(at, b"hello".to_vec())]);
//! assert_eq!(report.damage, []);
//! # Ok(())
//! # }
//! ```
mod block;
mod block_header;
mod block_index;
mod block_scanner;
mod checkpoint_file;
mod checkpoint_writer;
mod config;
mod disk;
mod error;
mod journal;
mod journal_walk;
mod lsn;
mod lying_disk;
mod page_buffer;
mod reader;
mod real_disk;
mod real_file;
mod record;
mod recovery;
mod report;
mod segment;
mod segment_header;
mod segment_pool;
mod segment_preparer;
mod shared;
mod survey;
mod syncer;

pub use block::Block;
pub use checkpoint_writer::CheckpointWriter;
pub use config::JournalConfig;
pub use disk::{DirEntry, DirLock, Disk, DiskFile, DiskSpace, LockHeld, Mapped, OpenMode};
pub use error::StoreError;
pub use journal::Journal;
pub use lsn::Lsn;
pub use lying_disk::{Crash, Fault, LyingDisk};
pub use page_buffer::PageBuffer;
pub use reader::JournalReader;
pub use real_disk::RealDisk;
pub use record::{RecordKind, Replayed, Source};
pub use report::{Damage, RecoveryReport, TornTail};
pub use segment_preparer::SegmentPreparer;
pub use syncer::Syncer;

/// Bytes that each record takes in a block beside its payload.
pub const RECORD_OVERHEAD: usize = block_header::RECORD_HEADER_LEN;
