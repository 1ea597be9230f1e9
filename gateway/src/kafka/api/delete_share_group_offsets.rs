use kafka_wire::Uuid;
use kafka_wire::messages::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse, DeleteShareGroupOffsetsResponseTopic,
};

use super::{Call, groups};
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::topic_ids;

pub async fn answer(call: &Call, request: DeleteShareGroupOffsetsRequest) -> DeleteShareGroupOffsetsResponse {
    match delete(call, request).await {
        Ok(responses) => {
            DeleteShareGroupOffsetsResponse { responses, ..DeleteShareGroupOffsetsResponse::default() }
        }
        Err(wrong) => DeleteShareGroupOffsetsResponse {
            error_code: wrong.error.0,
            error_message: Some(wrong.why),
            ..DeleteShareGroupOffsetsResponse::default()
        },
    }
}

async fn delete(
    call: &Call,
    request: DeleteShareGroupOffsetsRequest,
) -> Result<Vec<DeleteShareGroupOffsetsResponseTopic>, Wrong> {
    let group = groups::named(&request.group_id)?;
    let topics = call.door.topics();
    topics.check_share_is_empty(&group).await?;
    let mut responses = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let topic = topics.topic(&asked.topic_name);
        let topic_id = topic.as_ref().map_or(Uuid::ZERO, topic_ids::of);
        let deleted = match topic {
            Ok(topic) => topics.delete_share_offsets(&group, &topic).await,
            Err(refusal) => Err(refusal),
        };
        let wrong = deleted.err().map(Wrong::from);
        responses.push(DeleteShareGroupOffsetsResponseTopic {
            topic_name: asked.topic_name,
            topic_id,
            error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: wrong.map(|wrong| wrong.why),
        });
    }
    Ok(responses)
}
