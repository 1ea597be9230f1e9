//! Permission rules: added, taken away, listed.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::page::Page;
use super::parameters::PageQuery;
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::rule_body::{RuleDescription, RulesBody, principal_schema};
use super::{document, reply};
use crate::auth::Subject;
use crate::auth::permission::{Operations, RuleScope};
use crate::refusal::Refusal;
use crate::topics::check_rules;

/// A page of rules.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct RulePage {
    rules: Vec<RuleDescription>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct RulesQuery {
    /// Only rules for this principal.
    #[param(required = false, schema_with = principal_schema, example = "user:alice")]
    principal: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct RulePath {
    /// The rule's id.
    #[param(pattern = "^[0-9a-f]{20}$", example = "00112233445566778899")]
    rule: String,
}

/// Permission rules, sorted by id
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/acls",
    operation_id = "listRules",
    tag = "security",
    params(PageQuery, RulesQuery),
    responses((status = 200, description = "A page of rules", body = RulePage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["limit", "cursor", "principal"])?;
    let page = Page::of("rules", &query)?;
    let principal = match query.filled("principal", 261)? {
        Some(text) => Some(Subject::parse(text).ok_or_else(|| {
            Problem::invalid("principal", "a principal is `user:NAME`, `group:NAME` or `*`")
        })?),
        None => None,
    };
    let identities = api.topics().identities()?;
    let all =
        identities.rules().filter(|(scope, _)| principal.as_ref().is_none_or(|one| *one == scope.subject));
    let mut found: Vec<RuleDescription> = all.map(RuleDescription::of).collect();
    found.retain(|rule| page.after.as_deref().is_none_or(|after| *rule.id > *after));
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found.truncate(page.one_more());
    Ok(page.answer("rules", found, |rule: &RuleDescription| rule.id.clone()))
}

async fn read(api: &Api, request: Request) -> Result<Vec<(RuleScope, Operations)>, Problem> {
    let body: RulesBody = document::of(api, request).await?;
    Ok(body.read()?)
}

fn as_they_are(api: &Api, rules: &[(RuleScope, Operations)]) -> Response {
    let (_, identities) = api.topics().guard().seen();
    let described = rules.iter().map(|(scope, _)| RuleDescription::of((scope, identities.rule(scope))));
    let described: Vec<RuleDescription> = described.collect();
    reply::json(StatusCode::OK, &serde_json::json!({ "rules": described }))
}

/// The rules that a request named, as they are now; one that is gone has no operations.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct ChangedRules {
    rules: Vec<RuleDescription>,
}

/// Add permission rules
///
/// What is allowed or denied already stays so: the operations of a rule that is there are added to. In force at once,
/// for connections that are open too.
#[utoipa::path(
    post,
    path = "/v1/acls",
    operation_id = "addRules",
    tag = "security",
    request_body = RulesBody,
    responses((status = 200, description = "The rules as they are now", body = ChangedRules), ChangeRefusals)
)]
pub async fn add(api: Api, request: Request) -> Result<Response, Problem> {
    let rules = read(&api, request).await?;
    api.topics().add_rules(rules.clone()).await?;
    Ok(as_they_are(&api, &rules))
}

/// Take operations from permission rules
///
/// A rule without operations is gone. What is not there needs no taking away.
#[utoipa::path(
    delete,
    path = "/v1/acls",
    operation_id = "removeRules",
    tag = "security",
    request_body = RulesBody,
    responses((status = 200, description = "The rules as they are now", body = ChangedRules), ChangeRefusals)
)]
pub async fn remove(api: Api, request: Request) -> Result<Response, Problem> {
    let rules = read(&api, request).await?;
    // One that could not be there is a mistake of whoever asks.
    check_rules(&rules)?;
    api.topics().remove_rules(rules.clone()).await?;
    Ok(as_they_are(&api, &rules))
}

fn find(api: &Api, id: &str) -> Result<(RuleScope, Operations), Problem> {
    let identities = api.topics().identities()?;
    let found = identities.rules().find(|(scope, _)| scope.id() == id);
    let found = found.map(|(scope, operations)| (scope.clone(), operations));
    Ok(found.ok_or_else(|| Refusal::new(ErrorCode::UnknownRule, "there is no rule of this id"))?)
}

/// A permission rule
#[utoipa::path(
    get,
    path = "/v1/acls/{rule}",
    operation_id = "getRule",
    tag = "security",
    params(RulePath),
    responses((status = 200, description = "The rule", body = RuleDescription), LookRefusals)
)]
pub async fn get(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let (scope, operations) = find(&api, &id)?;
    Ok(reply::json(StatusCode::OK, &RuleDescription::of((&scope, operations))))
}

/// Delete a permission rule
#[utoipa::path(
    delete,
    path = "/v1/acls/{rule}",
    operation_id = "deleteRule",
    tag = "security",
    params(RulePath),
    responses((status = 204, description = "Gone"), ChangeRefusals)
)]
pub async fn delete(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let (scope, _) = find(&api, &id)?;
    api.topics().remove_rules(vec![(scope, Operations::ALL)]).await?;
    Ok(reply::no_content())
}
