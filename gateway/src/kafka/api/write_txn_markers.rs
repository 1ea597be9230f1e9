use kafka_wire::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use super::{Call, groups, transactions};
use crate::kafka::error::KafkaError;
use crate::topics::{Act, TransactionDescription};

/// An administrator ends a transaction that nobody ends, seen from one partition of it (KIP-664). Here no part of a
/// transaction is left open alone, so all of it is aborted.
pub async fn answer(call: &Call, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
    let mut open = Open::default();
    let mut markers = Vec::with_capacity(request.markers.len());
    for marker in request.markers {
        let mut topics = Vec::with_capacity(marker.topics.len());
        for topic in &marker.topics {
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for &partition_index in &topic.partition_indexes {
                let outcome = open.end(call, &marker, &topic.name, partition_index).await;
                let error_code = outcome.err().unwrap_or(KafkaError::NONE).0;
                partitions.push(WritableTxnMarkerPartitionResult { partition_index, error_code });
            }
            topics.push(WritableTxnMarkerTopicResult { name: topic.name.clone(), partitions });
        }
        markers.push(WritableTxnMarkerResult { producer_id: marker.producer_id, topics });
    }
    WriteTxnMarkersResponse { markers }
}

/// The open transactions, asked for when the first marker needs them.
#[derive(Default)]
struct Open(Option<Vec<TransactionDescription>>);

impl Open {
    async fn end(
        &mut self,
        call: &Call,
        marker: &WritableTxnMarker,
        topic: &str,
        partition: i32,
    ) -> Result<(), KafkaError> {
        let topics = call.door.topics();
        topics.allow_on_server(Act::ChangeServer).map_err(|refusal| KafkaError::from(&refusal))?;
        // What is to be committed is the coordinator's to know.
        if marker.transaction_result {
            return Err(KafkaError::INVALID_TXN_STATE);
        }
        let wanted = groups::partition(topic, partition)?;
        let log = topics.log(topic).map_err(|refusal| KafkaError::from(&refusal))?;
        if wanted.partition >= log.partitions() {
            return Err(KafkaError::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let all = match &mut self.0 {
            Some(all) => all,
            none => none.insert(
                topics.transactional_ids().await.map_err(|refusal| transactions::coordinator(&refusal))?,
            ),
        };
        let is_meant = |one: &TransactionDescription| {
            one.producer.id.0 == marker.producer_id
                && one.started.is_some()
                && one.partitions.contains(&wanted)
        };
        // One that has ended by now is not open any more, which is what was asked for.
        let Some(at) = all.iter().position(is_meant) else { return Ok(()) };
        if all.get(at).is_none_or(|one| one.producer.epoch.0 != marker.producer_epoch) {
            return Err(KafkaError::INVALID_PRODUCER_EPOCH);
        }
        let meant = all.swap_remove(at);
        let ended = topics.abort_left_open(meant.id, meant.producer).await;
        ended.map_err(|refusal| transactions::coordinator(&refusal))
    }
}
