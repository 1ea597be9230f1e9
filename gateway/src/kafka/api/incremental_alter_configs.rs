use std::collections::BTreeMap;

use kafka_wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use super::{Call, configs};
use crate::kafka::error::{KafkaError, Wrong};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;
/// Settings whose values are lists.
const LISTS: [&str; 3] =
    ["cleanup.policy", "follower.replication.throttled.replicas", "leader.replication.throttled.replicas"];

pub async fn answer(call: &Call, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let wrong = alter(call, &resource, request.validate_only).await.err();
        responses.push(AlterConfigsResourceResponse {
            error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: wrong.map(|wrong| wrong.why),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

async fn alter(call: &Call, resource: &AlterConfigsResource, only_check: bool) -> Result<(), Wrong> {
    let name = configs::topic(resource.resource_type, &resource.resource_name)?;
    let settings = call.door.topics().log(name).map_err(Wrong::from)?.settings();
    let mut changes = BTreeMap::new();
    for config in &resource.configs {
        let wrong = |error, why: &str| Wrong::new(error, format!("{}: {why}", config.name));
        let value = config.value.clone();
        let now = settings.iter().find(|setting| setting.name == config.name);
        let change = match (config.config_operation, value) {
            (DELETE, _) => None,
            (_, None) => return Err(wrong(KafkaError::INVALID_REQUEST, "a value is missing")),
            (SET, value) => value,
            (APPEND | SUBTRACT, _) if !LISTS.contains(&config.name.as_str()) => {
                return Err(wrong(KafkaError::INVALID_CONFIG, "its value is no list"));
            }
            (operation @ (APPEND | SUBTRACT), Some(items)) => {
                let list = now.map_or("", |setting| setting.value.as_str());
                Some(configs::edit_list(list, &items, operation == APPEND))
            }
            _ => return Err(wrong(KafkaError::INVALID_REQUEST, "the operation is unknown")),
        };
        if changes.insert(config.name.clone(), change).is_some() {
            return Err(wrong(KafkaError::INVALID_REQUEST, "it is changed twice"));
        }
    }
    configs::change(call, name, changes, only_check).await
}
