//! What the APIs about settings share.

use kafka_wire::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::{Call, group_configs, repeated};
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::{ConfigChange, ConfigEntry, ConfigSource, Mode, Others};

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
pub const DYNAMIC_GROUP_CONFIG: i8 = 8;

/// Where a log's setting comes from.
pub fn source(setting: &ConfigEntry) -> i8 {
    match setting.source {
        ConfigSource::Topic => DYNAMIC_TOPIC_CONFIG,
        ConfigSource::Broker => STATIC_BROKER_CONFIG,
        ConfigSource::Default => DEFAULT_CONFIG,
    }
}

/// Replaces the settings of each topic by those given.
pub async fn alter(call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let named = request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone()));
    let twice = repeated(named);
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let wrong = match twice.contains(&(resource.resource_type, resource.resource_name.clone())) {
            true => Some(Wrong::named_twice("resource")),
            false => replace(call, &resource, request.validate_only).await.err(),
        };
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
    let thing = Configurable::of(resource.resource_type, &resource.resource_name)?;
    let change = |value: &Option<String>| match value {
        Some(value) => ConfigChange::Set(value.clone()),
        None => ConfigChange::Unset,
    };
    let changes = resource.configs.iter().map(|config| (config.name.clone(), change(&config.value)));
    thing.change(call, changes.collect(), Others::Unset, only_check).await
}

/// The refusal to tell or change settings of what has none.
pub fn without_settings(kind: i8) -> Wrong {
    let why =
        format!("resources of type {kind} have no settings; topics ({TOPIC}) and groups ({GROUP}) have");
    Wrong::new(KafkaError::INVALID_REQUEST, why)
}

/// What settings can be changed of.
pub enum Configurable<'a> {
    /// A log, by name.
    Topic(&'a str),
    /// A share group, by name.
    Group(&'a str),
}

impl<'a> Configurable<'a> {
    /// What a request names, unless its settings cannot be changed so.
    pub fn of(kind: i8, name: &'a str) -> Result<Configurable<'a>, Wrong> {
        let refuse = |error, why: &str| Err(Wrong::new(error, why));
        match kind {
            TOPIC => Ok(Configurable::Topic(name)),
            GROUP => Ok(Configurable::Group(name)),
            BROKER | BROKER_LOGGER => refuse(
                KafkaError::INVALID_REQUEST,
                "the broker's settings come from its configuration file, flags and environment; see docs/configuration.md",
            ),
            CLIENT_METRICS => refuse(KafkaError::INVALID_REQUEST, "clients' metrics are not collected here"),
            _ => Err(without_settings(kind)),
        }
    }

    /// Changes settings, or only says whether that would do.
    pub async fn change(
        self,
        call: &Call,
        changes: Vec<(String, ConfigChange)>,
        others: Others,
        only_check: bool,
    ) -> Result<(), Wrong> {
        match self {
            Configurable::Topic(name) => {
                let mode = if only_check { Mode::Check } else { Mode::Make };
                let changed = call.door.topics().change_log_settings(name, changes, others, mode).await;
                changed.map(drop).map_err(Wrong::from)
            }
            Configurable::Group(name) => group_configs::change(call, name, changes, others, only_check).await,
        }
    }
}
