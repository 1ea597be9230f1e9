use kafka_wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_wire::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use super::Call;
use crate::kafka::error::{KafkaError, Wrong};

/// A partition is on the one broker and stays there.
pub async fn alter(
    call: &Call,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let responses = request.topics.into_iter().map(|topic| {
        let partitions = call.door.topics().log(&topic.name).map_or(0, |log| log.partitions());
        let moved = |asked: ReassignablePartition| {
            let known = u32::try_from(asked.partition_index).is_ok_and(|number| number < partitions);
            let place = format!("{}-{}", topic.name, asked.partition_index);
            let broker = call.door.node_id();
            let wrong = match asked.replicas.as_deref() {
                _ if !known => {
                    let why = format!("there is no partition {place}");
                    Some(Wrong::new(KafkaError::UNKNOWN_TOPIC_OR_PARTITION, why))
                }
                None => {
                    let why = format!("{place} is not being moved");
                    Some(Wrong::new(KafkaError::NO_REASSIGNMENT_IN_PROGRESS, why))
                }
                Some(replicas) if replicas == [broker] => None,
                Some(replicas) => {
                    let why = format!("{place} cannot go to {replicas:?}: {broker} is the only broker");
                    Some(Wrong::new(KafkaError::INVALID_REPLICA_ASSIGNMENT, why))
                }
            };
            ReassignablePartitionResponse {
                partition_index: asked.partition_index,
                error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
                error_message: wrong.map(|wrong| wrong.why),
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
