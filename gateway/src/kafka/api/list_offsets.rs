use std::collections::HashSet;

use kafka_wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};

use super::{Call, fetch, repeated};
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

/// Since when each of the moments that have no time is understood.
const MOMENTS: [(i64, i16); 6] = [
    (LATEST, 0),
    (EARLIEST, 0),
    (NEWEST_TIMESTAMP, 7),
    (EARLIEST_LOCAL, 8),
    (LATEST_TIERED, 9),
    (EARLIEST_PENDING_UPLOAD, 11),
];

pub async fn answer(call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let twice = asked_twice(&request.topics);
    let isolation = fetch::isolation(request.isolation_level);
    let topics = request.topics.iter().map(|topic| {
        let log = call.door.topics().log(&topic.name).map_err(|refusal| KafkaError::from(&refusal));
        let partition = |asked: &ListOffsetsPartition| {
            let found = match &log {
                _ if twice.contains(&(topic.name.as_str(), asked.partition_index)) => {
                    Err(KafkaError::INVALID_REQUEST)
                }
                Ok(log) => find(log, asked, isolation, call.version),
                Err(error) => Err(*error),
            };
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
        let partitions = topic.partitions.iter().map(partition).collect();
        ListOffsetsTopicResponse { name: topic.name.clone(), partitions }
    });
    ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() }
}

/// The partitions that are asked for more than once.
fn asked_twice(topics: &[ListOffsetsTopic]) -> HashSet<(&str, i32)> {
    let places = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.name.as_str(), partition.partition_index))
    });
    repeated(places)
}

/// Offset and timestamp, either of them -1 where there is none.
fn find(
    log: &LogTopic,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
    version: i16,
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
    if asked.timestamp < 0 && !MOMENTS.iter().any(|(at, since)| *at == asked.timestamp && *since <= version) {
        return Err(KafkaError::UNSUPPORTED_VERSION);
    }
    let end = log.readable_end(partition, isolation).map_err(told)?;
    // What is not committed yet is not there for who asks for committed records.
    let visible = |found: Option<(i64, i64)>| found.filter(|(offset, _)| *offset < end).unwrap_or((-1, -1));
    match asked.timestamp {
        LATEST => Ok((end, -1)),
        EARLIEST | EARLIEST_LOCAL => Ok((bounds.log_start, -1)),
        NEWEST_TIMESTAMP => Ok(visible(log.newest(partition).map_err(told)?)),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok((-1, -1)),
        ..0 => Err(KafkaError::UNSUPPORTED_VERSION),
        time => Ok(visible(log.find_time(partition, time).map_err(told)?)),
    }
}
