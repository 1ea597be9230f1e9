//! Permissions of users in virtual hosts: views of their rules.

use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::{Management, requests, users};
use crate::auth::{GUEST, HostPermissions};
use crate::http::reply;
use crate::refusal::Refusal;
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

/// Those of a list of permissions in which a member has a value.
pub(super) fn with(all: Vec<Value>, member: &str, value: &str) -> Vec<Value> {
    all.into_iter().filter(|permission| permission[member] == value).collect()
}

/// `GET /api/permissions`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    listing.all(all(&management))
}

/// `GET /api/users/{user}/permissions`
pub async fn of_user(
    management: Management,
    Path(user): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    check_user(&management, &user)?;
    listing.all(with(all(&management), "user", &user))
}

/// `GET /api/vhosts/{vhost}/permissions`
pub async fn of_vhost(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    listing.all(with(all(&management), "vhost", &vhost))
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
    topics.set_host_permissions(user, vhost, Some(permissions)).await.map_err(|refusal| unset(refusal, user))
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

/// Refuses a user who is not there.
pub(super) fn check_user(management: &Management, user: &str) -> Result<(), Failure> {
    if users::is_known(management, user) { Ok(()) } else { Err(Failure::NotFound) }
}

/// Refuses a virtual host or a user who is not there, in RabbitMQ's words.
pub(super) fn check_both(management: &Management, vhost: &str, user: &str) -> Result<(), Failure> {
    let are_known = management.host(vhost).is_ok() && users::is_known(management, user);
    if are_known { Ok(()) } else { Err(Failure::bad("vhost_or_user_not_found")) }
}

/// Why permissions could not be set.
pub(super) fn unset(refusal: Refusal, user: &str) -> Failure {
    match refusal.code {
        ErrorCode::UnknownUser if user == GUEST => {
            Failure::bad("guest may do everything as long as there are no users; make an administrator first")
        }
        ErrorCode::UnknownUser => Failure::bad("vhost_or_user_not_found"),
        ErrorCode::InvalidPattern => Failure::Bad(json!(["invalid_regexp", refusal.detail])),
        _ => refusal.into(),
    }
}
