use kafka_wire::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

use super::Call;
use crate::kafka::error::KafkaError;

/// Of groups, of transactions, and of share groups' state.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=2;

pub async fn answer(call: &Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let endpoint = &call.client.endpoint;
    let error =
        if KEY_TYPES.contains(&request.key_type) { KafkaError::NONE } else { KafkaError::INVALID_REQUEST };
    let port = i32::from(endpoint.port);
    if call.version < 4 {
        return FindCoordinatorResponse {
            error_code: error.0,
            node_id: call.door.node_id(),
            host: endpoint.host.clone(),
            port,
            ..FindCoordinatorResponse::default()
        };
    }
    let coordinator = |key: String| Coordinator {
        key,
        node_id: call.door.node_id(),
        host: endpoint.host.clone(),
        port,
        error_code: error.0,
        error_message: None,
    };
    let coordinators = request.coordinator_keys.into_iter().map(coordinator).collect();
    FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
}
