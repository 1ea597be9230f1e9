//! What the APIs about transactions share.

use super::groups;
use crate::kafka::error::KafkaError;
use crate::refusal::Refusal;
use crate::topics::{Producer, ProducerEpoch, ProducerId, TransactionalId};

/// A transactional id as a request gives it.
pub fn id(id: &str) -> Result<TransactionalId, KafkaError> {
    TransactionalId::new(id).map_err(|_| KafkaError::INVALID_REQUEST)
}

/// A producer as a request gives it.
pub fn producer(id: i64, epoch: i16) -> Producer {
    Producer { id: ProducerId(id), epoch: ProducerEpoch(epoch) }
}

/// Why the coordinator refused.
pub fn coordinator(refusal: &Refusal) -> KafkaError {
    groups::coordinator(refusal)
}

/// The same for clients that do not know `PRODUCER_FENCED`: an epoch that is over is what it was called before.
pub fn fenced(error: KafkaError, since: i16, version: i16) -> KafkaError {
    match error {
        KafkaError::PRODUCER_FENCED if version < since => KafkaError::INVALID_PRODUCER_EPOCH,
        error => error,
    }
}
