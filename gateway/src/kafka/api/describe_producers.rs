use kafka_wire::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

use super::{Call, groups};
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::ActiveProducer;

pub async fn answer(call: &Call, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for partition_index in topic.partition_indexes {
            let mut told = PartitionResponse { partition_index, ..PartitionResponse::default() };
            match producers(call, &topic.name, partition_index).await {
                Ok(producers) => told.active_producers = producers.iter().map(state).collect(),
                Err(wrong) => (told.error_code, told.error_message) = (wrong.error.0, Some(wrong.why)),
            }
            partitions.push(told);
        }
        topics.push(TopicResponse { name: topic.name, partitions });
    }
    DescribeProducersResponse { topics, ..DescribeProducersResponse::default() }
}

async fn producers(call: &Call, topic: &str, partition: i32) -> Result<Vec<ActiveProducer>, Wrong> {
    let unknown = |error: KafkaError| Wrong::new(error, "there is no such partition");
    let partition = groups::partition(topic, partition).map_err(unknown)?.partition;
    let log = call.door.topics().log(topic).map_err(Wrong::from)?;
    call.door.topics().active_producers(&log, partition).await.map_err(Wrong::from)
}

fn state(active: &ActiveProducer) -> ProducerState {
    ProducerState {
        producer_id: active.producer.id.0,
        producer_epoch: i32::from(active.producer.epoch.0),
        last_sequence: active.last_sequence,
        last_timestamp: active.last_timestamp.0,
        coordinator_epoch: 0,
        current_txn_start_offset: active.transaction_start.map_or(-1, |start| start.0),
    }
}
