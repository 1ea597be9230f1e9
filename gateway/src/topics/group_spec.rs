use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::refusal::Refusal;

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

impl From<&log_engine::TopicPartition> for TopicPartition {
    fn from(partition: &log_engine::TopicPartition) -> TopicPartition {
        TopicPartition { topic: partition.topic.to_string(), partition: partition.partition }
    }
}

/// Who shares a group's partitions out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// Its members do, by Kafka's classic protocol; or it has none.
    Classic,
    /// The server does.
    Consumer,
}

/// What a group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// It has no members.
    Empty,
    /// Its members are to join again.
    PreparingRebalance,
    /// Its members wait for the plan of their leader.
    CompletingRebalance,
    /// Some members have to let partitions go, or wait for others to do so.
    Reconciling,
    /// Every member has what it is to have.
    Stable,
}

/// How a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// By Kafka's classic group protocol.
    Classic,
    /// By Kafka's consumer group protocol (KIP-848).
    Consumer,
    /// Over HTTP or WebSocket.
    Reader,
}

/// One group in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupSummary {
    /// Its name.
    pub group: String,
    /// Who shares its partitions out.
    pub kind: GroupKind,
    /// What it is doing.
    pub state: GroupState,
    /// How many members it has now.
    pub members: u32,
}

/// A group as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GroupDescription {
    /// Its name.
    pub group: String,
    /// Who shares its partitions out.
    pub kind: GroupKind,
    /// What it is doing.
    pub state: GroupState,
    /// Grows with every rebalance.
    pub generation: u32,
    /// What members of the classic protocol agreed on, or the server's assignor; empty when there is neither.
    pub protocol: String,
    /// Who reads now.
    pub members: Vec<GroupMember>,
    /// How far each partition was committed.
    pub offsets: Vec<GroupOffset>,
    /// Records not yet committed, over all partitions.
    pub lag: i64,
    /// The largest `lag_seconds` of its partitions.
    pub lag_seconds: f64,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// How it takes part.
    pub kind: MemberKind,
    /// Its static name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub instance_id: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// The address that it comes from; empty when that is not known.
    pub client_host: String,
    /// The logs that it asked for.
    pub topics: Vec<String>,
    /// What it reads.
    pub partitions: Vec<TopicPartition>,
}

/// How far a group is in one partition.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
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
    /// The age of the oldest record that is not committed, by its timestamp; 0 when there is none. Absent when its
    /// producer gave it no time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub lag_seconds: Option<f64>,
    /// When it was committed, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub committed_at: Option<i64>,
    /// When the commit is forgotten, if the committer said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<i64>,
    /// The leader epoch of the record before the committed offset, if the committer told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub leader_epoch: Option<u32>,
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

impl From<log_engine::Joined> for Joined {
    fn from(joined: log_engine::Joined) -> Joined {
        Joined {
            member_id: joined.member.as_str().to_owned(),
            generation: joined.generation.0,
            assignment: joined.assignment.iter().map(TopicPartition::from).collect(),
        }
    }
}

/// A reader that a door serves on behalf of a group.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Its id; absent to join as a new one.
    pub member: Option<String>,
    /// The door's name.
    pub door: &'static str,
    /// The address that the reader comes from, if it is known.
    pub host: String,
    /// What it reads.
    pub topics: Vec<String>,
    /// After this silence it is out.
    pub session_timeout: Duration,
    /// What it knows to be its own: what it was told last.
    pub holds: Vec<TopicPartition>,
}

/// One offset to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    /// The log topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The offset to read next.
    pub offset: i64,
    /// What is kept beside it.
    pub note: CommitNote,
}

/// What a committer may add to an offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitNote {
    /// Anything that it wants to find again.
    pub metadata: Option<String>,
    /// The leader epoch of the record before the offset.
    pub leader_epoch: Option<u32>,
    /// How long the offset is kept, in milliseconds; absent means as the configuration says.
    pub retention_ms: Option<u64>,
}

impl CommitNote {
    /// The largest leader epoch that Kafka's clients can be told.
    pub const LEADER_EPOCH_MAX: u32 = i32::MAX as u32;
    /// Ten years, as for the server's own setting.
    pub const RETENTION_MS_MAX: u64 = 10 * 365 * 24 * 3_600_000;

    /// Refuses what could not be kept as it is; the refusal names the field within an offset.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.leader_epoch.is_some_and(|epoch| epoch > CommitNote::LEADER_EPOCH_MAX) {
            let why = format!("a leader epoch is at most {}", CommitNote::LEADER_EPOCH_MAX);
            return Err(Refusal::invalid("leader_epoch", why));
        }
        if self.retention_ms.is_some_and(|kept| !(1..=CommitNote::RETENTION_MS_MAX).contains(&kept)) {
            let why = format!("an offset is kept for 1 to {} milliseconds", CommitNote::RETENTION_MS_MAX);
            return Err(Refusal::invalid("retention_ms", why));
        }
        Ok(())
    }
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
    /// The address that it comes from, if it is known.
    pub host: String,
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
    /// The member acknowledges single records, and at most so many may be unacknowledged. Absent: as it said before, or
    /// not at all.
    pub max_unacked: Option<usize>,
    /// Go back to what is committed first.
    pub rewind: bool,
}

/// Records that a member is done with, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupAck {
    /// The member.
    pub member: String,
    /// The generation in which it got them; absent means its current one.
    pub generation: Option<u32>,
    /// Which, by partition.
    pub records: Vec<(TopicPartition, Vec<i64>)>,
}

/// A partition and the offset that its group reads next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupPosition {
    /// The log topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The offset to read next.
    pub offset: i64,
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
