use kafka_wire::messages::end_txn::{EndTxnRequest, EndTxnResponse};

use super::{Call, transactions};
use crate::kafka::error::KafkaError;
use crate::topics::{Producer, TransactionOutcome};

/// From this version on every transaction has an epoch of its own (KIP-890).
const BUMPS_FROM: i16 = 5;

pub async fn answer(call: &Call, request: EndTxnRequest) -> EndTxnResponse {
    match end(call, request).await {
        Ok(producer) => EndTxnResponse {
            producer_id: producer.id.0,
            producer_epoch: producer.epoch.0,
            ..EndTxnResponse::default()
        },
        Err(error) => {
            let error = transactions::fenced(error, 2, call.version);
            EndTxnResponse { error_code: error.0, ..EndTxnResponse::default() }
        }
    }
}

async fn end(call: &Call, request: EndTxnRequest) -> Result<Producer, KafkaError> {
    let id = transactions::id(&request.transactional_id)?;
    let producer = transactions::producer(request.producer_id, request.producer_epoch);
    let outcome = if request.committed { TransactionOutcome::Commit } else { TransactionOutcome::Abort };
    let bump = call.version >= BUMPS_FROM;
    let ended = call.door.topics().end_producer_transaction(id, producer, outcome, bump).await;
    ended.map_err(|refusal| transactions::coordinator(&refusal))
}
