use kafka_wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use super::{Call, configs, repeated};
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::{ConfigChange, Others};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub async fn answer(call: &Call, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
    let named = request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone()));
    let twice = repeated(named);
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let wrong = match twice.contains(&(resource.resource_type, resource.resource_name.clone())) {
            true => Some(Wrong::named_twice("resource")),
            false => alter(call, &resource, request.validate_only).await.err(),
        };
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
    let thing = configs::Configurable::of(resource.resource_type, &resource.resource_name)?;
    let mut changes: Vec<(String, ConfigChange)> = Vec::with_capacity(resource.configs.len());
    for config in &resource.configs {
        let wrong = |error, why: &str| Wrong::new(error, format!("{}: {why}", config.name));
        let change = match (config.config_operation, config.value.clone()) {
            (DELETE, _) => ConfigChange::Unset,
            (SET | APPEND | SUBTRACT, None) => {
                return Err(wrong(KafkaError::INVALID_REQUEST, "a value is missing"));
            }
            (SET, Some(value)) => ConfigChange::Set(value),
            (APPEND, Some(items)) => ConfigChange::Append(items),
            (SUBTRACT, Some(items)) => ConfigChange::Subtract(items),
            _ => return Err(wrong(KafkaError::INVALID_REQUEST, "the operation is unknown")),
        };
        if changes.iter().any(|(name, _)| *name == config.name) {
            return Err(wrong(KafkaError::INVALID_REQUEST, "it is changed twice"));
        }
        changes.push((config.name.clone(), change));
    }
    thing.change(call, changes, Others::Stay, only_check).await
}
