use kafka_wire::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};

use super::Call;
use crate::kafka::error::KafkaError;

/// Of the preferred leader, and of any.
const ELECTIONS: std::ops::RangeInclusive<i8> = 0..=1;

/// The one broker leads everything: no election is ever needed.
pub async fn answer(call: &Call, request: ElectLeadersRequest) -> ElectLeadersResponse {
    // Asked about every partition, Kafka tells only of those for which something happened.
    let asked = request.topic_partitions.unwrap_or_default();
    let is_known = ELECTIONS.contains(&request.election_type);
    let results = asked.into_iter().map(|topic| {
        let partitions = call.door.topics().log(&topic.topic).map_or(0, |log| log.partitions());
        let result = |partition: i32| {
            let known = u32::try_from(partition).is_ok_and(|partition| partition < partitions);
            let name = &topic.topic;
            let (error, why) = match known {
                _ if !is_known => {
                    let why =
                        format!("there is no election of type {}; 0 and 1 are known", request.election_type);
                    (KafkaError::INVALID_REQUEST, why)
                }
                true => (
                    KafkaError::ELECTION_NOT_NEEDED,
                    format!("the one broker leads {name}-{partition} already"),
                ),
                false => (
                    KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
                    format!("there is no partition {name}-{partition}"),
                ),
            };
            PartitionResult { partition_id: partition, error_code: error.0, error_message: Some(why) }
        };
        ReplicaElectionResult {
            partition_result: topic.partitions.into_iter().map(result).collect(),
            topic: topic.topic,
        }
    });
    ElectLeadersResponse {
        error_code: if is_known { KafkaError::NONE.0 } else { KafkaError::INVALID_REQUEST.0 },
        replica_election_results: results.collect(),
        ..ElectLeadersResponse::default()
    }
}
