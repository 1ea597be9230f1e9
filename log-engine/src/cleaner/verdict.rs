use message::Timestamp;

use super::history::{Aborted, LastWords, OpenTransactions};
use super::offset_map::OffsetMap;
use crate::Offset;
use crate::batch::{BatchHeader, Record};

/// What is to become of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchVerdict {
    /// It stays as it is.
    Keep,
    /// Its records are looked at one by one.
    Records,
    /// It gets a horizon, and may go after that.
    Await,
    /// All of its records go.
    Discard,
}

/// The rules of compaction for one pass over a partition.
pub(super) struct Rules<'a> {
    pub map: &'a OffsetMap,
    /// Where the map ends: of what comes later nothing is known.
    pub mapped_to: Offset,
    pub log_start: Offset,
    pub aborted: &'a Aborted,
    pub last_words: &'a LastWords,
    pub now: Timestamp,
}

impl Rules<'_> {
    pub(super) fn batch(&self, header: &BatchHeader, open: &mut OpenTransactions) -> BatchVerdict {
        let marks_nothing = header.is_control() && open.end(header);
        if header.base_offset >= self.mapped_to {
            return BatchVerdict::Keep;
        }
        if !header.is_control() {
            return match header.count == 0 || self.aborted.contains(header) {
                true => BatchVerdict::Discard,
                false => BatchVerdict::Records,
            };
        }
        match header.delete_horizon() {
            _ if !marks_nothing || self.last_words.contains(header) => BatchVerdict::Keep,
            None => BatchVerdict::Await,
            Some(horizon) if horizon <= self.now => BatchVerdict::Discard,
            Some(_) => BatchVerdict::Keep,
        }
    }

    /// Whether a record stays. One without a key, from before the log was compacted, goes, as with Kafka: nothing could ever
    /// replace it.
    pub(super) fn keeps(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        if record.offset >= self.mapped_to {
            return true;
        }
        if record.offset < self.log_start {
            return false;
        }
        let Some(key) = record.key else { return false };
        if self.map.get(key).is_some_and(|last| last > record.offset) {
            return false;
        }
        let is_over = header.delete_horizon().is_some_and(|horizon| horizon <= self.now);
        record.value.is_some() || !is_over
    }
}
