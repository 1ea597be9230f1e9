//! Bindings: made, read, deleted, listed.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::exchange_shapes::{Binding, NewBinding};
use super::page::Page;
use super::parameters::{OfHostQuery, PageQuery};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::{document, reply};
use crate::refusal::Refusal;
use crate::topics::{BindingDescription, BindingSpec, Created};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct ListQuery {
    /// Only those from this exchange.
    #[param(required = false, min_length = 1, max_length = 255)]
    source: String,
    /// Only those to this topic or exchange.
    #[param(required = false, min_length = 1, max_length = 255)]
    destination: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct BindingPath {
    /// The binding's id.
    #[param(min_length = 1, max_length = 255)]
    id: String,
}

/// A page of bindings.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct BindingPage {
    bindings: Vec<Binding>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

/// Bindings, sorted by id
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/bindings",
    operation_id = "listBindings",
    tag = "exchanges",
    params(PageQuery, OfHostQuery, ListQuery),
    responses((status = 200, description = "A page of bindings", body = BindingPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["limit", "cursor", "vhost", "source", "destination"])?;
    let page = Page::of("bindings", &query)?;
    let vhost = query.host()?;
    let source = query.filled("source", 255)?;
    let destination = query.filled("destination", 255)?;
    let (after, most) = (page.after.as_deref(), page.one_more());
    let found = api.topics().list_bindings(after, most, vhost, source, destination).await?;
    Ok(page.answer("bindings", found, |binding: &BindingDescription| binding.id.clone()))
}

/// Bind a topic or an exchange to an exchange
///
/// Idempotent: 201 when it was made, 200 when it was there. The same binding always has the same id.
#[utoipa::path(
    post,
    path = "/v1/bindings",
    operation_id = "bind",
    tag = "exchanges",
    request_body = NewBinding,
    responses(
        (status = 201, description = "Bound", body = Binding, headers(("Location" = String, description = "The binding"))),
        (status = 200, description = "It was bound", body = Binding),
        ChangeRefusals
    )
)]
pub async fn bind(api: Api, request: Request) -> Result<Response, Problem> {
    let spec = spec(document::whole_of(&api, request).await?)?;
    let (created, binding) = api.topics().bind(spec).await?;
    Ok(match created {
        Created::Made => {
            let location = format!("/v1/bindings/{}", binding.id);
            reply::located(reply::json(StatusCode::CREATED, &binding), &location)
        }
        Created::Same => reply::json(StatusCode::OK, &binding),
    })
}

/// What a body asks to bind.
pub fn spec(body: Value) -> Result<BindingSpec, Refusal> {
    if body.get("arguments").is_some_and(Value::is_null) {
        return Err(Refusal::invalid("/arguments", "this cannot be null; leave it out"));
    }
    document::refuse_nulls(&body, &["arguments"])?;
    let spec: BindingSpec = document::convert(body)?;
    if spec.routing_key.len() > 255 {
        return Err(Refusal::invalid("/routing_key", "a routing key has at most 255 bytes"));
    }
    let bad = |name: &&String| name.is_empty() || name.len() > 255;
    if let Some(name) = spec.arguments.keys().find(bad) {
        let field = format!("/arguments/{}", name.chars().take(80).collect::<String>());
        return Err(Refusal::invalid(field, "an argument's name has 1 to 255 bytes"));
    }
    Ok(spec)
}

/// A binding
#[utoipa::path(
    get,
    path = "/v1/bindings/{id}",
    operation_id = "getBinding",
    tag = "exchanges",
    params(BindingPath),
    responses((status = 200, description = "The binding", body = Binding), LookRefusals)
)]
pub async fn get(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(reply::json(StatusCode::OK, &api.topics().binding(&id).await?))
}

/// Delete a binding
#[utoipa::path(
    delete,
    path = "/v1/bindings/{id}",
    operation_id = "unbind",
    tag = "exchanges",
    params(BindingPath),
    responses((status = 204, description = "Gone"), ChangeRefusals)
)]
pub async fn unbind(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    api.topics().unbind(&id).await?;
    Ok(reply::no_content())
}
