//! Parameters of what RabbitMQ has as plugins: shovels, and operators' policies, which have endpoints of their own.

use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::Management;
use super::failure::Failure;
use super::listing::Listing;
use super::{policies, requests, shovels};
use crate::http::reply;
use crate::topics::PolicyKind;

/// What operators' policies are called among parameters.
pub const OPERATOR_POLICY: &str = "operator_policy";

/// All parameters, of one virtual host if asked.
pub async fn all(management: &Management, vhost: Option<&str>) -> Result<Vec<Value>, Failure> {
    let policies = policies::all(management, PolicyKind::Operator, vhost).await?;
    let row = |policy| {
        let described: Value = policies::describe(policy);
        let member = |name: &str| described[name].clone();
        json!({
            "component": OPERATOR_POLICY, "vhost": member("vhost"), "name": member("name"),
            "value": {
                "pattern": member("pattern"), "definition": member("definition"),
                "priority": member("priority"), "apply-to": member("apply-to"),
            },
        })
    };
    let policies = policies.iter().map(row);
    Ok(policies.chain(shovels::definitions(management, vhost)?).collect())
}

/// `GET /api/parameters`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    listing.all(all(&management, None).await?)
}

/// `GET /api/parameters/{component}`
pub async fn of_component(
    management: Management,
    Path(component): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    let all = all(&management, None).await?;
    listing.all(all.into_iter().filter(|one| one["component"] == component.as_str()).collect())
}

/// `GET /api/parameters/{component}/{vhost}`
pub async fn of_vhost(
    management: Management,
    Path((component, vhost)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    let all = all(&management, Some(&vhost)).await?;
    listing.all(all.into_iter().filter(|one| one["component"] == component.as_str()).collect())
}

/// That there are no such parameters.
pub fn no_component(component: &str) -> Failure {
    Failure::bad(format!("Validation failed\n\ncomponent {component} not found\n"))
}

/// `PUT /api/parameters/{component}/{vhost}/{name}`
pub async fn put(
    management: Management,
    Path((component, vhost, name)): Path<(String, String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    management.topics().virtual_host(&vhost)?;
    if component != shovels::COMPONENT {
        return Err(no_component(&component));
    }
    let object = management.object(body).await?;
    let value = requests::needed(&object, "value")?;
    shovels::set(&management, (&vhost, &name), value).await.map(requests::put)
}

/// `GET /api/parameters/{component}/{vhost}/{name}`
pub async fn one(
    management: Management,
    Path((component, vhost, name)): Path<(String, String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    let all = all(&management, Some(&vhost)).await?;
    let mut found = all.into_iter().filter(|one| one["component"] == component.as_str());
    found.find(|one| one["name"] == name.as_str()).map(|one| listing.one(one)).ok_or(Failure::NotFound)
}

/// `DELETE /api/parameters/{component}/{vhost}/{name}`
pub async fn delete(
    management: Management,
    Path((component, vhost, name)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    if component != shovels::COMPONENT {
        return Err(Failure::NotFound);
    }
    let was_there = shovels::clear(&management, (&vhost, &name)).await?;
    if was_there { Ok(requests::done()) } else { Err(Failure::NotFound) }
}

/// `PUT /api/global-parameters/{name}`
pub async fn put_global() -> Failure {
    Failure::bad("there are no global parameters: nothing here would read them")
}

/// `PUT /api/vhost-limits/…` and `/api/user-limits/…`
pub async fn put_limit() -> Failure {
    Failure::bad(
        "virtual hosts and users have no limits of their own; see amqp.max_connections and the other limits",
    )
}

/// What is never there.
pub async fn none() -> Failure {
    Failure::NotFound
}

/// Lists that are always empty.
pub async fn empty() -> Response {
    reply::json(StatusCode::OK, &json!([]))
}
