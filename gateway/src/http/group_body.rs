//! Bodies of consumer groups' requests and answers.

use std::ops::ControlFlow;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document;
use super::reset_place::{Place, ResetPlace};
use super::shapes::Record;
use crate::codec::render::{ValueMode, integer, string, write_message};
use crate::refusal::Refusal;
use crate::topics::{
    CommitOffset, GroupBatch, GroupCommit, GroupReceive, GroupReset, GroupSummary, ResetOutcome,
    TopicPartition,
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

/// What to read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"topics": ["events"], "max": 100, "wait_ms": 100}))]
pub struct GroupReceiveBody {
    /// The logs that the group reads.
    #[schema(min_items = 1, max_items = 100)]
    topics: Vec<String>,
    /// The id of a member that joined before.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, value_type = String, min_length = 1, max_length = 255)]
    member_id: Option<String>,
    /// Most records.
    #[serde(default = "usual_max", deserialize_with = "document::whole::<1, 10000, usize, _>")]
    #[schema(value_type = u32, required = false, minimum = 1, maximum = 10000, default = 500)]
    max: usize,
    /// About as many bytes, but at least one record.
    #[serde(default = "usual_bytes", deserialize_with = "document::whole::<1, 33554432, usize, _>")]
    #[schema(value_type = u32, required = false, minimum = 1, maximum = 33554432, default = 1048576)]
    max_bytes: usize,
    /// How long to wait when there is nothing, in milliseconds.
    #[serde(default, deserialize_with = "document::whole::<0, 60000, u64, _>")]
    #[schema(required = false, minimum = 0, maximum = 60000, default = 0)]
    wait_ms: u64,
    /// After this silence the member is out, in milliseconds.
    #[serde(default = "usual_session", deserialize_with = "document::whole::<1000, 3600000, u64, _>")]
    #[schema(required = false, minimum = 1000, maximum = 3600000, default = 45000)]
    session_timeout_ms: u64,
}

fn usual_max() -> usize {
    500
}

fn usual_bytes() -> usize {
    1 << 20
}

fn usual_session() -> u64 {
    45_000
}

impl TryFrom<GroupReceiveBody> for GroupReceive {
    type Error = Refusal;

    fn try_from(body: GroupReceiveBody) -> Result<GroupReceive, Refusal> {
        if body.topics.is_empty() || body.topics.len() > 100 {
            return Err(Refusal::invalid("/topics", "a group reads 1 to 100 topics"));
        }
        if body.member_id.as_ref().is_some_and(|id| id.is_empty() || id.chars().count() > 255) {
            return Err(Refusal::invalid("/member_id", "a member's id has 1 to 255 characters"));
        }
        Ok(GroupReceive {
            member: body.member_id,
            host: String::new(),
            topics: body.topics,
            max: body.max,
            max_bytes: body.max_bytes,
            wait_ms: body.wait_ms,
            session_timeout_ms: body.session_timeout_ms,
        })
    }
}

/// What a member got.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct GroupRecords {
    /// To be repeated in every later request.
    member_id: String,
    /// To be repeated when committing.
    generation: u32,
    /// The partitions that the member reads now.
    assignment: Vec<TopicPartition>,
    records: Vec<Record>,
}

/// The answer to a receive.
pub fn render(batch: &GroupBatch, values: ValueMode) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(b"{\"member_id\":");
    string(&mut out, &batch.member_id);
    out.extend_from_slice(b",\"generation\":");
    integer(&mut out, batch.generation);
    out.extend_from_slice(b",\"assignment\":[");
    for (index, one) in batch.assignment.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{\"topic\":" } else { b"{\"topic\":" });
        string(&mut out, &one.topic);
        out.extend_from_slice(b",\"partition\":");
        integer(&mut out, one.partition);
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"records\":[");
    let mut first = true;
    for chunk in &batch.chunks {
        chunk.for_each(&mut |view| {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"topic\":");
            string(&mut out, chunk.topic.as_str());
            let start = out.len();
            write_message(&mut out, &view, values);
            // The message's opening brace becomes the comma after the topic.
            if let Some(brace) = out.get_mut(start) {
                *brace = b',';
            }
            ControlFlow::Continue(())
        })?;
    }
    out.extend_from_slice(b"]}");
    Ok(out)
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
}

fn offsets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<CommitOffset>, D::Error> {
    let entries = Vec::<CommitEntry>::deserialize(from)?;
    let checked = entries.into_iter().map(|CommitEntry { topic, partition, offset, metadata }| {
        if metadata.as_ref().is_some_and(|text| text.len() > 4096) {
            return Err(D::Error::custom("metadata has at most 4096 bytes"));
        }
        Ok(CommitOffset { topic, partition, offset, metadata })
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
    #[schema(min_length = 1, max_length = 255)]
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
