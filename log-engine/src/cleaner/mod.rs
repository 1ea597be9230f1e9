//! Compaction: of the records with the same key the last one stays.
//!
//! A [`CleanJob`] runs on a blocking thread. It reads the part of a partition that is not compacted yet and remembers
//! the last offset of each key ([`OffsetMap`], in bounded memory), then writes all segments up to there anew without the
//! records that were replaced. The new files stand beside the old ones until the engine puts them in their place with
//! one record of the journal; readers that are at work keep the old ones until they let go. A crash at any point finds
//! either the old segments or the new ones.
//!
//! Offsets never change, and stay without holes: an empty batch stands where whole batches went, so that a hole is
//! always damage. Compaction never touches the segment that grows, nor what lies at or beyond the last stable offset,
//! nor what is younger than `min.compaction.lag.ms`.
mod cleaning;
mod history;
mod job;
mod offset_map;
mod rewriting;
mod verdict;

use message::Timestamp;

use crate::Offset;

pub(crate) use cleaning::Cleaning;
pub use job::{CleanJob, CleanOutcome, CleanResult};

/// How far compaction of a partition has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CleanPoint {
    /// Of the records before this, each key's last is known to be the only one.
    pub to: Offset,
    /// When the first of the tombstones and markers that were kept may go.
    pub horizon: Timestamp,
}

impl CleanPoint {
    /// Nothing is compacted, and nothing waits.
    pub(crate) const START: CleanPoint = CleanPoint { to: Offset(0), horizon: Timestamp(i64::MAX) };
}
