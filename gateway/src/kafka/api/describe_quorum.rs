use kafka_wire::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, ReplicaState, ResponsePartitionData,
    ResponseTopicData, TopicData,
};

use super::Call;
use crate::kafka::broker::LEADER_EPOCH;
use crate::kafka::error::KafkaError;

/// The log of what a cluster of Kafka agrees on. Here there is nobody to agree with, so it is empty.
const METADATA: &str = "__cluster_metadata";

pub async fn answer(call: &Call, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let endpoint = &call.client.endpoint;
    let listener = Listener { name: "PLAINTEXT".into(), host: endpoint.host.clone(), port: endpoint.port };
    DescribeQuorumResponse {
        topics: request.topics.into_iter().map(|topic| told(call, topic)).collect(),
        nodes: vec![Node { node_id: call.door.node_id(), listeners: vec![listener] }],
        ..DescribeQuorumResponse::default()
    }
}

fn told(call: &Call, topic: TopicData) -> ResponseTopicData {
    let known = topic.topic_name == METADATA;
    let voter = ReplicaState {
        replica_id: call.door.node_id(),
        last_fetch_timestamp: call.door.topics().now().0,
        last_caught_up_timestamp: call.door.topics().now().0,
        ..ReplicaState::default()
    };
    let partitions = topic.partitions.iter().map(|partition| match known && partition.partition_index == 0 {
        true => ResponsePartitionData {
            leader_id: call.door.node_id(),
            leader_epoch: LEADER_EPOCH,
            current_voters: vec![voter.clone()],
            ..ResponsePartitionData::default()
        },
        false => ResponsePartitionData {
            partition_index: partition.partition_index,
            error_code: KafkaError::UNKNOWN_TOPIC_OR_PARTITION.0,
            error_message: Some(format!("only {METADATA} has a quorum")),
            ..ResponsePartitionData::default()
        },
    });
    ResponseTopicData { partitions: partitions.collect(), topic_name: topic.topic_name }
}
