use kafka_wire::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

use super::Call;
use crate::kafka::error::KafkaError;

/// Of groups, of transactions, and of share groups' state.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=2;
const SHARE: i8 = 2;

/// Whether that is `group:topic id:partition`, the key of a share group's state.
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let (partition, topic, group) = (parts.next(), parts.next(), parts.next());
    partition.is_some_and(|partition| partition.parse::<u32>().is_ok())
        && topic.is_some_and(|topic| !topic.is_empty())
        && group.is_some_and(|group| !group.is_empty())
}

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
        error_code: match request.key_type {
            SHARE if !is_share_key(&key) => KafkaError::INVALID_REQUEST.0,
            _ => error.0,
        },
        key,
        node_id: call.door.node_id(),
        host: endpoint.host.clone(),
        port,
        error_message: None,
    };
    let coordinators = request.coordinator_keys.into_iter().map(coordinator).collect();
    FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
}
