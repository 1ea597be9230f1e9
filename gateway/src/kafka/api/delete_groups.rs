use kafka_wire::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use super::{Call, groups};
use crate::kafka::error::KafkaError;

pub async fn answer(call: &Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let error = match groups::name(&group_id) {
            Ok(group) => match call.door.topics().group_delete(&group).await {
                Ok(Ok(())) => KafkaError::NONE,
                Ok(Err(error)) => KafkaError::from(error.code()),
                Err(refusal) => groups::coordinator(&refusal),
            },
            Err(error) => error,
        };
        results.push(DeletableGroupResult { group_id, error_code: error.0 });
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}
