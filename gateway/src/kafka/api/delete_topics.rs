use kafka_wire::Uuid;
use kafka_wire::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};

use super::{Call, repeated};
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::topic_ids;
use crate::topics::DeleteIf;

pub async fn answer(call: &Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = request
        .topic_names
        .into_iter()
        .map(|name| DeleteTopicState { name: Some(name), ..Default::default() });
    let asked: Vec<DeleteTopicState> = request.topics.into_iter().chain(by_name).collect();
    let twice = repeated(asked.iter().filter_map(|topic| topic.name.clone()));
    let mut responses: Vec<DeletableTopicResult> = Vec::new();
    for topic in asked {
        let mut result =
            DeletableTopicResult { name: topic.name.clone(), topic_id: topic.topic_id, ..Default::default() };
        let deleted = match &topic.name {
            Some(name) if twice.contains(name) => {
                if responses.iter().any(|told| told.name.as_ref() == Some(name)) {
                    continue;
                }
                Err(Wrong::named_twice("topic"))
            }
            _ => delete(call, &topic, &mut result).await,
        };
        if let Err(wrong) = deleted {
            result.error_code = wrong.error.0;
            result.error_message = Some(wrong.why);
        }
        responses.push(result);
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

async fn delete(
    call: &Call,
    asked: &DeleteTopicState,
    result: &mut DeletableTopicResult,
) -> Result<(), Wrong> {
    let topics = call.door.topics();
    let name = match (&asked.name, asked.topic_id) {
        (Some(name), Uuid::ZERO) => name.clone(),
        (None, id) if id != Uuid::ZERO => {
            let log = topic_ids::log(id).and_then(|id| topics.log_by_id(id).ok());
            let unknown = || Wrong::new(KafkaError::UNKNOWN_TOPIC_ID, "no topic has this id (any more)");
            log.ok_or_else(unknown)?.name().to_string()
        }
        _ => return Err(Wrong::new(KafkaError::INVALID_REQUEST, "name a topic either by name or by id")),
    };
    topics.delete(&name, DeleteIf::default()).await.map_err(Wrong::from)?;
    result.name = Some(name);
    Ok(())
}
