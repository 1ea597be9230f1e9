use kafka_wire::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use super::Call;
use crate::kafka::error::KafkaError;
use crate::topics::StartAt;

/// Stands for the end of what can be read.
const HIGH_WATERMARK: i64 = -1;

pub async fn answer(call: &Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let deleted = delete(call, &topic.name, partition.partition_index, partition.offset).await;
            let error = deleted.as_ref().err().copied().unwrap_or(KafkaError::NONE);
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: deleted.unwrap_or(-1),
                error_code: error.0,
            });
        }
        topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}

/// Deletes what lies before an offset and answers where the partition begins now.
async fn delete(call: &Call, topic: &str, partition: i32, before: i64) -> Result<i64, KafkaError> {
    let partition = u32::try_from(partition).map_err(|_| KafkaError::UNKNOWN_TOPIC_OR_PARTITION)?;
    let before = match before {
        HIGH_WATERMARK => StartAt::Latest,
        0.. => StartAt::Offset(before),
        _ => return Err(KafkaError::OFFSET_OUT_OF_RANGE),
    };
    // As in Kafka: what a log keeps by key is not deleted by offset.
    if let Ok(log) = call.door.topics().log(topic)
        && !log
            .settings()
            .iter()
            .any(|setting| setting.name == "cleanup.policy" && setting.value.contains("delete"))
    {
        return Err(KafkaError::POLICY_VIOLATION);
    }
    let deleted = call.door.topics().delete_records(topic, partition, before).await;
    deleted.map_err(|refusal| KafkaError::from(&refusal))
}
