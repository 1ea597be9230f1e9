use std::collections::BTreeMap;

use kafka_wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};

use super::Call;
use crate::kafka::error::KafkaError;

/// A replica that is to lie where everything lies is there already.
pub async fn answer(call: &Call, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let mut results: BTreeMap<String, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for directory in request.dirs {
        for topic in directory.topics {
            let partitions = call.door.topics().log(&topic.name).map_or(0, |log| log.partitions());
            let result = |partition_index: i32| {
                let known = u32::try_from(partition_index).is_ok_and(|number| number < partitions);
                let error = match (directory.path == call.door.data_dir(), known) {
                    (false, _) => KafkaError::LOG_DIR_NOT_FOUND,
                    (true, false) => KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
                    (true, true) => KafkaError::NONE,
                };
                AlterReplicaLogDirPartitionResult { partition_index, error_code: error.0 }
            };
            let moved = topic.partitions.into_iter().map(result);
            results.entry(topic.name).or_default().extend(moved);
        }
    }
    let result = |(topic_name, partitions)| AlterReplicaLogDirTopicResult { topic_name, partitions };
    AlterReplicaLogDirsResponse { results: results.into_iter().map(result).collect(), ..Default::default() }
}
