//! What the APIs about settings share.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::Call;
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::{LogSetting, TopicPatch};

/// Kinds of things that have settings.
pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
pub const BROKER_LOGGER: i8 = 8;
pub const CLIENT_METRICS: i8 = 16;
pub const GROUP: i8 = 32;

/// Where a value comes from.
pub const DYNAMIC_TOPIC_CONFIG: i8 = 1;
pub const STATIC_BROKER_CONFIG: i8 = 4;
pub const DEFAULT_CONFIG: i8 = 5;

/// Where a log's setting comes from.
pub fn source(setting: &LogSetting) -> i8 {
    if setting.explicit { DYNAMIC_TOPIC_CONFIG } else { DEFAULT_CONFIG }
}

/// Replaces the settings of each topic by those given.
pub async fn alter(call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let wrong = replace(call, &resource, request.validate_only).await.err();
        responses.push(AlterConfigsResourceResponse {
            error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: wrong.map(|wrong| wrong.why),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

async fn replace(call: &Call, resource: &AlterConfigsResource, only_check: bool) -> Result<(), Wrong> {
    let log = call
        .door
        .topics()
        .log(topic(resource.resource_type, &resource.resource_name)?)
        .map_err(Wrong::from)?;
    let given = resource.configs.iter().map(|config| (config.name.clone(), config.value.clone()));
    let mut changes: BTreeMap<String, Option<String>> = given.collect();
    for setting in log.settings().into_iter().filter(|setting| setting.explicit) {
        changes.entry(setting.name.to_owned()).or_insert(None);
    }
    change(call, &resource.resource_name, changes, only_check).await
}

/// The topic whose settings are to change; of nothing else can they.
pub fn topic(kind: i8, name: &str) -> Result<&str, Wrong> {
    let refuse = |error, why: &str| Err(Wrong::new(error, why));
    match kind {
        TOPIC => Ok(name),
        BROKER | BROKER_LOGGER => refuse(
            KafkaError::INVALID_REQUEST,
            "the broker's settings come from its configuration file, flags and environment; see docs/configuration.md",
        ),
        CLIENT_METRICS => refuse(KafkaError::INVALID_REQUEST, "clients' metrics are not collected here"),
        GROUP => refuse(KafkaError::INVALID_REQUEST, "groups have no settings of their own here"),
        _ => refuse(KafkaError::INVALID_REQUEST, "this kind of resource has no settings"),
    }
}

/// Sets and takes back settings of a log, or only says whether that would do.
pub async fn change(
    call: &Call,
    name: &str,
    changes: BTreeMap<String, Option<String>>,
    only_check: bool,
) -> Result<(), Wrong> {
    let topics = call.door.topics();
    let log = topics.log(name).map_err(Wrong::from)?;
    log.check_changes(&changes).map_err(Wrong::from)?;
    if only_check || changes.is_empty() {
        return Ok(());
    }
    topics
        .update(name, TopicPatch::Log { partitions: None, config: changes })
        .await
        .map(drop)
        .map_err(Wrong::from)
}

/// A list as settings have it, with items added or taken away.
pub fn edit_list(list: &str, items: &str, add: bool) -> String {
    let split = |text: &str| -> Vec<String> {
        text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    };
    let given: BTreeSet<String> = split(items).into_iter().collect();
    let mut list = split(list);
    list.retain(|item| !given.contains(item));
    if add {
        list.extend(split(items));
    }
    list.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_edited_item_by_item() {
        assert_eq!(edit_list("delete", "compact", true), "delete,compact");
        assert_eq!(edit_list("delete,compact", "delete", false), "compact");
        assert_eq!(edit_list("", "a, b", true), "a,b");
    }
}
