use kafka_wire::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

use super::Call;
use crate::kafka::broker::LEADER_EPOCH;
use crate::kafka::error::KafkaError;

pub async fn answer(call: &Call, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let log = call.door.topics().log(&topic.topic).map_err(|refusal| KafkaError::from(&refusal));
        let partition = |asked: OffsetForLeaderPartition| {
            let end = log.as_ref().map_err(|error| *error).and_then(|log| {
                let partition =
                    u32::try_from(asked.partition).map_err(|_| KafkaError::UNKNOWN_TOPIC_OR_PARTITION)?;
                let bounds = log.bounds(partition).map_err(|refusal| KafkaError::from(&refusal))?;
                match asked.current_leader_epoch {
                    -1 | LEADER_EPOCH => Ok(bounds.high_watermark),
                    ..LEADER_EPOCH => Err(KafkaError::FENCED_LEADER_EPOCH),
                    _ => Err(KafkaError::UNKNOWN_LEADER_EPOCH),
                }
            });
            let (error, leader_epoch, end_offset) = match end {
                Ok(end) if asked.leader_epoch == LEADER_EPOCH => (KafkaError::NONE, LEADER_EPOCH, end),
                // An epoch that never was has no end.
                Ok(_) => (KafkaError::NONE, -1, -1),
                Err(error) => (error, -1, -1),
            };
            EpochEndOffset { error_code: error.0, partition: asked.partition, leader_epoch, end_offset }
        };
        let partitions = topic.partitions.into_iter().map(partition).collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() }
}
