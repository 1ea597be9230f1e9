//! Policies and operator policies: set, read, taken away, listed.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::page::Page;
use super::parameters::{OfHostQuery, PageQuery};
use super::path::At;
use super::policy_shapes::{OperatorPolicyBody, PolicyBody};
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::{document, reply};
use crate::refusal::Refusal;
use crate::topics::{
    Created, PolicyDefinition, PolicyDescription, PolicyKind, PolicySpec, RetryLinear, VirtualHost,
};

/// The largest number that every JSON reader reads exactly.
const LARGEST_EXACT: u64 = (1 << 53) - 1;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct PolicyPath {
    /// The policy's name in its virtual host, percent-encoded.
    #[param(
        min_length = 1,
        max_length = 255,
        pattern = "^(?!\\.{1,2}$)[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        example = "short-queues"
    )]
    policy: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct HostQuery {
    /// The virtual host; the default one if nothing is said.
    #[param(required = false, min_length = 1, max_length = 127, default = "/")]
    vhost: String,
}

/// A page of policies.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct PolicyPage {
    policies: Vec<PolicyDescription>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

async fn list_of(api: &Api, kind: PolicyKind, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["limit", "cursor", "vhost"])?;
    let page = Page::of("policies", &query)?;
    let vhost = query.host()?;
    let found = api.topics().list_policies(kind, vhost, page.after.as_deref(), page.one_more()).await?;
    Ok(page.answer("policies", found, PolicyDescription::sort_key))
}

/// The virtual host that a request names, or the default one.
fn host(query: Option<&str>) -> Result<String, Problem> {
    let query = Query::parse(query, &["vhost"])?;
    Ok(query.host()?.unwrap_or(VirtualHost::DEFAULT_NAME).to_owned())
}

/// Refuses numbers that JSON would not carry back exactly.
fn check(definition: &PolicyDefinition) -> Result<(), Refusal> {
    let bounded = [
        ("message_ttl_ms", definition.message_ttl_ms),
        ("expires_ms", definition.expires_ms),
        ("max_length", definition.max_length),
        ("max_length_bytes", definition.max_length_bytes),
        ("consumer_timeout_ms", definition.consumer_timeout_ms),
    ];
    if let Some((name, code, why)) = definition.delayed_retry.as_ref().and_then(RetryLinear::fault) {
        return Err(Refusal::new(code, why).in_field(format!("/definition/delayed_retry/{name}")));
    }
    match bounded.iter().find(|(_, value)| value.is_some_and(|value| value > LARGEST_EXACT)) {
        None => Ok(()),
        Some((name, _)) => {
            let detail = format!("this is at most {LARGEST_EXACT}");
            Err(Refusal::new(ErrorCode::InvalidConfig, detail).in_field(format!("/definition/{name}")))
        }
    }
}

/// What a body asks to set.
pub fn spec(body: Value) -> Result<PolicySpec, Refusal> {
    document::refuse_nulls(&body, &[])?;
    let spec: PolicySpec = document::convert(body)?;
    check(&spec.definition)?;
    Ok(spec)
}

async fn put_of(api: &Api, kind: PolicyKind, name: &str, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let vhost = &host(parts.uri.query())?;
    let spec = spec(document::read_document(api, &parts.headers, body).await?)?;
    let created = api.topics().put_policy(kind, vhost, name, spec).await?;
    let described = api.topics().policy(kind, vhost, name).await?;
    let status = match created {
        Created::Made => StatusCode::CREATED,
        Created::Same => StatusCode::OK,
    };
    Ok(reply::json(status, &described))
}

async fn get_of(api: &Api, kind: PolicyKind, name: &str, request: Request) -> Result<Response, Problem> {
    let vhost = &host(request.uri().query())?;
    Ok(reply::json(StatusCode::OK, &api.topics().policy(kind, vhost, name).await?))
}

async fn delete_of(api: &Api, kind: PolicyKind, name: &str, request: Request) -> Result<Response, Problem> {
    let vhost = &host(request.uri().query())?;
    api.topics().delete_policy(kind, vhost, name).await?;
    Ok(reply::no_content())
}

/// Policies, sorted by virtual host and name
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/policies",
    operation_id = "listPolicies",
    tag = "policies",
    params(PageQuery, OfHostQuery),
    responses((status = 200, description = "A page of policies", body = PolicyPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    list_of(&api, PolicyKind::User, request).await
}

/// Set a policy, in place of one of that name
///
/// It fills in what declarations left open; of lengths, times and delivery limits the smallest value wins. It is in force at once: 201 when it is new, 200 when it took the place of another.
#[utoipa::path(
    put,
    path = "/v1/policies/{policy}",
    operation_id = "putPolicy",
    tag = "policies",
    params(PolicyPath, HostQuery),
    request_body = PolicyBody,
    responses(
        (status = 201, description = "New", body = PolicyDescription),
        (status = 200, description = "Changed, or as it was", body = PolicyDescription),
        ChangeRefusals
    )
)]
pub async fn put(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    put_of(&api, PolicyKind::User, &name, request).await
}

/// A policy
#[utoipa::path(
    get,
    path = "/v1/policies/{policy}",
    operation_id = "getPolicy",
    tag = "policies",
    params(PolicyPath, HostQuery),
    responses((status = 200, description = "The policy", body = PolicyDescription), LookRefusals)
)]
pub async fn get(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    get_of(&api, PolicyKind::User, &name, request).await
}

/// Take a policy away
#[utoipa::path(
    delete,
    path = "/v1/policies/{policy}",
    operation_id = "deletePolicy",
    tag = "policies",
    params(PolicyPath, HostQuery),
    responses((status = 204, description = "Gone: what it set is as it was declared again"), ChangeRefusals)
)]
pub async fn delete(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    delete_of(&api, PolicyKind::User, &name, request).await
}

/// Operator policies, sorted by virtual host and name
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/operator-policies",
    operation_id = "listOperatorPolicies",
    tag = "policies",
    params(PageQuery, OfHostQuery),
    responses((status = 200, description = "A page of policies", body = PolicyPage), LookRefusals)
)]
pub async fn operator_list(api: Api, request: Request) -> Result<Response, Problem> {
    list_of(&api, PolicyKind::Operator, request).await
}

/// Set an operator policy, in place of one of that name
///
/// It bounds lengths, times and delivery limits, whatever declarations and other policies say. It is in force at once: 201 when it is new, 200 when it took the place of another.
#[utoipa::path(
    put,
    path = "/v1/operator-policies/{policy}",
    operation_id = "putOperatorPolicy",
    tag = "policies",
    params(PolicyPath, HostQuery),
    request_body = OperatorPolicyBody,
    responses(
        (status = 201, description = "New", body = PolicyDescription),
        (status = 200, description = "Changed, or as it was", body = PolicyDescription),
        ChangeRefusals
    )
)]
pub async fn operator_put(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    put_of(&api, PolicyKind::Operator, &name, request).await
}

/// An operator policy
#[utoipa::path(
    get,
    path = "/v1/operator-policies/{policy}",
    operation_id = "getOperatorPolicy",
    tag = "policies",
    params(PolicyPath, HostQuery),
    responses((status = 200, description = "The policy", body = PolicyDescription), LookRefusals)
)]
pub async fn operator_get(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    get_of(&api, PolicyKind::Operator, &name, request).await
}

/// Take an operator policy away
#[utoipa::path(
    delete,
    path = "/v1/operator-policies/{policy}",
    operation_id = "deleteOperatorPolicy",
    tag = "policies",
    params(PolicyPath, HostQuery),
    responses((status = 204, description = "Gone: what it set is as it was declared again"), ChangeRefusals)
)]
pub async fn operator_delete(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    delete_of(&api, PolicyKind::Operator, &name, request).await
}
