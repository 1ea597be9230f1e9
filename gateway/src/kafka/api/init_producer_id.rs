use std::time::Duration;

use kafka_wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use super::{Call, transactions};
use crate::kafka::error::KafkaError;
use crate::topics::Producer;

pub async fn answer(call: &Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match begin(call, request).await {
        Ok(producer) => InitProducerIdResponse {
            producer_id: producer.id.0,
            producer_epoch: producer.epoch.0,
            ..InitProducerIdResponse::default()
        },
        Err(error) => InitProducerIdResponse {
            error_code: error.0,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        },
    }
}

async fn begin(call: &Call, request: InitProducerIdRequest) -> Result<Producer, KafkaError> {
    let id = request.transactional_id.map(|id| transactions::id(&id)).transpose()?;
    let claimed = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (id @ 0.., epoch @ 0..) => Some(transactions::producer(id, epoch)),
        _ => return Err(KafkaError::INVALID_REQUEST),
    };
    let timeout = Duration::from_millis(u64::try_from(request.transaction_timeout_ms).unwrap_or(0));
    // Without a transactional id the timeout means nothing.
    let producer = call.door.topics().init_producer(id, timeout, claimed).await;
    producer.map_err(|refusal| transactions::coordinator(&refusal))
}
