//! Permission rules: added, taken away, listed.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::page::Page;
use super::parameters::PageQuery;
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::{document, reply};
use crate::auth::Subject;
use crate::auth::permission::{Effect, NameMatch, Operations, ResourceKind, RuleScope};
use crate::refusal::Refusal;

/// A rule: who may, or may not, do what to which resources.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    /// Whom it is for: `user:NAME`, `group:NAME`, or `*` for everybody.
    #[schema(min_length = 1, max_length = 261, pattern = "^(\\*|(user|group):.+)$", example = "user:alice")]
    principal: String,
    /// What it is about.
    resource: ResourceBody,
    /// What may be done: `all`, `read`, `write`, `create`, `delete`, `alter`, `describe`, `describe_configs`,
    /// `alter_configs`, `idempotent_write`, `cluster_action`.
    #[schema(min_items = 1, max_items = 20, value_type = Vec<OperationName>)]
    operations: Vec<String>,
    /// `allow` unless said. What no rule allows is denied, and a denial wins.
    #[serde(default = "allow")]
    #[schema(required = false, value_type = EffectName)]
    effect: String,
    /// Only from this address.
    #[serde(default, deserialize_with = "document::given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, format = "ipv4")]
    address: Option<String>,
}

/// Which resources.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceBody {
    /// Their kind; queues and logs are topics.
    #[serde(rename = "type")]
    #[schema(value_type = ResourceName)]
    kind: String,
    /// Their name; `*` is every one. Only the cluster needs none.
    #[serde(default, deserialize_with = "document::given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, max_length = 1024, value_type = String, example = "orders")]
    name: Option<String>,
    /// How the name is meant: `literal` unless said, `prefix`, or `pattern`, a regular expression that is looked for.
    #[serde(default = "literal", rename = "match")]
    #[schema(required = false, value_type = MatchName)]
    name_match: String,
    /// The virtual host that the name is one of, for topics and exchanges. Without it names are full: `vhost/name`.
    #[serde(default, deserialize_with = "document::given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, min_length = 1, max_length = 127, value_type = String)]
    vhost: Option<String>,
}

fn allow() -> String {
    "allow".into()
}

fn literal() -> String {
    "literal".into()
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident: $($variant:ident)*) => {
        $(#[$doc])*
        #[derive(ToSchema)]
        #[schema(rename_all = "snake_case")]
        #[allow(dead_code, missing_docs, reason = "described, never built")]
        pub enum $name { $($variant),* }
    };
}

names!(
    /// An operation.
    OperationName: All Read Write Create Delete Alter Describe DescribeConfigs AlterConfigs IdempotentWrite ClusterAction
);
names!(
    /// What a rule does.
    EffectName: Allow Deny
);
names!(
    /// A kind of resource.
    ResourceName: Topic Exchange Group TransactionalId Vhost Cluster
);
names!(
    /// How a name is meant.
    MatchName: Literal Prefix Pattern
);

impl RuleBody {
    fn read(self, at: usize) -> Result<(RuleScope, Operations), Refusal> {
        let refuse = |field: &str, detail: String| Refusal::invalid(format!("/rules/{at}/{field}"), detail);
        let subject = Subject::parse(&self.principal);
        let subject =
            subject.ok_or_else(|| refuse("principal", "this is `user:NAME`, `group:NAME` or `*`".into()))?;
        let ResourceBody { kind: kind_name, name, name_match, vhost } = self.resource;
        let kind = ResourceKind::parse(&kind_name)
            .ok_or_else(|| refuse("resource/type", format!("there is no kind of resource {kind_name:?}")))?;
        let name: Box<str> = match (kind.only_name(), name) {
            (Some(only), _) => only.into(),
            (None, Some(name)) => name.into(),
            (None, None) => return Err(refuse("resource/name", "say which; `*` is every one".into())),
        };
        let name = match name_match.as_str() {
            "literal" => NameMatch::Literal(name),
            "prefix" => NameMatch::Prefix(name),
            "pattern" => NameMatch::Pattern(name),
            other => {
                return Err(refuse("resource/match", format!("{other:?} is not literal, prefix or pattern")));
            }
        };
        let effect = match self.effect.as_str() {
            "allow" => Effect::Allow,
            "deny" => Effect::Deny,
            other => return Err(refuse("effect", format!("{other:?} is not allow or deny"))),
        };
        let address = self.address.map(|text| text.parse::<IpAddr>().map(|address| address.to_canonical()));
        let address = address.transpose().map_err(|error| refuse("address", error.to_string()))?;
        let mut operations = Operations::NONE;
        for operation in &self.operations {
            let unknown = || refuse("operations", format!("there is no operation {operation:?}"));
            operations = operations.and(Operations::parse(operation).ok_or_else(unknown)?);
        }
        if operations.is_empty() {
            return Err(refuse("operations", "name at least one operation".into()));
        }
        let vhost = vhost.map(String::into_boxed_str);
        Ok((RuleScope { subject, kind, name, vhost, address, effect }, operations))
    }
}

/// A rule as it stands.
#[derive(Serialize, ToSchema)]
pub struct RuleDescription {
    /// Names it; it is made of whom and what the rule is for.
    #[schema(pattern = "^[0-9a-f]{20}$", example = "00112233445566778899")]
    id: String,
    /// Whom it is for.
    #[schema(example = "user:alice")]
    principal: String,
    /// What it is about.
    resource: ResourceBody,
    /// What may be done; nothing when the rule is gone.
    #[schema(value_type = Vec<OperationName>)]
    operations: Vec<String>,
    /// Whether it allows or denies.
    #[schema(value_type = EffectName)]
    effect: String,
    /// Only from this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    address: Option<String>,
}

impl RuleDescription {
    fn of((scope, operations): (&RuleScope, Operations)) -> RuleDescription {
        RuleDescription {
            id: scope.id(),
            principal: scope.subject.to_string(),
            resource: ResourceBody {
                kind: scope.kind.as_str().to_owned(),
                name: Some(scope.name.text().to_owned()),
                name_match: scope.name.kind().to_owned(),
                vhost: scope.vhost.as_deref().map(str::to_owned),
            },
            operations: operations.names().into_iter().map(str::to_owned).collect(),
            effect: if scope.effect == Effect::Allow { allow() } else { "deny".into() },
            address: scope.address.map(|address| address.to_string()),
        }
    }
}

/// Rules to be added or taken away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesBody {
    /// In any order; all of them or none.
    #[schema(min_items = 1, max_items = 1000)]
    rules: Vec<RuleBody>,
}

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
    #[param(required = false, min_length = 1, max_length = 261, example = "user:alice")]
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
    let (parts, body) = request.into_parts();
    Query::parse(parts.uri.query(), &[])?;
    let body: RulesBody = document::read(api, &parts.headers, body).await?;
    if body.rules.is_empty() {
        return Err(Problem::invalid("/rules", "name at least one rule"));
    }
    let read = body.rules.into_iter().enumerate().map(|(at, rule)| rule.read(at));
    Ok(read.collect::<Result<Vec<_>, _>>()?)
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
