use std::collections::BTreeMap;

use message::Timestamp;

use crate::{Offset, PartitionId, TopicPartition};

/// How far a group has come in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset to read next.
    pub offset: Offset,
    /// The leader epoch of the record before it, as far as the committer knew.
    pub leader_epoch: Option<u32>,
    /// What the committer wanted to remember.
    pub metadata: Box<str>,
    /// When it was committed.
    pub at: Timestamp,
    /// When it is forgotten, if the committer said so (OffsetCommit up to version 4).
    pub expires_at: Option<Timestamp>,
}

/// One offset to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Where.
    pub partition: TopicPartition,
    /// The offset to read next.
    pub offset: Offset,
    /// The leader epoch of the record before it, if known.
    pub leader_epoch: Option<u32>,
    /// What to remember beside it; may be empty.
    pub metadata: String,
    /// When to forget it; absent means as the configuration says.
    pub expires_at: Option<Timestamp>,
}

impl OffsetCommit {
    /// An offset without anything beside it.
    #[must_use]
    pub fn new(partition: TopicPartition, offset: Offset) -> OffsetCommit {
        OffsetCommit { partition, offset, leader_epoch: None, metadata: String::new(), expires_at: None }
    }

    /// What is kept of it.
    pub(crate) fn committed(&self, now: Timestamp) -> Committed {
        Committed {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata.as_str().into(),
            at: now,
            expires_at: self.expires_at,
        }
    }
}

/// How a group stands in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// Where.
    pub partition: TopicPartition,
    /// What was committed, if anything.
    pub committed: Option<Committed>,
    /// The first offset held.
    pub log_start: Offset,
    /// The offset after the last visible record.
    pub high_watermark: Offset,
    /// Where the group reads on: behind what was committed, as far as that is still held.
    pub next: Offset,
    /// Records between what was committed (or, without that, the log's start) and the end.
    pub lag: u64,
}

/// What a group has committed. Kept small, for there may be millions of these.
///
/// Offsets that a transaction has sent and not ended yet belong in a map of their own beside `committed`, by producer:
/// they become committed all at once or not at all.
#[derive(Debug, Default)]
pub(crate) struct GroupOffsets {
    committed: BTreeMap<PartitionId, Stored>,
    metadata_bytes: u64,
}

#[derive(Debug)]
struct Stored {
    offset: Offset,
    at: Timestamp,
    leader_epoch: i32,
    /// What few commits have.
    extra: Option<Box<Extra>>,
}

#[derive(Debug)]
struct Extra {
    metadata: Box<str>,
    expires_at: Option<Timestamp>,
}

impl Stored {
    fn of(committed: Committed) -> Stored {
        let Committed { offset, leader_epoch, metadata, at, expires_at } = committed;
        let leader_epoch = leader_epoch.and_then(|epoch| i32::try_from(epoch).ok()).unwrap_or(-1);
        let extra =
            (!metadata.is_empty() || expires_at.is_some()).then(|| Box::new(Extra { metadata, expires_at }));
        Stored { offset, at, leader_epoch, extra }
    }

    fn metadata(&self) -> &str {
        self.extra.as_ref().map_or("", |extra| &extra.metadata)
    }

    fn committed(&self) -> Committed {
        Committed {
            offset: self.offset,
            leader_epoch: u32::try_from(self.leader_epoch).ok(),
            metadata: self.metadata().into(),
            at: self.at,
            expires_at: self.extra.as_ref().and_then(|extra| extra.expires_at),
        }
    }
}

impl GroupOffsets {
    /// What an entry takes, about: itself, its key, and its part of the tree.
    const ENTRY_BYTES: u64 = 56;

    pub(crate) fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.committed.len()
    }

    /// Memory that it takes.
    pub(crate) fn weight(&self) -> u64 {
        self.committed.len() as u64 * GroupOffsets::ENTRY_BYTES + self.metadata_bytes
    }

    pub(crate) fn set(&mut self, partition: PartitionId, committed: Committed) {
        self.metadata_bytes += committed.metadata.len() as u64;
        if let Some(old) = self.committed.insert(partition, Stored::of(committed)) {
            self.metadata_bytes -= old.metadata().len() as u64;
        }
    }

    pub(crate) fn get(&self, partition: PartitionId) -> Option<Committed> {
        self.committed.get(&partition).map(Stored::committed)
    }

    pub(crate) fn offset(&self, partition: PartitionId) -> Option<Offset> {
        self.committed.get(&partition).map(|stored| stored.offset)
    }

    /// Forgets what was committed for a partition; whether there was anything.
    pub(crate) fn remove(&mut self, partition: PartitionId) -> bool {
        let removed = self.committed.remove(&partition);
        if let Some(old) = &removed {
            self.metadata_bytes -= old.metadata().len() as u64;
        }
        removed.is_some()
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.committed.keys().copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PartitionId, Committed)> {
        self.committed.iter().map(|(partition, stored)| (*partition, stored.committed()))
    }

    /// What is too old: by its own word, or because `kept_since` is later than `at` and than the time of the commit.
    pub(crate) fn expired(
        &self,
        now: Timestamp,
        too_old: impl Fn(PartitionId, Timestamp) -> bool,
    ) -> Vec<PartitionId> {
        let expired = self.committed.iter().filter(|(partition, stored)| {
            match stored.extra.as_ref().and_then(|extra| extra.expires_at) {
                Some(expires_at) => expires_at <= now,
                None => too_old(**partition, stored.at),
            }
        });
        expired.map(|(partition, _)| *partition).collect()
    }
}
