use kafka_wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_wire::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use super::Call;
use crate::kafka::error::KafkaError;

/// A partition is on the one broker and stays there.
pub async fn alter(
    call: &Call,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let responses = request.topics.into_iter().map(|topic| {
        let partitions = call.door.topics().log(&topic.name).map_or(0, |log| log.partitions());
        let moved = |asked: ReassignablePartition| {
            let known = u32::try_from(asked.partition_index).is_ok_and(|number| number < partitions);
            let (error, why) = match asked.replicas.as_deref() {
                _ if !known => (KafkaError::UNKNOWN_TOPIC_OR_PARTITION, Some("there is no such partition")),
                None => (KafkaError::NO_REASSIGNMENT_IN_PROGRESS, Some("nothing is being moved")),
                Some(replicas) if replicas == [call.door.node_id()] => (KafkaError::NONE, None),
                Some(_) => (
                    KafkaError::INVALID_REPLICA_ASSIGNMENT,
                    Some("a partition can only be on the one broker"),
                ),
            };
            ReassignablePartitionResponse {
                partition_index: asked.partition_index,
                error_code: error.0,
                error_message: why.map(str::to_owned),
            }
        };
        ReassignableTopicResponse {
            partitions: topic.partitions.into_iter().map(moved).collect(),
            name: topic.name,
        }
    });
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: responses.collect(),
        ..AlterPartitionReassignmentsResponse::default()
    }
}

pub async fn list(_: &Call, _: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
