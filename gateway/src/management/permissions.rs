//! Permissions of users in virtual hosts: views of their rules.

use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::grants::{Grant, check_both, not_given};
use super::{Management, requests};
use crate::auth::{GUEST, HostPermissions};
use crate::http::reply;
use crate::topics::Created;

/// The permissions of a user in a virtual host, as far as RabbitMQ has words for its rules. An administrator has all.
fn of(management: &Management, user: &str, vhost: &str) -> Option<HostPermissions> {
    let (_, identities) = management.topics().guard().seen();
    match identities.user(user) {
        Some(known) if known.admin => Some(HostPermissions::everything()),
        Some(_) => HostPermissions::of(&identities, user, vhost),
        None if user == GUEST && !identities.has_users() => Some(HostPermissions::everything()),
        None => None,
    }
}

fn described(user: &str, vhost: &str, permissions: &HostPermissions) -> Value {
    let [configure, write, read] = permissions.expressions();
    json!({"user": user, "vhost": vhost, "configure": configure, "write": write, "read": read})
}

/// Which resources of a virtual host a user may configure, write and read.
pub struct Permissions;

impl Grant for Permissions {
    fn all(management: &Management) -> Vec<Value> {
        all(management)
    }
}

/// The permissions of everybody.
pub fn all(management: &Management) -> Vec<Value> {
    let hosts = management.topics().list_virtual_hosts(None, usize::MAX);
    let (_, identities) = management.topics().guard().seen();
    let mut names: Vec<&str> = identities.users().map(|user| &*user.name).collect();
    if names.is_empty() {
        names.push(GUEST);
    }
    let in_host = |name: &str, host: &String| Some(described(name, host, &of(management, name, host)?));
    names.iter().flat_map(|name| hosts.iter().filter_map(move |host| in_host(name, host))).collect()
}

/// `GET /api/permissions/{vhost}/{user}`
pub async fn one(
    management: Management,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    let permissions = of(&management, &user, &vhost).ok_or(Failure::NotFound)?;
    Ok(reply::json(StatusCode::OK, &described(&user, &vhost, &permissions)))
}

/// `PUT /api/permissions/{vhost}/{user}`
pub async fn put(
    management: Management,
    Path((vhost, user)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    set(&management, (&vhost, &user), &object).await.map(requests::put)
}

/// What a body says of permissions.
pub fn read(object: &Map<String, Value>) -> Result<HostPermissions, Failure> {
    let part = |name| requests::needed_text(object, name).map(str::to_owned);
    Ok(HostPermissions { configure: part("configure")?, write: part("write")?, read: part("read")? })
}

/// Sets permissions, whatever they were.
pub async fn set(
    management: &Management,
    (vhost, user): (&str, &str),
    object: &Map<String, Value>,
) -> Result<Created, Failure> {
    let permissions = read(object)?;
    check_both(management, vhost, user)?;
    let topics = management.topics();
    if !topics.guard().seen().1.has_users() && permissions == HostPermissions::everything() {
        // What the default user may do anyway.
        return Ok(Created::Same);
    }
    topics
        .set_host_permissions(user, vhost, Some(permissions))
        .await
        .map_err(|refusal| not_given(refusal, user))
}

/// `DELETE /api/permissions/{vhost}/{user}`: keeps the user from the virtual host.
pub async fn delete(
    management: Management,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    of(&management, &user, &vhost).ok_or(Failure::NotFound)?;
    let topics = management.topics();
    let (_, identities) = topics.guard().seen();
    if HostPermissions::of(&identities, &user, &vhost).is_none() {
        let why = format!("{user} is an administrator, who may do everything; take the tag away");
        return Err(Failure::bad(why));
    }
    topics.set_host_permissions(&user, &vhost, None).await?;
    Ok(requests::done())
}
