use kafka_wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use super::{Call, fetch};
use crate::kafka::broker::LEADER_EPOCH;
use crate::kafka::error::KafkaError;
use crate::topics::{Isolation, LogTopic};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const NEWEST_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
/// These ask about storage elsewhere, of which there is none.
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub async fn answer(call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = fetch::isolation(request.isolation_level);
    let topics = request.topics.into_iter().map(|topic| {
        let log = call.door.topics().log(&topic.name).map_err(|refusal| KafkaError::from(&refusal));
        let partition = |asked: ListOffsetsPartition| {
            let found = log.as_ref().map_err(|error| *error).and_then(|log| find(log, &asked, isolation));
            let (error, offset, timestamp) = match found {
                Ok((offset, timestamp)) => (KafkaError::NONE, offset, timestamp),
                Err(error) => (error, -1, -1),
            };
            ListOffsetsPartitionResponse {
                partition_index: asked.partition_index,
                error_code: error.0,
                timestamp,
                offset,
                leader_epoch: if offset >= 0 { LEADER_EPOCH } else { -1 },
            }
        };
        let partitions = topic.partitions.into_iter().map(partition).collect();
        ListOffsetsTopicResponse { name: topic.name, partitions }
    });
    ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() }
}

/// Offset and timestamp, either of them -1 where there is none.
fn find(
    log: &LogTopic,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<(i64, i64), KafkaError> {
    let partition =
        u32::try_from(asked.partition_index).map_err(|_| KafkaError::UNKNOWN_TOPIC_OR_PARTITION)?;
    let told = |refusal: crate::refusal::Refusal| KafkaError::from(&refusal);
    let bounds = log.bounds(partition).map_err(told)?;
    match asked.current_leader_epoch {
        -1 | LEADER_EPOCH => {}
        ..LEADER_EPOCH => return Err(KafkaError::FENCED_LEADER_EPOCH),
        _ => return Err(KafkaError::UNKNOWN_LEADER_EPOCH),
    }
    let end = log.readable_end(partition, isolation).map_err(told)?;
    // What is not committed yet is not there for who asks for committed records.
    let visible = |found: Option<(i64, i64)>| found.filter(|(offset, _)| *offset < end).unwrap_or((-1, -1));
    match asked.timestamp {
        LATEST => Ok((end, -1)),
        EARLIEST | EARLIEST_LOCAL => Ok((bounds.log_start, -1)),
        NEWEST_TIMESTAMP => Ok(visible(log.newest(partition).map_err(told)?)),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok((-1, -1)),
        ..0 => Err(KafkaError::INVALID_REQUEST),
        time => Ok(visible(log.find_time(partition, time).map_err(told)?)),
    }
}
