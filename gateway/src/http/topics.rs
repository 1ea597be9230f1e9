//! Topics: made, read, changed, deleted, listed.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use message::{ErrorCode, TopicName};
use utoipa::IntoParams;

use super::api::Api;
use super::page::Page;
use super::parameters::{PageQuery, TopicPath};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::topic_body::{self, TopicBody, TopicChange, TopicPage};
use super::{document, reply};
use crate::refusal::Refusal;
use crate::topics::{Created, DeleteIf, Model, TopicDescription, TopicFilter};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct ListQuery {
    /// Only topics of this model.
    #[param(inline, required = false)]
    model: Model,
    /// Only topics whose name starts so.
    #[param(required = false, min_length = 1, max_length = 255)]
    prefix: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct DeleteQuery {
    /// Only if it holds nothing.
    #[param(required = false)]
    if_empty: bool,
    /// Only if nobody consumes from it.
    #[param(required = false)]
    if_unused: bool,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct NewTopicPath {
    /// The topic's name.
    #[param(
        pattern = "^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        min_length = 1,
        max_length = 249,
        example = "orders"
    )]
    topic: String,
}

/// Topics, sorted by name
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/topics",
    operation_id = "listTopics",
    tag = "topics",
    params(PageQuery, ListQuery),
    responses((status = 200, description = "A page of topics", body = TopicPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["limit", "cursor", "model", "prefix"])?;
    let page = Page::of("topics", &query)?;
    let filter = TopicFilter {
        model: query.choice("model", &[("queue", Model::Queue), ("log", Model::Log)])?,
        prefix: query.filled("prefix", 255)?.map(str::to_owned),
    };
    let found = api.topics().list(page.after.as_deref(), page.one_more(), &filter).await?;
    Ok(page.answer("topics", found, |topic: &TopicDescription| topic.name.clone()))
}

/// Make a topic, or find it made the same way
///
/// Idempotent: 201 when it was made, 200 when it was there with the same settings, 409 when it differs. Topics made
/// here have names of letters, digits, `.`, `_` and `-`; a queue in a virtual host is called `vhost/name`.
#[utoipa::path(
    put,
    path = "/v1/topics/{topic}",
    operation_id = "putTopic",
    tag = "topics",
    params(NewTopicPath),
    request_body = TopicBody,
    responses(
        (status = 201, description = "Made", body = TopicDescription, headers(("Location" = String, description = "The topic"), ("ETag" = String, description = "Version of the settings"))),
        (status = 200, description = "It was there, the same", body = TopicDescription, headers(("ETag" = String, description = "Version of the settings"))),
        ChangeRefusals
    )
)]
pub async fn put(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    let name = TopicName::new(&topic).map_err(Refusal::from).map_err(|refusal| refusal.in_field("topic"))?;
    if api.topics().check_log_name(&name).is_err() {
        let detail = "a topic that is made over HTTP has a name of 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', \
                      after `vhost/` in a virtual host";
        return Err(Refusal::new(ErrorCode::InvalidName, detail).in_field("topic").into());
    }
    let spec = topic_body::spec(document::whole_of(&api, request).await?)?;
    // Without the lock on definitions: the owner decides, and declarations that arrive together share one sync.
    let created = match api.topics().create(&name, spec.clone()).await {
        Ok(created) => created,
        Err(refusal) => return Err(topic_body::point_at(refusal, &spec).into()),
    };
    let described = api.topics().describe(&topic).await?;
    Ok(match created {
        Created::Made => {
            let location = format!("/v1/topics/{}", percent(&topic));
            reply::located(tagged(StatusCode::CREATED, &described), &location)
        }
        Created::Same => tagged(StatusCode::OK, &described),
    })
}

/// A topic's settings and state
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}",
    operation_id = "getTopic",
    tag = "topics",
    params(TopicPath),
    responses(
        (status = 200, description = "The topic", body = TopicDescription, headers(("ETag" = String, description = "Version of the settings"))),
        LookRefusals
    )
)]
pub async fn get(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(tagged(StatusCode::OK, &api.topics().describe(&topic).await?))
}

/// Change a topic's settings while it is in use
///
/// What is absent stays; `null` takes a setting back to its default. With the header `If-Match` the change is made
/// only to the version with that `ETag`, and answered with 412 otherwise.
#[utoipa::path(
    patch,
    path = "/v1/topics/{topic}",
    operation_id = "changeTopic",
    tag = "topics",
    params(TopicPath),
    request_body(content((TopicChange = "application/json"), (TopicChange = "application/merge-patch+json"))),
    responses(
        (status = 200, description = "Changed", body = TopicDescription, headers(("ETag" = String, description = "Version of the settings"))),
        ChangeRefusals
    )
)]
pub async fn patch(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Query::parse(parts.uri.query(), &[])?;
    let change = document::read_document(&api, &parts.headers, body).await?;
    topic_body::check_change(&change)?;
    let _guard = api.definitions().await;
    let have = api.topics().describe(&topic).await?;
    check_match(&parts.headers, &have)?;
    let patch = topic_body::patch(change, &have)?;
    match api.topics().update(&topic, patch.clone()).await {
        Ok(changed) => Ok(tagged(StatusCode::OK, &changed)),
        Err(refusal) => Err(topic_body::point_at_change(refusal, &patch).into()),
    }
}

/// Delete a topic and everything in it
///
/// With the header `If-Match` only the version with that `ETag`, answered with 412 otherwise.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}",
    operation_id = "deleteTopic",
    tag = "topics",
    params(TopicPath, DeleteQuery),
    responses((status = 204, description = "Gone"), ChangeRefusals)
)]
pub async fn delete(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["if_empty", "if_unused"])?;
    let only_if = DeleteIf { empty: query.flag("if_empty")?, unused: query.flag("if_unused")? };
    let _guard = api.definitions().await;
    if request.headers().contains_key(header::IF_MATCH) {
        check_match(request.headers(), &api.topics().describe(&topic).await?)?;
    }
    api.topics().delete(&topic, only_if).await?;
    Ok(reply::no_content())
}

/// The version of a topic's settings: it changes when they do, not with what the topic holds.
fn version(topic: &TopicDescription) -> String {
    let settings = serde_json::to_vec(&(topic.model, &topic.queue, &topic.log)).unwrap_or_default();
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    digest.update(&settings);
    format!("\"{:016x}\"", digest.finalize())
}

fn tagged(status: StatusCode, topic: &TopicDescription) -> Response {
    let mut response = reply::json(status, topic);
    if let Ok(version) = HeaderValue::from_str(&version(topic)) {
        response.headers_mut().insert(header::ETAG, version);
    }
    response
}

/// `If-Match` as in RFC 9110, 13.1.1: a list of versions, or `*`.
fn check_match(headers: &HeaderMap, topic: &TopicDescription) -> Result<(), Problem> {
    let mut conditions = headers.get_all(header::IF_MATCH).iter().peekable();
    if conditions.peek().is_none() {
        return Ok(());
    }
    let current = version(topic);
    let matches = conditions
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| matches!(tag.trim(), "*") || tag.trim() == current);
    if matches { Ok(()) } else { Err(Problem::precondition_failed(&current)) }
}

/// A name as one segment of a path.
pub fn percent(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The refusal of an operation that the topic's model does not have.
pub fn wrong_model(topic: &str, detail: &str) -> Refusal {
    Refusal::new(ErrorCode::WrongModel, format!("{topic} {detail}"))
}
