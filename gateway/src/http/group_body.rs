//! Bodies of consumer groups' requests and answers.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document;
use super::reset_place::{Place, ResetPlace};
use crate::topics::{
    CommitNote, CommitOffset, GroupCommit, GroupReset, GroupSummary, ResetOutcome, TopicPartition,
};

/// A page of groups.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct GroupPage {
    groups: Vec<GroupSummary>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

/// Offsets to commit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"offsets": [{"topic": "events", "partition": 0, "offset": 42}]}))]
pub struct CommitBody {
    /// The member; absent when the group's reader picks its partitions itself.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, value_type = String)]
    member_id: Option<String>,
    /// The generation in which the member got its partitions.
    #[serde(default, deserialize_with = "document::maybe_whole::<0, 2147483647, u32, _>")]
    #[schema(required = false, value_type = u32, minimum = 0, maximum = 2147483647)]
    generation: Option<u32>,
    /// Where the group reads on.
    #[serde(deserialize_with = "offsets")]
    #[schema(value_type = Vec<CommitEntry>)]
    offsets: Vec<CommitOffset>,
}

/// Where a group reads on in a partition.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CommitEntry {
    /// The log.
    #[schema(min_length = 1, max_length = 249)]
    topic: String,
    /// The partition, counted from 0.
    #[serde(deserialize_with = "document::whole::<0, 2147483647, u32, _>")]
    #[schema(minimum = 0, maximum = 2147483647)]
    partition: u32,
    /// The offset to read next.
    #[serde(deserialize_with = "document::whole::<0, 9007199254740991, i64, _>")]
    #[schema(minimum = 0, maximum = 9007199254740991i64)]
    offset: i64,
    /// Anything that the committer wants to find again.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, value_type = String, max_length = 4096)]
    metadata: Option<String>,
    /// The leader epoch of the record before the offset, as Kafka's clients know it.
    #[serde(default, deserialize_with = "document::maybe_whole::<0, 2147483647, u32, _>")]
    #[schema(required = false, value_type = u32, minimum = 0, maximum = 2147483647)]
    leader_epoch: Option<u32>,
    /// How long the offset is kept, in milliseconds; the server's `groups.offsets_retention_ms` when absent.
    #[serde(default, deserialize_with = "document::maybe_whole::<1, 315360000000, u64, _>")]
    #[schema(required = false, value_type = u64, minimum = 1, maximum = 315360000000i64)]
    retention_ms: Option<u64>,
}

fn offsets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<CommitOffset>, D::Error> {
    let entries = Vec::<CommitEntry>::deserialize(from)?;
    let checked = entries.into_iter().map(|entry| {
        let CommitEntry { topic, partition, offset, metadata, leader_epoch, retention_ms } = entry;
        if metadata.as_ref().is_some_and(|text| text.len() > 4096) {
            return Err(D::Error::custom("metadata has at most 4096 bytes"));
        }
        let note = CommitNote { metadata, leader_epoch, retention_ms };
        Ok(CommitOffset { topic, partition, offset, note })
    });
    checked.collect()
}

impl From<CommitBody> for GroupCommit {
    fn from(body: CommitBody) -> GroupCommit {
        GroupCommit { member: body.member_id, generation: body.generation, offsets: body.offsets }
    }
}

/// Offsets of a group that go with a transaction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"group": "billing", "offsets": [{"topic": "events", "partition": 0, "offset": 42}]}))]
pub struct TransactionOffsetsBody {
    /// The group.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = "^(?!\\.{1,2}$)[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    group: String,
    /// The member; absent when the group's reader picks its partitions itself.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, value_type = String)]
    member_id: Option<String>,
    /// The generation in which the member got its partitions.
    #[serde(default, deserialize_with = "document::maybe_whole::<0, 2147483647, u32, _>")]
    #[schema(required = false, value_type = u32, minimum = 0, maximum = 2147483647)]
    generation: Option<u32>,
    /// Where the group reads on once the transaction is committed.
    #[serde(deserialize_with = "offsets")]
    #[schema(value_type = Vec<CommitEntry>)]
    offsets: Vec<CommitOffset>,
}

impl TransactionOffsetsBody {
    /// The group, and what to commit for it.
    pub fn into_commit(self) -> (String, GroupCommit) {
        let TransactionOffsetsBody { group, member_id, generation, offsets } = self;
        (group, GroupCommit { member: member_id, generation, offsets })
    }
}

/// A commit that was made.
#[derive(Serialize, ToSchema)]
pub struct CommitDone {
    /// How many offsets.
    pub committed: usize,
}

/// Offsets that were forgotten.
#[derive(Serialize, ToSchema)]
pub struct OffsetsDeleted {
    /// The partitions that the group had committed.
    pub deleted: Vec<TopicPartition>,
}

/// What to set anew, and where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"topics": ["events"], "to": "earliest", "dry_run": true}))]
pub struct ResetBody {
    /// All partitions of these; with `partitions` absent too: all that the group committed.
    #[serde(default)]
    #[schema(required = false)]
    topics: Vec<String>,
    /// Single partitions.
    #[serde(default)]
    #[schema(required = false)]
    partitions: Vec<TopicPartition>,
    /// `earliest`, `latest`, `{"offset":n}`, `{"shift":n}` or `{"time":…}` (RFC 3339, or milliseconds since the epoch).
    #[schema(value_type = ResetPlace)]
    to: Place,
    /// Only tell what would happen.
    #[serde(default)]
    #[schema(required = false, default = false)]
    dry_run: bool,
}

impl From<ResetBody> for GroupReset {
    fn from(body: ResetBody) -> GroupReset {
        let ResetBody { topics, partitions, to: Place(to), dry_run } = body;
        GroupReset { topics, partitions, to, dry_run }
    }
}

/// What a reset did, or would do.
#[derive(Serialize, ToSchema)]
pub struct ResetResults {
    /// One per partition.
    pub results: Vec<ResetOutcome>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::ResetTo;

    #[test]
    fn every_place_to_reset_to_is_read() {
        let to = |to: &str| {
            let body = format!(r#"{{"topics":["t"],"to":{to}}}"#);
            document::parse::<ResetBody>(body.as_bytes()).map(|body| GroupReset::from(body).to)
        };
        assert_eq!(to(r#""earliest""#), Ok(ResetTo::Earliest));
        assert_eq!(to(r#"{"shift":-3}"#), Ok(ResetTo::Shift(-3)));
        assert_eq!(to(r#"{"offset":2}"#), Ok(ResetTo::Offset(2)));
        assert_eq!(to(r#"{"time":"1970-01-01T00:00:01Z"}"#), Ok(ResetTo::Time(1000)));
        assert_eq!(to(r#"{"time":5}"#), Ok(ResetTo::Time(5)));
        for bad in
            [r#""middle""#, "{}", r#"{"offset":-1}"#, r#"{"shift":1,"offset":1}"#, "null", r#"{"when":1}"#]
        {
            let field = to(bad).unwrap_err().field.unwrap();
            assert!(field.starts_with("/to"), "{bad}: {field}");
        }
    }
}
