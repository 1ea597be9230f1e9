//! Permissions of users in virtual hosts: views of their rules. And topic permissions, on routing keys.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::login::Asker;
use super::{Management, requests, users};
use crate::auth::routing_keys::{TopicPermission, TopicScope};
use crate::auth::{GUEST, HostPermissions};
use crate::http::reply;
use crate::refusal::Refusal;
use crate::topics::Created;

/// How RabbitMQ calls the exchange without a name where it needs one.
const DEFAULT_EXCHANGE: &str = "amq.default";

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
fn with(all: Vec<Value>, member: &str, value: &str) -> Vec<Value> {
    all.into_iter().filter(|permission| permission[member] == value).collect()
}

/// `GET /api/permissions`
pub async fn list(State(management): State<Management>, listing: Listing) -> Result<Response, Failure> {
    listing.all(all(&management))
}

/// `GET /api/users/{user}/permissions`
pub async fn of_user(
    State(management): State<Management>,
    Path(user): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    check_user(&management, &user)?;
    listing.all(with(all(&management), "user", &user))
}

/// `GET /api/vhosts/{vhost}/permissions`
pub async fn of_vhost(
    State(management): State<Management>,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    listing.all(with(all(&management), "vhost", &vhost))
}

/// `GET /api/permissions/{vhost}/{user}`
pub async fn one(
    State(management): State<Management>,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    let permissions = of(&management, &user, &vhost).ok_or(Failure::NotFound)?;
    Ok(reply::json(StatusCode::OK, &described(&user, &vhost, &permissions)))
}

/// `PUT /api/permissions/{vhost}/{user}`
pub async fn put(
    State(management): State<Management>,
    Extension(asker): Extension<Asker>,
    Path((vhost, user)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    set(&management, &asker, (&vhost, &user), &object).await.map(requests::put)
}

/// What a body says of permissions.
pub fn read(object: &Map<String, Value>) -> Result<HostPermissions, Failure> {
    let part = |name| requests::needed_text(object, name).map(str::to_owned);
    Ok(HostPermissions { configure: part("configure")?, write: part("write")?, read: part("read")? })
}

/// Sets permissions, whatever they were.
pub async fn set(
    management: &Management,
    asker: &Asker,
    (vhost, user): (&str, &str),
    object: &Map<String, Value>,
) -> Result<Created, Failure> {
    let permissions = read(object)?;
    check_both(management, vhost, user)?;
    let topics = management.topics().acting_for(asker.pass.clone());
    if !topics.guard().seen().1.has_users() && permissions == HostPermissions::everything() {
        // What the default user may do anyway.
        return Ok(Created::Same);
    }
    topics.set_host_permissions(user, vhost, Some(permissions)).await.map_err(|refusal| unset(refusal, user))
}

/// `DELETE /api/permissions/{vhost}/{user}`: keeps the user from the virtual host.
pub async fn delete(
    State(management): State<Management>,
    Extension(asker): Extension<Asker>,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    of(&management, &user, &vhost).ok_or(Failure::NotFound)?;
    let topics = management.topics().acting_for(asker.pass.clone());
    let (_, identities) = topics.guard().seen();
    if HostPermissions::of(&identities, &user, &vhost).is_none() {
        let why = format!("{user} is an administrator, who may do everything; take the tag away");
        return Err(Failure::bad(why));
    }
    topics.set_host_permissions(&user, &vhost, None).await?;
    Ok(requests::done())
}

fn check_user(management: &Management, user: &str) -> Result<(), Failure> {
    if users::is_known(management, user) { Ok(()) } else { Err(Failure::NotFound) }
}

fn check_both(management: &Management, vhost: &str, user: &str) -> Result<(), Failure> {
    let are_known = management.host(vhost).is_ok() && users::is_known(management, user);
    if are_known { Ok(()) } else { Err(Failure::bad("vhost_or_user_not_found")) }
}

fn unset(refusal: Refusal, user: &str) -> Failure {
    match refusal.code {
        ErrorCode::UnknownUser if user == GUEST => {
            Failure::bad("guest may do everything as long as there are no users; make an administrator first")
        }
        ErrorCode::UnknownUser => Failure::bad("vhost_or_user_not_found"),
        ErrorCode::InvalidPattern => Failure::Bad(json!(["invalid_regexp", refusal.detail])),
        _ => refusal.into(),
    }
}

/// All topic permissions.
pub fn all_of_topics(management: &Management) -> Vec<Value> {
    let (_, identities) = management.topics().guard().seen();
    let described = |(scope, permission): (&TopicScope, &TopicPermission)| {
        let TopicScope { user, vhost, exchange } = scope;
        let TopicPermission { write, read } = permission;
        json!({"user": user, "vhost": vhost, "exchange": exchange, "write": write, "read": read})
    };
    identities.topic_permissions().map(described).collect()
}

/// `GET /api/topic-permissions`
pub async fn list_of_topics(
    State(management): State<Management>,
    listing: Listing,
) -> Result<Response, Failure> {
    listing.all(all_of_topics(&management))
}

/// `GET /api/users/{user}/topic-permissions`
pub async fn topics_of_user(
    State(management): State<Management>,
    Path(user): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    check_user(&management, &user)?;
    listing.all(with(all_of_topics(&management), "user", &user))
}

/// `GET /api/vhosts/{vhost}/topic-permissions`
pub async fn topics_of_vhost(
    State(management): State<Management>,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    listing.all(with(all_of_topics(&management), "vhost", &vhost))
}

fn topics_of(management: &Management, vhost: &str, user: &str) -> Result<Vec<Value>, Failure> {
    management.host(vhost)?;
    let found = with(with(all_of_topics(management), "user", user), "vhost", vhost);
    if found.is_empty() { Err(Failure::NotFound) } else { Ok(found) }
}

/// `GET /api/topic-permissions/{vhost}/{user}`
pub async fn topics_of_both(
    State(management): State<Management>,
    Path((vhost, user)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    listing.all(topics_of(&management, &vhost, &user)?)
}

/// `PUT /api/topic-permissions/{vhost}/{user}`
pub async fn put_topic(
    State(management): State<Management>,
    Extension(asker): Extension<Asker>,
    Path((vhost, user)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    set_topic(&management, &asker, (&vhost, &user), &object).await.map(requests::put)
}

/// What a body says of a topic permission: the exchange, and what is allowed there.
pub fn read_topic(object: &Map<String, Value>) -> Result<(Box<str>, TopicPermission), Failure> {
    let part = |name| requests::needed_text(object, name).map(Box::from);
    let exchange: Box<str> = part("exchange")?;
    let exchange = if &*exchange == DEFAULT_EXCHANGE { "".into() } else { exchange };
    Ok((exchange, TopicPermission { write: part("write")?, read: part("read")? }))
}

/// Sets a topic permission, whatever it was.
pub async fn set_topic(
    management: &Management,
    asker: &Asker,
    (vhost, user): (&str, &str),
    object: &Map<String, Value>,
) -> Result<Created, Failure> {
    let (exchange, permission) = read_topic(object)?;
    check_both(management, vhost, user)?;
    let topics = management.topics().acting_for(asker.pass.clone());
    let scope = TopicScope { user: user.into(), vhost: vhost.into(), exchange };
    // As in RabbitMQ, what is made is the first of them in the virtual host.
    let is_first = topics_of(management, vhost, user).is_err();
    topics.set_topic_permission(scope, Some(permission)).await.map_err(|refusal| unset(refusal, user))?;
    Ok(if is_first { Created::Made } else { Created::Same })
}

/// `DELETE /api/topic-permissions/{vhost}/{user}`
pub async fn delete_topics(
    State(management): State<Management>,
    Extension(asker): Extension<Asker>,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<Response, Failure> {
    for found in topics_of(&management, &vhost, &user)? {
        let exchange = found["exchange"].as_str().unwrap_or_default();
        forget_topic(&management, &asker, (&vhost, &user), exchange).await?;
    }
    Ok(requests::done())
}

/// `DELETE /api/topic-permissions/{vhost}/{user}/{exchange}`
pub async fn delete_topic(
    State(management): State<Management>,
    Extension(asker): Extension<Asker>,
    Path((vhost, user, exchange)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    topics_of(&management, &vhost, &user)?;
    let exchange = if exchange == DEFAULT_EXCHANGE { "" } else { &exchange };
    forget_topic(&management, &asker, (&vhost, &user), exchange).await?;
    Ok(requests::done())
}

async fn forget_topic(
    management: &Management,
    asker: &Asker,
    (vhost, user): (&str, &str),
    exchange: &str,
) -> Result<(), Failure> {
    let scope = TopicScope { user: user.into(), vhost: vhost.into(), exchange: exchange.into() };
    let topics = management.topics().acting_for(asker.pass.clone());
    topics.set_topic_permission(scope, None).await?;
    Ok(())
}
