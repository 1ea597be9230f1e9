use std::collections::BTreeMap;

use message::{GroupName, Timestamp};

use super::{Generation, MemberDescription, Membership};
use crate::{Offset, PartitionId, TopicPartition};

/// How far a group has come in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset to read next.
    pub offset: Offset,
    /// What the committer wanted to remember.
    pub metadata: Box<str>,
    /// When it was committed.
    pub at: Timestamp,
}

/// One offset to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Where.
    pub partition: TopicPartition,
    /// The offset to read next.
    pub offset: Offset,
    /// What to remember beside it; may be empty.
    pub metadata: String,
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
    /// Records between what was committed (or, without that, the log's start) and the end.
    pub lag: u64,
}

/// What a group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// It has members, and all partitions are assigned.
    Stable,
    /// It has offsets and no member.
    Empty,
}

/// A group for a listing.
#[derive(Clone, Debug)]
pub struct GroupDescription {
    /// Its name.
    pub name: GroupName,
    /// What it is doing.
    pub state: GroupState,
    /// Counts its changes of assignment.
    pub generation: Generation,
    /// Its live members.
    pub members: Vec<MemberDescription>,
    /// Every partition that it has committed, or that is assigned.
    pub partitions: Vec<PartitionLag>,
}

/// One group as the engine keeps it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub offsets: BTreeMap<PartitionId, Committed>,
    pub membership: Membership,
}

impl Group {
    /// Whether there is nothing left to know about it.
    pub(crate) fn is_vacant(&self) -> bool {
        self.offsets.is_empty() && self.membership.is_empty()
    }
}
