//! A log's settings one by one: value, origin, meaning.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::api::Api;
use super::parameters::TopicPath;
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::LookRefusals;
use super::reply;
use crate::topics::{ConfigEntry, ConfigKind, ConfigSource};

/// Every setting of a log, by name.
#[derive(Serialize, ToSchema)]
pub struct TopicSettings {
    settings: Vec<TopicSetting>,
}

/// One setting of a log.
#[derive(Serialize, ToSchema)]
pub struct TopicSetting {
    /// Its key, as Kafka has it.
    name: &'static str,
    /// Its value, as text.
    value: String,
    /// Where the value comes from.
    source: SettingSource,
    /// What its value looks like.
    kind: SettingKind,
    /// Whether this is the only value that it can have; `about` says why.
    fixed: bool,
    /// What it does.
    about: &'static str,
}

/// Where the value of a setting comes from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettingSource {
    /// Nobody set it.
    Default,
    /// The server's `log.topic_defaults`.
    Broker,
    /// The topic's own configuration.
    Topic,
}

/// What the value of a setting looks like.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettingKind {
    Boolean,
    String,
    Int,
    Long,
    Double,
    List,
}

impl From<ConfigEntry> for TopicSetting {
    fn from(entry: ConfigEntry) -> TopicSetting {
        TopicSetting {
            name: entry.name,
            value: entry.value,
            source: match entry.source {
                ConfigSource::Default => SettingSource::Default,
                ConfigSource::Broker => SettingSource::Broker,
                ConfigSource::Topic => SettingSource::Topic,
            },
            kind: match entry.kind {
                ConfigKind::Boolean => SettingKind::Boolean,
                ConfigKind::String => SettingKind::String,
                ConfigKind::Int => SettingKind::Int,
                ConfigKind::Long => SettingKind::Long,
                ConfigKind::Double => SettingKind::Double,
                ConfigKind::List => SettingKind::List,
            },
            fixed: entry.fixed,
            about: entry.about,
        }
    }
}

/// Every setting of a log with its value and where that comes from
///
/// Settings are changed with PATCH on the topic.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/settings",
    operation_id = "getTopicSettings",
    tag = "topics",
    params(TopicPath),
    responses((status = 200, description = "The settings, by name", body = TopicSettings), LookRefusals)
)]
pub async fn get(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let settings = api.topics().log(&topic)?.settings().into_iter().map(TopicSetting::from).collect();
    Ok(reply::json(StatusCode::OK, &TopicSettings { settings }))
}
