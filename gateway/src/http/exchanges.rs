//! Exchanges: made, read, deleted, listed, published to.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::ExchangeName;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::exchange_shapes::{Exchange, NewExchange};
use super::page::Page;
use super::parameters::{AcksQuery, OfHostQuery, PageQuery};
use super::path::At;
use super::problem::Problem;
use super::publish::{self, Target};
use super::publish_schema::{CloudEvent, PublishBody};
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals, PublishRefusals};
use super::shapes::PublishResults;
use super::topics::percent;
use super::{document, reply};
use crate::refusal::Refusal;
use crate::topics::{Created, ExchangeDescription, ExchangeSpec};

/// How the default exchange, which has no name, is called in a path.
const DEFAULT: &str = "amq.default";

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct ExchangePath {
    /// The exchange's name, percent-encoded.
    #[param(
        min_length = 1,
        max_length = 255,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^.\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "router"
    )]
    exchange: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct DeleteQuery {
    /// Only if nothing is bound to it.
    #[param(required = false)]
    if_unused: bool,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct RoutingQuery {
    /// The routing key of all messages, at most 255 bytes.
    #[param(required = false, max_length = 255, default = "")]
    routing_key: String,
}

/// A page of exchanges.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct ExchangePage {
    exchanges: Vec<Exchange>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

/// Exchanges, sorted by name
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/exchanges",
    operation_id = "listExchanges",
    tag = "exchanges",
    params(PageQuery, OfHostQuery),
    responses((status = 200, description = "A page of exchanges", body = ExchangePage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["limit", "cursor", "vhost"])?;
    let page = Page::of("exchanges", &query)?;
    let vhost = query.host()?;
    let found = api.topics().list_exchanges(page.after.as_deref(), page.one_more(), vhost).await?;
    Ok(page.answer("exchanges", found, |exchange: &ExchangeDescription| exchange.name.clone()))
}

/// Make an exchange, or find it made the same way
///
/// Idempotent: 201 when it was made, 200 when it was there the same, 409 when it differs.
#[utoipa::path(
    put,
    path = "/v1/exchanges/{exchange}",
    operation_id = "putExchange",
    tag = "exchanges",
    params(ExchangePath),
    request_body = NewExchange,
    responses(
        (status = 201, description = "Made", body = Exchange, headers(("Location" = String, description = "The exchange"))),
        (status = 200, description = "It was there, the same", body = Exchange),
        ChangeRefusals
    )
)]
pub async fn put(api: Api, At(exchange): At<String>, request: Request) -> Result<Response, Problem> {
    let name = ExchangeName::new(&exchange).map_err(|error| Refusal::from(error).in_field("exchange"))?;
    let spec = spec(document::whole_of(&api, request).await?)?;
    let created = api.topics().declare_exchange(&name, spec).await?;
    let described = api.topics().exchange(&exchange).await?;
    Ok(match created {
        Created::Made => {
            let location = format!("/v1/exchanges/{}", percent(&exchange));
            reply::located(reply::json(StatusCode::CREATED, &described), &location)
        }
        Created::Same => reply::json(StatusCode::OK, &described),
    })
}

/// What a body asks to make.
pub fn spec(body: Value) -> Result<ExchangeSpec, Refusal> {
    document::refuse_nulls(&body, &[])?;
    let spec: ExchangeSpec = document::convert(body)?;
    if spec.alternate_exchange.as_ref().is_some_and(|name| name.is_empty() || name.len() > 255) {
        return Err(Refusal::invalid("/alternate_exchange", "an exchange's name has 1 to 255 bytes"));
    }
    Ok(spec)
}

/// An exchange
#[utoipa::path(
    get,
    path = "/v1/exchanges/{exchange}",
    operation_id = "getExchange",
    tag = "exchanges",
    params(ExchangePath),
    responses((status = 200, description = "The exchange", body = Exchange), LookRefusals)
)]
pub async fn get(api: Api, At(exchange): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(reply::json(StatusCode::OK, &api.topics().exchange(&exchange).await?))
}

/// Delete an exchange and its bindings
#[utoipa::path(
    delete,
    path = "/v1/exchanges/{exchange}",
    operation_id = "deleteExchange",
    tag = "exchanges",
    params(ExchangePath, DeleteQuery),
    responses((status = 204, description = "Gone"), ChangeRefusals)
)]
pub async fn delete(api: Api, At(exchange): At<String>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["if_unused"])?;
    api.topics().delete_exchange(&exchange, query.flag("if_unused")?).await?;
    Ok(reply::no_content())
}

/// Publish messages through an exchange
///
/// In any form that a topic takes. Each result tells how many queues and logs took the message; one that a
/// delayed-message exchange holds back has reached none yet. The default exchange is called `amq.default` here: its
/// routing key is a queue's name. The headers `CC` and `BCC` may list further routing keys.
#[utoipa::path(
    post,
    path = "/v1/exchanges/{exchange}/messages",
    operation_id = "publishToExchange",
    tag = "exchanges",
    params(ExchangePath, RoutingQuery, AcksQuery),
    request_body(content(
        (PublishBody = "application/json"),
        (CloudEvent = "application/cloudevents+json"),
        (Vec<CloudEvent> = "application/cloudevents-batch+json"),
        (String = "text/plain"),
        (Vec<u8> = "application/octet-stream"),
    )),
    responses(
        (status = 200, description = "All were taken", content((PublishResults = "application/json"), (Vec<u8> = "application/vnd.sluice.batch"), (String = "application/x-ndjson"))),
        (status = 207, description = "Some were not taken", content((PublishResults = "application/json"), (Vec<u8> = "application/vnd.sluice.batch"))),
        PublishRefusals
    )
)]
pub async fn publish(api: Api, At(exchange): At<String>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query(), &["routing_key", "acks"])?;
    let acks = query.acks()?;
    let routing_key = query.text("routing_key").unwrap_or_default();
    if routing_key.len() > 255 {
        return Err(Problem::invalid("routing_key", "a routing key has at most 255 bytes"));
    }
    let name = if exchange == DEFAULT { String::new() } else { exchange };
    let target = Target::Exchange { name, routing_key: routing_key.to_owned() };
    publish::answer(api, target, acks, &parts, body).await
}
