use std::time::Duration;

use kafka_wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};

use message::ErrorCode;

use super::{Call, groups};
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::OffsetCommit;
use crate::topics::{Acks, Offset};

/// From this version on topics are named by their ids.
const IDS_FROM: i16 = 10;

pub async fn answer(call: &Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let instance = request.group_instance_id.clone();
    let committer = groups::committer(request.generation_id_or_member_epoch, &request.member_id, instance);
    let (group, committer) = match (groups::name(&request.group_id), committer) {
        (Ok(group), Ok(committer)) => (group, committer),
        (Err(error), _) | (_, Err(error)) => return told(&request, || error),
    };
    let mut commits = Vec::new();
    // For each partition of the request: its place among the commits, or why it has none.
    let mut places: Vec<Result<usize, KafkaError>> = Vec::new();
    for topic in &request.topics {
        let name = match call.version >= IDS_FROM {
            true => {
                groups::topic_name(call.door.topics(), topic.topic_id).ok_or(KafkaError::UNKNOWN_TOPIC_ID)
            }
            false => Ok(topic.name.clone()),
        };
        for partition in &topic.partitions {
            let commit = name.clone().and_then(|name| commit(call, &request, &name, partition));
            places.push(commit.map(|commit| {
                commits.push(commit);
                commits.len() - 1
            }));
        }
    }
    let outcomes = call.door.topics().group_commit_each(&group, committer, commits, Acks::All).await;
    let mut places = places.into_iter();
    told(&request, || match (places.next(), &outcomes) {
        (Some(Err(error)), _) => error,
        (_, Err(refusal)) => groups::coordinator(refusal),
        // Who commits for nobody while there are members is told that it is none of them.
        (_, Ok(Err(error))) if error.code() == ErrorCode::InUse => KafkaError::UNKNOWN_MEMBER_ID,
        (_, Ok(Err(error))) => KafkaError::from(error.code()),
        (Some(Ok(at)), Ok(Ok(outcomes))) => match outcomes.get(at) {
            Some(Ok(())) => KafkaError::NONE,
            Some(Err(error)) => KafkaError::from(error.code()),
            None => KafkaError::UNKNOWN_SERVER_ERROR,
        },
        (None, _) => KafkaError::UNKNOWN_SERVER_ERROR,
    })
}

fn commit(
    call: &Call,
    request: &OffsetCommitRequest,
    topic: &str,
    partition: &OffsetCommitRequestPartition,
) -> Result<OffsetCommit, KafkaError> {
    let kept = u64::try_from(request.retention_time_ms).ok().map(Duration::from_millis);
    Ok(OffsetCommit {
        partition: groups::partition(topic, partition.partition_index)?,
        offset: Offset(partition.committed_offset),
        leader_epoch: u32::try_from(partition.committed_leader_epoch).ok(),
        metadata: partition.committed_metadata.clone().unwrap_or_default(),
        expires_at: kept.map(|kept| call.door.topics().now().plus(kept)),
    })
}

/// The answer, with one code for each partition of the request, in its order.
fn told(request: &OffsetCommitRequest, mut code: impl FnMut() -> KafkaError) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: code().0,
            })
            .collect(),
    });
    OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() }
}
