use kafka_wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::{Call, groups};
use crate::kafka::error::KafkaError;

pub async fn answer(call: &Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let group = match groups::name(&request.group_id) {
        Ok(group) => group,
        Err(error) => return OffsetDeleteResponse { error_code: error.0, ..OffsetDeleteResponse::default() },
    };
    let mut partitions = Vec::new();
    let topics = request.topics.into_iter().map(|topic| {
        let places = topic.partitions.into_iter().map(|one| {
            let place = groups::partition(&topic.name, one.partition_index).map(|partition| {
                partitions.push(partition);
                partitions.len() - 1
            });
            (one.partition_index, place)
        });
        (topic.name.clone(), places.collect::<Vec<_>>())
    });
    let topics: Vec<_> = topics.collect();
    let deleted = match call.door.topics().group_delete_offsets(&group, partitions).await {
        Ok(Ok(deleted)) => deleted,
        Ok(Err(error)) => {
            let error = KafkaError::from(error.code());
            return OffsetDeleteResponse { error_code: error.0, ..OffsetDeleteResponse::default() };
        }
        Err(refusal) => {
            let error = groups::coordinator(&refusal);
            return OffsetDeleteResponse { error_code: error.0, ..OffsetDeleteResponse::default() };
        }
    };
    let told = topics.into_iter().map(|(name, places)| {
        let partitions = places.into_iter().map(|(partition_index, place)| {
            let error = match place.map(|at| deleted.get(at)) {
                Err(error) => error,
                Ok(Some(Ok(_))) => KafkaError::NONE,
                Ok(Some(Err(error))) => KafkaError::from(error.code()),
                Ok(None) => KafkaError::UNKNOWN_SERVER_ERROR,
            };
            OffsetDeleteResponsePartition { partition_index, error_code: error.0 }
        });
        OffsetDeleteResponseTopic { name, partitions: partitions.collect() }
    });
    OffsetDeleteResponse { topics: told.collect(), ..OffsetDeleteResponse::default() }
}
