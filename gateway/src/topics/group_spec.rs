use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicPartition {
    /// The log topic.
    #[schema(min_length = 1, max_length = 249)]
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
}

/// One group in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupSummary {
    /// Its name.
    pub group: String,
    /// How many members it has now.
    pub members: u32,
}

/// A group as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupDescription {
    /// Its name.
    pub group: String,
    /// Grows whenever members or assignments change.
    pub generation: u32,
    /// Who reads now.
    pub members: Vec<GroupMember>,
    /// How far each partition was committed.
    pub offsets: Vec<GroupOffset>,
    /// Records not yet committed, over all partitions.
    pub lag: i64,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupMember {
    /// The id that it was given.
    pub member_id: String,
    /// What it reads.
    pub partitions: Vec<TopicPartition>,
}

/// How far a group is in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupOffset {
    /// The log topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The offset that it reads next; absent when it never committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub committed: Option<i64>,
    /// The partition's high watermark.
    pub log_end: i64,
    /// Records between the two.
    pub lag: i64,
    /// What the committer added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub metadata: Option<String>,
}

/// What a member got when it joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its id, to be repeated in every later request.
    pub member_id: String,
    /// The assignment's generation, to be repeated when committing.
    pub generation: u32,
    /// What it reads.
    pub assignment: Vec<TopicPartition>,
}

/// One offset to commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitOffset {
    /// The log topic.
    #[schema(min_length = 1, max_length = 249)]
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The offset to read next.
    #[schema(minimum = 0)]
    pub offset: i64,
    /// Anything that the committer wants to find again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096, nullable = false)]
    pub metadata: Option<String>,
}

/// Offsets to commit, and on whose behalf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupCommit {
    /// The member; absent for a group whose reader assigns partitions itself.
    pub member: Option<String>,
    /// The generation in which the member got its partitions; absent means its current one.
    pub generation: Option<u32>,
    /// What to commit.
    pub offsets: Vec<CommitOffset>,
}

/// What a member asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReceive {
    /// The member; absent to join as a new one.
    pub member: Option<String>,
    /// What the group reads.
    pub topics: Vec<String>,
    /// Most records.
    pub max: usize,
    /// About as many bytes.
    pub max_bytes: usize,
    /// How long to wait when there is nothing.
    pub wait_ms: u64,
    /// After this silence the member is out.
    pub session_timeout_ms: u64,
}

/// Where a group is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTo {
    /// The first offset still held.
    Earliest,
    /// The end.
    Latest,
    /// The first record at or after this time, milliseconds since the epoch.
    Time(i64),
    /// Exactly there, within what the partition holds.
    Offset(i64),
    /// So many records forward, or back when negative.
    Shift(i64),
}

/// What to reset, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReset {
    /// All partitions of these topics; with `partitions` empty too: everything the group committed.
    pub topics: Vec<String>,
    /// Single partitions.
    pub partitions: Vec<TopicPartition>,
    /// Where to.
    pub to: ResetTo,
    /// Only tell what would happen.
    pub dry_run: bool,
}

/// What a reset did, or would do, to one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResetOutcome {
    /// The log topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The committed offset before; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub from: Option<i64>,
    /// The committed offset after.
    pub to: i64,
}
