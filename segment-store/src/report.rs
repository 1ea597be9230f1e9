use std::fmt;
use std::path::PathBuf;

use crate::Lsn;

/// What opening a journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The number of this incarnation: one more than the highest found.
    pub epoch: u32,
    /// Position of the oldest retained segment.
    pub start: Lsn,
    /// Where the journal goes on.
    pub end: Lsn,
    /// What the checkpoint that was used covers.
    pub checkpoint: Option<Lsn>,
    /// Records replayed from the checkpoint.
    pub checkpoint_records: u64,
    /// Blocks found whole in the journal.
    pub blocks: u64,
    /// Records replayed from the journal.
    pub records: u64,
    /// Bytes cut off the end because their block was never whole and nothing says that it was ever synced.
    pub torn_tail: Option<TornTail>,
    /// What was on disk once and can not be read any more. Everything around it was replayed.
    pub damage: Vec<Damage>,
}

/// An unfinished end of the journal: what a crash leaves of writes that were not synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file, relative to the data directory.
    pub file: PathBuf,
    /// Byte offset in the file from which it was cut.
    pub position: u64,
    /// Whole blocks that lay behind the broken one, and went with it.
    pub blocks_behind: u64,
}

/// A stretch that is lost although it had been synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file in which it begins, relative to the data directory.
    pub file: PathBuf,
    /// Byte offset in the file.
    pub position: u64,
    /// Bytes until the next that can be read; these may lie in a later file.
    pub length: u64,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}, {} bytes: {}", self.file.display(), self.position, self.length, self.what)
    }
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cut at byte {}", self.file.display(), self.position)?;
        if self.blocks_behind > 0 {
            write!(f, ", with {} unsynced blocks behind it", self.blocks_behind)?;
        }
        Ok(())
    }
}
