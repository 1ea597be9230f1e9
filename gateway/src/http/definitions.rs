//! What is defined, all of it at once: to be kept, or brought to another server.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::{ExchangeName, TopicName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Schema, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr};

use super::api::Api;
use super::exchange_shapes::{NewBinding, NewExchange};
use super::policy_shapes::{OperatorPolicyBody, PolicyBody};
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::topic_body::{self, TopicBody};
use super::{bindings, document, exchanges, policies, reply};
use crate::refusal::Refusal;
use crate::topics::{
    BindingSpec, Created, ExchangeSpec, PolicyKind, PolicySpec, TopicFilter, TopicSpec, Topics,
};

/// What begins the names of what makes itself.
const OWN: &str = "amq.";

/// Everything that is defined, by name: what is said of each is what PUT takes for one alone.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"exchanges": {"router": {"type": "topic"}}, "topics": {"orders": {"model": "queue"}},
    "bindings": [{"source": "router", "destination": "orders", "destination_type": "queue", "routing_key": "order.*"}]}))]
pub struct Definitions {
    /// The names of virtual hosts.
    #[schema(required = false, schema_with = hosts)]
    vhosts: Vec<String>,
    /// Exchanges by full name.
    #[schema(required = false, schema_with = by_name::<NewExchange>)]
    exchanges: BTreeMap<String, Value>,
    /// Queues and logs by full name.
    #[schema(required = false, schema_with = by_name::<TopicBody>)]
    topics: BTreeMap<String, Value>,
    /// Bindings.
    #[schema(required = false, value_type = Vec<NewBinding>)]
    bindings: Vec<Value>,
    /// Policies by virtual host, and in it by name.
    #[schema(required = false, schema_with = by_host::<PolicyBody>)]
    policies: BTreeMap<String, BTreeMap<String, Value>>,
    /// Operator policies likewise.
    #[schema(required = false, schema_with = by_host::<OperatorPolicyBody>)]
    operator_policies: BTreeMap<String, BTreeMap<String, Value>>,
}

fn keyed(longest: usize, value: RefOr<Schema>) -> ObjectBuilder {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(longest));
    let name = name.pattern(Some("^(?!\\.{1,2}$)[^\\u0000-\\u001f\\u007f-\\u009f]+$"));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(name))
        .additional_properties(Some(AdditionalProperties::RefOr(value)))
}

fn hosts() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).max_length(Some(127)).pattern(Some(
        "^(/|(?!\\.{1,2}$)[^\\u0000-\\u001f\\u007f-\\u009f]*[^/\\u0000-\\u001f\\u007f-\\u009f])$",
    ));
    ArrayBuilder::new().items(name).description(Some("The names of virtual hosts.")).build().into()
}

fn by_name<T: ToSchema>() -> Schema {
    keyed(255, RefOr::Ref(Ref::from_schema_name(T::name()))).build().into()
}

fn by_host<T: ToSchema>() -> Schema {
    keyed(127, RefOr::T(by_name::<T>())).build().into()
}

/// What became of definitions that were taken in.
#[derive(Default, Serialize, ToSchema)]
pub struct DefinitionsTaken {
    /// How many were made.
    made: usize,
    /// How many were there already; policies among them are now as they were sent.
    found: usize,
}

impl DefinitionsTaken {
    fn count(&mut self, created: Created) {
        match created {
            Created::Made => self.made += 1,
            Created::Same => self.found += 1,
        }
    }
}

/// Everything that is defined
///
/// Virtual hosts, exchanges, topics, bindings and policies that the client may see, with their settings and without what
/// they hold. What makes itself is left out: exchanges and queues called `amq.…`, and those of one connection alone.
#[utoipa::path(
    get,
    path = "/v1/definitions",
    operation_id = "getDefinitions",
    tag = "definitions",
    responses((status = 200, description = "All definitions", body = Definitions), LookRefusals)
)]
pub async fn get(api: Api, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(reply::json(StatusCode::OK, &all(api.topics()).await?))
}

async fn all(topics: &Topics) -> Result<Definitions, Refusal> {
    let every = usize::MAX;
    let is_own = |full: &str| topics.virtual_host_of(full).local(full).starts_with(OWN);
    let vhosts = topics.list_virtual_hosts(None, every);
    let mut all = Definitions { vhosts, ..Definitions::default() };
    for exchange in topics.list_exchanges(None, every, None).await? {
        if !is_own(&exchange.name) {
            all.exchanges.insert(exchange.name, json!(exchange.spec));
        }
    }
    for topic in topics.list(None, every, &TopicFilter::default()).await? {
        let is_anybodys = topic.queue_stats.is_none_or(|stats| !stats.exclusive);
        if is_anybodys && !is_own(&topic.name) {
            let settings = match topic.queue {
                Some(queue) => json!({"model": topic.model, "queue": queue}),
                None => json!({"model": topic.model, "log": topic.log}),
            };
            all.topics.insert(topic.name, settings);
        }
    }
    for binding in topics.list_bindings(None, every, None, None, None).await? {
        if !is_own(&binding.spec.destination) {
            all.bindings.push(json!(binding.spec));
        }
    }
    let kinds = [(PolicyKind::User, &mut all.policies), (PolicyKind::Operator, &mut all.operator_policies)];
    for (kind, section) in kinds {
        for policy in topics.list_policies(kind, None, None, every).await? {
            let spec = json!({
                "pattern": policy.pattern, "apply_to": policy.apply_to, "priority": policy.priority,
                "definition": policy.definition,
            });
            section.entry(policy.vhost).or_default().insert(policy.name, spec);
        }
    }
    Ok(all)
}

/// Take definitions in
///
/// What is there already stays; what differs from it is refused with 409. A body that is malformed anywhere changes nothing.
/// A definition that the state of the server forbids ends the import at its place, which `field` names: what came before it
/// is made, and repeating the import is harmless. Virtual hosts come first, then exchanges, logs, queues, bindings, policies.
#[utoipa::path(
    post,
    path = "/v1/definitions",
    operation_id = "takeDefinitions",
    tag = "definitions",
    request_body = Definitions,
    responses((status = 200, description = "All are there now", body = DefinitionsTaken), ChangeRefusals)
)]
pub async fn take(api: Api, request: Request) -> Result<Response, Problem> {
    let body = document::whole_of(&api, request).await?;
    let plan = Plan::read(document::convert(body)?, api.topics())?;
    Ok(reply::json(StatusCode::OK, &plan.carry_out(api.topics()).await?))
}

/// Definitions that were read and make sense, each with its place in the body.
#[derive(Default)]
struct Plan {
    vhosts: Vec<(String, String)>,
    exchanges: Vec<(String, ExchangeName, ExchangeSpec)>,
    logs: Vec<(String, TopicName, TopicSpec)>,
    queues: Vec<(String, TopicName, TopicSpec)>,
    bindings: Vec<(String, BindingSpec)>,
    policies: Vec<(String, PolicyKind, String, String, PolicySpec)>,
}

/// A place below another.
fn under(place: &str, name: &str) -> String {
    format!("{place}/{}", name.chars().take(255).collect::<String>().replace('~', "~0").replace('/', "~1"))
}

/// The same refusal with a pointer into the whole body.
fn within(place: &str) -> impl Fn(Refusal) -> Refusal + '_ {
    move |refusal| match refusal.field.as_deref() {
        Some(field) if field.starts_with('/') => {
            let field = format!("{place}{field}");
            refusal.in_field(field)
        }
        _ => refusal.in_field(place),
    }
}

impl Plan {
    fn read(definitions: Definitions, topics: &Topics) -> Result<Plan, Refusal> {
        let mut plan = Plan::default();
        for (at, name) in definitions.vhosts.into_iter().enumerate() {
            plan.vhosts.push((format!("/vhosts/{at}"), name));
        }
        for (name, body) in definitions.exchanges {
            let place = under("/exchanges", &name);
            let called = ExchangeName::new(&name).map_err(Refusal::from).map_err(within(&place))?;
            let spec = exchanges::spec(body).map_err(within(&place))?;
            plan.exchanges.push((place, called, spec));
        }
        for (name, body) in definitions.topics {
            let place = under("/topics", &name);
            let called = TopicName::new(&name).map_err(Refusal::from).map_err(within(&place))?;
            let spec = topic_body::spec(body).map_err(within(&place))?;
            match spec {
                TopicSpec::Queue(_) => plan.queues.push((place, called, spec)),
                TopicSpec::Log(_) => {
                    let local = TopicName::new(topics.virtual_host_of(&name).local(&name));
                    let checked = local.and_then(|local| local.check_for_log()).map_err(Refusal::from);
                    checked.map_err(within(&place))?;
                    plan.logs.push((place, called, spec));
                }
            }
        }
        for (at, body) in definitions.bindings.into_iter().enumerate() {
            let place = format!("/bindings/{at}");
            let spec = bindings::spec(body).map_err(within(&place))?;
            plan.bindings.push((place, spec));
        }
        let kinds = [
            (PolicyKind::User, "/policies", definitions.policies),
            (PolicyKind::Operator, "/operator_policies", definitions.operator_policies),
        ];
        for (kind, root, hosts) in kinds {
            for (host, named) in hosts {
                for (name, body) in named {
                    let place = under(&under(root, &host), &name);
                    let spec = policies::spec(body).map_err(within(&place))?;
                    plan.policies.push((place, kind, host.clone(), name, spec));
                }
            }
        }
        Ok(plan)
    }

    async fn carry_out(self, topics: &Topics) -> Result<DefinitionsTaken, Refusal> {
        let mut taken = DefinitionsTaken::default();
        for (place, name) in self.vhosts {
            taken.count(topics.create_virtual_host(&name).await.map_err(within(&place))?);
        }
        for (place, name, spec) in self.exchanges {
            taken.count(topics.declare_exchange(&name, spec).await.map_err(within(&place))?);
        }
        for (place, name, spec) in self.logs.into_iter().chain(self.queues) {
            let created = topics.create(&name, spec.clone()).await;
            let created = created.map_err(|refusal| topic_body::point_at(refusal, &spec));
            taken.count(created.map_err(within(&place))?);
        }
        for (place, spec) in self.bindings {
            taken.count(topics.bind(spec).await.map_err(within(&place))?.0);
        }
        for (place, kind, host, name, spec) in self.policies {
            taken.count(topics.put_policy(kind, &host, &name, spec).await.map_err(within(&place))?);
        }
        Ok(taken)
    }
}
