use kafka_wire::messages::share_acknowledge::{
    PartitionData, ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareAcknowledgeTopicResponse,
};

use super::share_settling::{self, Outcomes};
use super::{Call, share_fetch};
use crate::kafka::error::{KafkaError, Wrong};

pub async fn answer(call: &Call, request: ShareAcknowledgeRequest) -> ShareAcknowledgeResponse {
    match acknowledge(call, request).await {
        Ok(response) => response,
        Err(wrong) => ShareAcknowledgeResponse {
            error_code: wrong.error.0,
            error_message: Some(wrong.why),
            ..ShareAcknowledgeResponse::default()
        },
    }
}

async fn acknowledge(
    call: &Call,
    request: ShareAcknowledgeRequest,
) -> Result<ShareAcknowledgeResponse, Wrong> {
    let key = share_fetch::key(request.group_id.as_deref(), request.member_id.as_deref())?;
    let is_final = call.door.share_sessions().lock().acknowledge(&key, request.share_session_epoch);
    let is_final = is_final.map_err(share_fetch::session_error)?;
    let said = request.topics.into_iter().flat_map(|topic| {
        topic.partitions.into_iter().map(move |partition| {
            let batches = partition.acknowledgement_batches.into_iter();
            let said = batches.map(|batch| (batch.first_offset, batch.last_offset, batch.acknowledge_types));
            ((topic.topic_id, partition.partition_index), said.collect())
        })
    });
    let outcomes = share_settling::settle(call, &key, said.collect(), request.is_renew_ack).await;
    if is_final {
        share_fetch::end(call, &key).await;
    }
    let acquisition_lock_timeout_ms = share_fetch::lock_ms(call, &key).await?;
    Ok(ShareAcknowledgeResponse {
        acquisition_lock_timeout_ms,
        responses: told(outcomes),
        ..ShareAcknowledgeResponse::default()
    })
}

fn told(outcomes: Outcomes) -> Vec<ShareAcknowledgeTopicResponse> {
    let mut responses: Vec<ShareAcknowledgeTopicResponse> = Vec::new();
    for ((topic_id, partition_index), outcome) in outcomes {
        let wrong = outcome.err();
        let part = PartitionData {
            partition_index,
            error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: wrong.map(|wrong| wrong.why),
            ..PartitionData::default()
        };
        match responses.last_mut().filter(|last| last.topic_id == topic_id) {
            Some(last) => last.partitions.push(part),
            None => responses.push(ShareAcknowledgeTopicResponse { topic_id, partitions: vec![part] }),
        }
    }
    responses
}
