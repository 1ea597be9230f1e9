use kafka_wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::{Call, configs, group_configs};
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::{ConfigEntry, ConfigKind, Topic};

/// Kinds of values.
const BOOLEAN: i8 = 1;
const STRING: i8 = 2;
const INT: i8 = 3;
const LONG: i8 = 5;
const DOUBLE: i8 = 6;
const LIST: i8 = 7;

pub async fn answer(call: &Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let mut results = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let described = match resource.resource_type {
            configs::GROUP if resource.resource_name.is_empty() => {
                Err(Wrong::new(KafkaError::INVALID_REQUEST, "Group name must not be empty"))
            }
            configs::GROUP => {
                group_configs::describe(call, &resource.resource_name, request.include_synonyms).await
            }
            _ => describe(call, &resource, (request.include_synonyms, request.include_documentation)),
        };
        let (wrong, mut found) = match described {
            Ok(found) => (None, found),
            Err(wrong) => (Some(wrong), Vec::new()),
        };
        if let Some(keys) = resource.configuration_keys.filter(|keys| !keys.is_empty()) {
            found.retain(|config| keys.contains(&config.name));
        }
        results.push(DescribeConfigsResult {
            error_code: wrong.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: wrong.map(|wrong| wrong.why),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs: found,
        });
    }
    DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() }
}

fn describe(
    call: &Call,
    resource: &DescribeConfigsResource,
    (synonyms, about): (bool, bool),
) -> Result<Vec<DescribeConfigsResourceResult>, Wrong> {
    let name = resource.resource_name.as_str();
    let node_id = call.door.node_id();
    match resource.resource_type {
        configs::TOPIC if name.is_empty() => {
            let why = "Topic name is invalid: the empty string is not allowed";
            Err(Wrong::new(KafkaError::INVALID_TOPIC_EXCEPTION, why))
        }
        configs::CLIENT_METRICS if name.is_empty() => {
            Err(Wrong::new(KafkaError::INVALID_REQUEST, "Client metrics subscription name must not be empty"))
        }
        configs::TOPIC => match call.door.topics().topic(name).map_err(Wrong::from)? {
            Topic::Log(log) => {
                Ok(log.settings().into_iter().map(|setting| of_log(setting, synonyms, about)).collect())
            }
            // A queue's settings have no names that Kafka knows.
            Topic::Queue(_) => Ok(Vec::new()),
        },
        configs::BROKER if name.is_empty() => Ok(Vec::new()),
        configs::BROKER if name == node_id.to_string() => Ok(of_broker(call)),
        configs::BROKER | configs::BROKER_LOGGER => {
            let why =
                format!("there is no broker {name:?}, or it has no such settings; the only one is {node_id}");
            Err(Wrong::new(KafkaError::INVALID_REQUEST, why))
        }
        configs::CLIENT_METRICS => Ok(Vec::new()),
        kind => Err(configs::without_settings(kind)),
    }
}

fn of_log(setting: ConfigEntry, synonyms: bool, about: bool) -> DescribeConfigsResourceResult {
    let source = configs::source(&setting);
    let synonym =
        DescribeConfigsSynonym { name: setting.name.into(), value: Some(setting.value.clone()), source };
    DescribeConfigsResourceResult {
        name: setting.name.to_owned(),
        config_source: source,
        synonyms: if synonyms { vec![synonym] } else { Vec::new() },
        config_type: match setting.kind {
            ConfigKind::Boolean => BOOLEAN,
            ConfigKind::String => STRING,
            ConfigKind::Int => INT,
            ConfigKind::Long => LONG,
            ConfigKind::Double => DOUBLE,
            ConfigKind::List => LIST,
        },
        value: Some(setting.value),
        documentation: about.then(|| setting.about.to_owned()),
        ..DescribeConfigsResourceResult::default()
    }
}

fn kind(name: &str, value: &str) -> i8 {
    match (name, value) {
        (_, "true" | "false") => BOOLEAN,
        (name, value) if value.parse::<i64>().is_ok() => {
            if name.ends_with(".ms") || name == "retention.bytes" || name == "flush.messages" {
                LONG
            } else {
                INT
            }
        }
        _ => STRING,
    }
}

/// What the broker is set to, under the names that Kafka has for it.
fn of_broker(call: &Call) -> Vec<DescribeConfigsResourceResult> {
    let config = call.door.config();
    let endpoint = &call.client.endpoint;
    let settings = [
        ("advertised.listeners", format!("PLAINTEXT://{}:{}", endpoint.host, endpoint.port)),
        ("auto.create.topics.enable", config.auto_create_topics.to_string()),
        ("broker.id", call.door.node_id().to_string()),
        ("connections.max.idle.ms", config.idle_timeout_ms.to_string()),
        ("default.replication.factor", "1".to_owned()),
        ("delete.topic.enable", "true".to_owned()),
        ("fetch.max.bytes", config.max_fetch_bytes.to_string()),
        (
            "listeners",
            config.addr.0.iter().map(|addr| format!("PLAINTEXT://{addr}")).collect::<Vec<_>>().join(","),
        ),
        ("max.connections", config.max_connections.to_string()),
        ("max.incremental.fetch.session.cache.slots", config.max_fetch_sessions.to_string()),
        ("min.insync.replicas", "1".to_owned()),
        ("node.id", call.door.node_id().to_string()),
        ("num.partitions", config.default_partitions.to_string()),
        ("socket.request.max.bytes", config.max_request_bytes.to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ];
    let told = |(name, value): (&str, String)| DescribeConfigsResourceResult {
        name: name.to_owned(),
        config_type: kind(name, &value),
        value: Some(value),
        read_only: true,
        config_source: configs::STATIC_BROKER_CONFIG,
        documentation: None,
        ..DescribeConfigsResourceResult::default()
    };
    settings.into_iter().map(told).collect()
}
