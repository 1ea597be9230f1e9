use kafka_wire::Uuid;
use kafka_wire::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestTopic, AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use message::{ErrorCode, GroupName};

use super::{Call, groups};
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::topic_ids;

pub async fn answer(call: &Call, request: AlterShareGroupOffsetsRequest) -> AlterShareGroupOffsetsResponse {
    match alter(call, request).await {
        Ok(responses) => {
            AlterShareGroupOffsetsResponse { responses, ..AlterShareGroupOffsetsResponse::default() }
        }
        Err(wrong) => AlterShareGroupOffsetsResponse {
            error_code: wrong.error.0,
            error_message: Some(wrong.why),
            ..AlterShareGroupOffsetsResponse::default()
        },
    }
}

async fn alter(
    call: &Call,
    request: AlterShareGroupOffsetsRequest,
) -> Result<Vec<AlterShareGroupOffsetsResponseTopic>, Wrong> {
    let group = groups::named(&request.group_id)?;
    // A group that is not there yet is made.
    match call.door.topics().check_share_is_empty(&group).await {
        Err(refusal) if refusal.code != ErrorCode::UnknownGroup => return Err(refusal.into()),
        Err(_) | Ok(()) => {}
    }
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        responses.push(one(call, &group, topic).await);
    }
    Ok(responses)
}

async fn one(
    call: &Call,
    group: &GroupName,
    asked: AlterShareGroupOffsetsRequestTopic,
) -> AlterShareGroupOffsetsResponseTopic {
    let topics = call.door.topics();
    let topic = topics.topic(&asked.topic_name);
    let mut partitions = Vec::with_capacity(asked.partitions.len());
    for partition in asked.partitions {
        let altered = match (&topic, u32::try_from(partition.partition_index)) {
            (Ok(topic), Ok(number)) => {
                let to = vec![(topic.clone(), number, partition.start_offset)];
                let altered = topics.alter_share_offsets(group, to).await;
                altered.and_then(|told| told.into_iter().collect::<Result<Vec<_>, _>>()).map(drop)
            }
            (Err(refusal), _) => Err(refusal.clone()),
            (Ok(_), Err(_)) => {
                Err(crate::refusal::Refusal::new(ErrorCode::UnknownPartition, "no such partition"))
            }
        };
        let wrong = altered.err().map(Wrong::from);
        partitions.push(AlterShareGroupOffsetsResponsePartition {
            partition_index: partition.partition_index,
            error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: wrong.map(|wrong| wrong.why),
        });
    }
    AlterShareGroupOffsetsResponseTopic {
        topic_name: asked.topic_name,
        topic_id: topic.as_ref().map_or(Uuid::ZERO, topic_ids::of),
        partitions,
    }
}
