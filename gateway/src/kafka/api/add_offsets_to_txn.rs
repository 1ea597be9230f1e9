use kafka_wire::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::{Call, groups, transactions};
use crate::kafka::error::KafkaError;

pub async fn answer(call: &Call, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let error = add(call, request).await.err().unwrap_or(KafkaError::NONE);
    let error = transactions::fenced(error, 2, call.version);
    AddOffsetsToTxnResponse { error_code: error.0, ..AddOffsetsToTxnResponse::default() }
}

async fn add(call: &Call, request: AddOffsetsToTxnRequest) -> Result<(), KafkaError> {
    let id = transactions::id(&request.transactional_id)?;
    let group = groups::name(&request.group_id)?;
    let producer = transactions::producer(request.producer_id, request.producer_epoch);
    let added = call.door.topics().add_group_to_transaction(id, producer, group).await;
    added.map_err(|refusal| transactions::coordinator(&refusal))
}
