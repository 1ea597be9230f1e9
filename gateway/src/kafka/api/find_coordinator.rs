use kafka_wire::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

use super::Call;
use crate::kafka::error::{KafkaError, Wrong};

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
    let kind = request.key_type;
    let unknown = (!KEY_TYPES.contains(&kind)).then(|| {
        let why = format!(
            "there are no coordinators of type {kind}: 0 is of groups, 1 of transactions, 2 of share groups"
        );
        Wrong::new(KafkaError::INVALID_REQUEST, why)
    });
    let port = i32::from(endpoint.port);
    if call.version < 4 {
        return FindCoordinatorResponse {
            error_code: unknown.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: unknown.map(|wrong| wrong.why),
            node_id: call.door.node_id(),
            host: endpoint.host.clone(),
            port,
            ..FindCoordinatorResponse::default()
        };
    }
    let coordinator = |key: String| {
        let wrong = match kind {
            SHARE if !is_share_key(&key) => {
                let why = format!("{key:?} is not group:topic id:partition");
                Some(Wrong::new(KafkaError::INVALID_REQUEST, why))
            }
            _ => unknown.clone(),
        };
        Coordinator {
            error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: wrong.map(|wrong| wrong.why),
            key,
            node_id: call.door.node_id(),
            host: endpoint.host.clone(),
            port,
        }
    };
    let coordinators = request.coordinator_keys.into_iter().map(coordinator).collect();
    FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
}
