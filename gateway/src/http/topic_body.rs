//! Bodies that make and change topics.

use std::collections::BTreeMap;

use message::ErrorCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::document;
use super::topic_shapes::{LogConfigChange, NewLogSettings, QueueChange, bounds, is_numeric};
use crate::refusal::Refusal;
use crate::topics::{
    LogSettings, Model, QueueSettings, RetrySettings, TopicDescription, TopicPatch, TopicSpec,
};

/// A topic to make: its model and, if the defaults do not do, its settings.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, clippy::large_enum_variant, reason = "described, never built")]
#[schema(examples(json!({"model": "queue", "queue": {"max_length": 10000}}), json!({"model": "log", "log": {"partitions": 3}})))]
pub enum TopicBody {
    /// A queue.
    Queue(QueueBody),
    /// A log.
    Log(LogBody),
}

/// A queue to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct QueueBody {
    #[schema(inline)]
    model: OnlyQueue,
    /// Its settings.
    #[schema(required = false)]
    queue: QueueSettings,
}

/// A log to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct LogBody {
    #[schema(inline)]
    model: OnlyLog,
    /// Its settings.
    #[schema(required = false)]
    log: NewLogSettings,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "described, never built")]
enum OnlyQueue {
    Queue,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "described, never built")]
enum OnlyLog {
    Log,
}

/// A page of topics.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct TopicPage {
    topics: Vec<TopicDescription>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

/// A change of settings: what is absent stays, `null` is the default again.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, clippy::large_enum_variant, reason = "described, never built")]
pub enum TopicChange {
    /// Of a queue.
    Queue(QueueChangeBody),
    /// Of a log.
    Log(LogChangeBody),
}

/// A change of a queue.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct QueueChangeBody {
    queue: QueueChange,
}

/// A change of a log.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct LogChangeBody {
    log: LogChange,
}

/// What can be changed of a log.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogChange {
    /// More partitions than before.
    #[serde(default, deserialize_with = "document::maybe_whole::<1, 10000, u32, _>")]
    #[schema(required = false, value_type = u32, minimum = 1, maximum = 10000)]
    partitions: Option<u32>,
    /// Keys to set; `null` takes one back to its default.
    #[serde(default)]
    #[schema(required = false, value_type = LogConfigChange)]
    config: BTreeMap<String, Option<String>>,
}

fn object(document: Value) -> Result<Map<String, Value>, Refusal> {
    match document {
        Value::Object(members) => Ok(members),
        _ => Err(Refusal::invalid("", "the body is an object with `model`")),
    }
}

fn below(root: &str, refusal: Refusal) -> Refusal {
    let field = format!("{root}{}", refusal.field.as_deref().unwrap_or_default());
    refusal.in_field(field)
}

/// What a body asks to make.
pub fn spec(document: Value) -> Result<TopicSpec, Refusal> {
    document::refuse_nulls(&document, &[])?;
    let mut members = object(document)?;
    if let Some(log) = members.get_mut("log") {
        spell_out(log);
    }
    let model =
        members.remove("model").ok_or_else(|| Refusal::invalid("/model", "this field is required"))?;
    let model: Model = document::convert(model).map_err(|refusal| below("/model", refusal))?;
    let (own, other) = match model {
        Model::Queue => ("queue", "log"),
        Model::Log => ("log", "queue"),
    };
    let settings = members.remove(own).unwrap_or_else(|| Value::Object(Map::new()));
    if members.contains_key(other) {
        return Err(Refusal::invalid(format!("/{other}"), format!("a {own} has no settings of a {other}")));
    }
    if let Some(unknown) = members.keys().next() {
        return Err(Refusal::invalid(
            format!("/{unknown}"),
            format!("no such field; there are model and {own}"),
        ));
    }
    let read = |refusal| below(&format!("/{own}"), refusal);
    match model {
        Model::Queue => {
            let settings: QueueSettings = document::convert(settings).map_err(read)?;
            check_queue(&settings)?;
            Ok(TopicSpec::Queue(Box::new(settings)))
        }
        Model::Log => {
            let settings: LogSettings = document::convert(settings).map_err(read)?;
            check_partitions(settings.partitions)?;
            Ok(TopicSpec::Log(settings))
        }
    }
}

/// Values of Kafka's keys are text; a number is taken where the text is one.
fn spell_out(log: &mut Value) {
    let config = log.get_mut("config").and_then(Value::as_object_mut);
    for (key, value) in config.into_iter().flatten() {
        let (low, high) = bounds(key);
        let whole = value.as_i64().is_some_and(|number| (low..=high).contains(&number));
        let ratio = key == "min.cleanable.dirty.ratio"
            && value.as_f64().is_some_and(|number| (0.0..=1.0).contains(&number));
        if (whole || ratio) && is_numeric(key) {
            *value = Value::String(value.to_string());
        }
    }
}

/// The same refusal with a pointer into the body that asked for `spec`.
pub fn point_at(refusal: Refusal, spec: &TopicSpec) -> Refusal {
    match spec {
        TopicSpec::Log(settings) => point_into(refusal, settings.config.keys()),
        TopicSpec::Queue(_) => point_into(refusal, [].iter()),
    }
}

/// The same refusal with a pointer into the body that asked for `patch`.
pub fn point_at_change(refusal: Refusal, patch: &TopicPatch) -> Refusal {
    match patch {
        TopicPatch::Log { config, .. } => point_into(refusal, config.keys()),
        TopicPatch::Queue(_) => point_into(refusal, [].iter()),
    }
}

fn point_into<'k>(refusal: Refusal, mut config: impl Iterator<Item = &'k String>) -> Refusal {
    let Some(field) = refusal.field.clone() else { return refusal };
    let pointer = if field.starts_with('/') { field } else { format!("/{field}") };
    // The engine names the key in its sentence, either quoted or before an equals sign.
    let named = |key: &&String| {
        refusal.detail.contains(&format!("{key:?}")) || refusal.detail.starts_with(key.as_str())
    };
    match config.find(named) {
        Some(key) if pointer == "/log/config" => refusal.in_field(format!("{pointer}/{key}")),
        _ => refusal.in_field(pointer),
    }
}

const MOST_PARTITIONS: u32 = 10_000;
const LARGEST_EXACT: u64 = (1 << 53) - 1;

fn check_partitions(partitions: u32) -> Result<(), Refusal> {
    if (1..=MOST_PARTITIONS).contains(&partitions) {
        Ok(())
    } else {
        let detail = format!("a log has 1 to {MOST_PARTITIONS} partitions");
        Err(Refusal::new(ErrorCode::InvalidConfig, detail).in_field("/log/partitions"))
    }
}

fn check_queue(settings: &QueueSettings) -> Result<(), Refusal> {
    let bounded = [
        ("message_ttl_ms", settings.message_ttl_ms, 0, LARGEST_EXACT),
        ("expires_ms", settings.expires_ms, 1, LARGEST_EXACT),
        ("max_length", settings.max_length, 0, LARGEST_EXACT),
        ("max_length_bytes", settings.max_length_bytes, 0, LARGEST_EXACT),
        ("consumer_timeout_ms", settings.consumer_timeout_ms, 1, LARGEST_EXACT),
        ("lease_ms", Some(settings.lease_ms), 1, 43_200_000),
        ("dedup_window_ms", settings.dedup_window_ms, 1, LARGEST_EXACT),
        ("dedup_max_ids", Some(settings.dedup_max_ids.into()), 1, 10_000_000),
    ];
    for (name, value, low, high) in bounded {
        if value.is_some_and(|value| !(low..=high).contains(&value)) {
            let detail = format!("this is a whole number from {low} to {high}");
            return Err(Refusal::new(ErrorCode::InvalidConfig, detail).in_field(format!("/queue/{name}")));
        }
    }
    let texts = [
        ("dead_letter_exchange", &settings.dead_letter_exchange),
        ("dead_letter_routing_key", &settings.dead_letter_routing_key),
    ];
    for (name, text) in texts {
        if text.as_ref().is_some_and(|text| text.len() > 255) {
            let field = format!("/queue/{name}");
            return Err(Refusal::new(ErrorCode::InvalidConfig, "this has at most 255 bytes").in_field(field));
        }
    }
    if let Some((name, code, why)) = settings.retry.as_ref().and_then(RetrySettings::fault) {
        return Err(Refusal::new(code, why).in_field(format!("/queue/retry/{name}")));
    }
    Ok(())
}

/// Whether a body is a change at all, before anything is looked up.
pub fn check_change(document: &Value) -> Result<(), Refusal> {
    let Value::Object(members) = document else {
        return Err(Refusal::invalid("", "the body is an object with `queue` or `log`"));
    };
    if let Some(unknown) = members.keys().find(|name| !matches!(name.as_str(), "queue" | "log")) {
        return Err(Refusal::invalid(format!("/{unknown}"), "no such field; there are queue and log"));
    }
    match members.len() {
        1 => {}
        0 => return Err(Refusal::invalid("/queue", "give `queue` or `log`")),
        _ => return Err(Refusal::invalid("/log", "give either `queue` or `log`, not both")),
    }
    let Some((name, Value::Object(change))) = members.iter().next() else {
        let name = members.keys().next().map(String::as_str).unwrap_or_default();
        return Err(Refusal::invalid(format!("/{name}"), "this is an object of settings"));
    };
    if name == "log" {
        let mut change = Value::Object(change.clone());
        spell_out(&mut change);
        document::convert::<LogChange>(change).map_err(|refusal| below("/log", refusal))?;
        return Ok(());
    }
    // The given settings alone must make sense; those that are null are the defaults again.
    let given = change
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()));
    let settings =
        document::convert(Value::Object(given.collect())).map_err(|refusal| below("/queue", refusal))?;
    check_queue(&settings)?;
    for name in change.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name) {
        let alone = Map::from_iter([(name.clone(), Value::from(0))]);
        if let Err(refusal) = document::convert::<QueueSettings>(Value::Object(alone))
            && refusal.detail.starts_with("no such field")
        {
            return Err(below("/queue", refusal));
        }
    }
    Ok(())
}

/// The change of a topic as it stands.
pub fn patch(document: Value, have: &TopicDescription) -> Result<TopicPatch, Refusal> {
    let mut members = object(document)?;
    if let Some(Value::Object(change)) = members.remove("queue") {
        let Some(settings) = &have.queue else {
            return Err(super::topics::wrong_model(&have.name, "is a log: change `log`"));
        };
        let mut merged = match serde_json::to_value(settings) {
            Ok(Value::Object(merged)) => merged,
            _ => Map::new(),
        };
        for (name, value) in change {
            if value.is_null() {
                merged.remove(&name);
            } else {
                merged.insert(name, value);
            }
        }
        let settings =
            document::convert(Value::Object(merged)).map_err(|refusal| below("/queue", refusal))?;
        check_queue(&settings)?;
        return Ok(TopicPatch::Queue(Box::new(settings)));
    }
    if have.log.is_none() {
        return Err(super::topics::wrong_model(&have.name, "is a queue: change `queue`"));
    }
    let mut change = members.remove("log").unwrap_or_default();
    spell_out(&mut change);
    let LogChange { partitions, config } =
        document::convert(change).map_err(|refusal| below("/log", refusal))?;
    Ok(TopicPatch::Log { partitions, config })
}

#[cfg(test)]
#[path = "topic_body_tests.rs"]
mod tests;
