//! Topic permissions: which routing keys a user may use with an exchange.

use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::grants::{Grant, check_both, not_given, with};
use super::listing::Listing;
use super::{Management, requests};
use crate::auth::routing_keys::{TopicPermission, TopicScope};
use crate::topics::Created;

/// How RabbitMQ calls the exchange without a name where it needs one.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// Which routing keys a user may use with an exchange.
pub struct TopicPermissions;

impl Grant for TopicPermissions {
    fn all(management: &Management) -> Vec<Value> {
        all(management)
    }
}

/// All topic permissions.
pub fn all(management: &Management) -> Vec<Value> {
    let (_, identities) = management.topics().guard().seen();
    let described = |(scope, permission): (&TopicScope, &TopicPermission)| {
        let TopicScope { user, vhost, exchange } = scope;
        let TopicPermission { write, read } = permission;
        json!({"user": user, "vhost": vhost, "exchange": exchange, "write": write, "read": read})
    };
    identities.topic_permissions().map(described).collect()
}

fn of(management: &Management, vhost: &str, user: &str) -> Result<Vec<Value>, Failure> {
    management.host(vhost)?;
    let found = with(with(all(management), "user", user), "vhost", vhost);
    if found.is_empty() { Err(Failure::NotFound) } else { Ok(found) }
}

/// `GET /api/topic-permissions/{vhost}/{user}`
pub async fn one(
    management: Management,
    Path((vhost, user)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    listing.all(of(&management, &vhost, &user)?)
}

/// `PUT /api/topic-permissions/{vhost}/{user}`
pub async fn put(
    management: Management,
    Path((vhost, user)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    set(&management, (&vhost, &user), &object).await.map(requests::put)
}

/// What a body says of a topic permission: the exchange, and what is allowed there.
pub fn read(object: &Map<String, Value>) -> Result<(Box<str>, TopicPermission), Failure> {
    let part = |name| requests::needed_text(object, name).map(Box::from);
    let exchange: Box<str> = part("exchange")?;
    let exchange = if &*exchange == DEFAULT_EXCHANGE { "".into() } else { exchange };
    Ok((exchange, TopicPermission { write: part("write")?, read: part("read")? }))
}

/// Sets a topic permission, whatever it was.
pub async fn set(
    management: &Management,
    (vhost, user): (&str, &str),
    object: &Map<String, Value>,
) -> Result<Created, Failure> {
    let (exchange, permission) = read(object)?;
    check_both(management, vhost, user)?;
    let topics = management.topics();
    let scope = TopicScope { user: user.into(), vhost: vhost.into(), exchange };
    // As in RabbitMQ, what is made is the first of them in the virtual host.
    let is_first = of(management, vhost, user).is_err();
    topics.set_topic_permission(scope, Some(permission)).await.map_err(|refusal| not_given(refusal, user))?;
    Ok(if is_first { Created::Made } else { Created::Same })
}

/// `DELETE /api/topic-permissions/{vhost}/{user}`
pub async fn delete(
    management: Management,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<Response, Failure> {
    for found in of(&management, &vhost, &user)? {
        let exchange = found["exchange"].as_str().unwrap_or_default();
        forget(&management, (&vhost, &user), exchange).await?;
    }
    Ok(requests::done())
}

/// `DELETE /api/topic-permissions/{vhost}/{user}/{exchange}`
pub async fn delete_one(
    management: Management,
    Path((vhost, user, exchange)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    of(&management, &vhost, &user)?;
    let exchange = if exchange == DEFAULT_EXCHANGE { "" } else { &exchange };
    forget(&management, (&vhost, &user), exchange).await?;
    Ok(requests::done())
}

async fn forget(management: &Management, (vhost, user): (&str, &str), exchange: &str) -> Result<(), Failure> {
    let scope = TopicScope { user: user.into(), vhost: vhost.into(), exchange: exchange.into() };
    let topics = management.topics();
    topics.set_topic_permission(scope, None).await?;
    Ok(())
}
