//! Bodies of requests and answers of a group's members.

use std::ops::ControlFlow;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document;
use super::shapes::Record;
use crate::codec::render::{ValueMode, integer, string, write_message};
use crate::refusal::Refusal;
use crate::topics::{GroupAck, GroupBatch, GroupPosition, GroupReceive, TopicPartition};

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
    /// When joining: that this member acknowledges single records (`ackRecords`), and how many may be unacknowledged at a
    /// time. Later: another number.
    #[serde(default, deserialize_with = "document::maybe_whole::<1, 100000, usize, _>")]
    #[schema(value_type = u32, required = false, minimum = 1, maximum = 100000)]
    max_unacked: Option<usize>,
    /// Begin again behind what the group has committed: an answer got lost, or a worker failed.
    #[serde(default)]
    #[schema(required = false, default = false)]
    rewind: bool,
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
            max_unacked: body.max_unacked,
            rewind: body.rewind,
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

/// Records that are done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"member_id": "m-1", "records": [{"topic": "events", "partition": 0, "offsets": [42, 44]}]}))]
pub struct GroupAckBody {
    /// The member that got them.
    #[schema(min_length = 1, max_length = 255)]
    member_id: String,
    /// The generation in which the member got its partitions.
    #[serde(default, deserialize_with = "document::maybe_whole::<0, 2147483647, u32, _>")]
    #[schema(required = false, value_type = u32, minimum = 0, maximum = 2147483647)]
    generation: Option<u32>,
    /// Which, by partition.
    records: Vec<AckedRecords>,
}

/// Records of one partition.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AckedRecords {
    /// The log.
    #[schema(min_length = 1, max_length = 249)]
    topic: String,
    /// The partition, counted from 0.
    #[serde(deserialize_with = "document::whole::<0, 2147483647, u32, _>")]
    #[schema(minimum = 0, maximum = 2147483647)]
    partition: u32,
    /// The records' offsets, in any order. One that was not delivered, or is done already, changes nothing.
    #[serde(deserialize_with = "record_offsets")]
    #[schema(value_type = Vec<RecordOffset>)]
    offsets: Vec<i64>,
}

/// A record's place in its partition.
#[derive(ToSchema)]
#[schema(minimum = 0, maximum = 9007199254740991i64)]
#[allow(dead_code, reason = "described, never built")]
struct RecordOffset(i64);

fn record_offsets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<i64>, D::Error> {
    let offsets = Vec::<i64>::deserialize(from)?;
    const MOST: i64 = (1 << 53) - 1;
    match offsets.iter().all(|offset| (0..=MOST).contains(offset)) {
        true => Ok(offsets),
        false => Err(D::Error::custom(format!("offsets are whole numbers from 0 to {MOST}"))),
    }
}

impl From<GroupAckBody> for GroupAck {
    fn from(body: GroupAckBody) -> GroupAck {
        let records = body
            .records
            .into_iter()
            .map(|AckedRecords { topic, partition, offsets }| (TopicPartition { topic, partition }, offsets));
        GroupAck { member: body.member_id, generation: body.generation, records: records.collect() }
    }
}

/// What acknowledging brought about.
#[derive(Serialize, ToSchema)]
pub struct GroupAcked {
    /// What is committed now because of it; empty while earlier records are not acknowledged.
    pub committed: Vec<GroupPosition>,
}

/// Partitions of a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"partitions": [{"topic": "events", "partition": 0}]}))]
pub struct PauseBody {
    /// Which; all of them must be the member's.
    pub partitions: Vec<TopicPartition>,
}

/// What a member does not get at the moment.
#[derive(Serialize, ToSchema)]
pub struct PausedPartitions {
    /// All partitions of the member that are paused now.
    pub paused: Vec<TopicPartition>,
}
