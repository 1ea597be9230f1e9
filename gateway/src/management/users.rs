//! Users and permissions, for reading: `guest` may do everything until there are users, then administrators may.
//! Rules say more than RabbitMQ's permissions can, so nobody else's are shown.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::Management;
use super::failure::Failure;
use super::listing::Listing;
use crate::amqp::login::GUEST;
use crate::auth::User;
use crate::http::reply;

fn described(name: &str, tags: &[&str]) -> Value {
    json!({
        "name": name, "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": tags, "limits": {},
    })
}

fn describe(user: &User) -> Value {
    let administrator = user.admin.then_some("administrator");
    let others = user.tags.iter().map(|tag| &**tag).filter(|tag| Some(*tag) != administrator);
    let tags: Vec<&str> = administrator.into_iter().chain(others).collect();
    described(&user.name, &tags)
}

/// All users.
pub fn all(management: &Management) -> Vec<Value> {
    let (_, identities) = management.topics().guard().seen();
    if !identities.has_users() {
        return vec![described(GUEST, &["administrator"])];
    }
    identities.users().map(|user| describe(user)).collect()
}

/// The permissions of everybody who may do everything.
pub fn all_permissions(management: &Management) -> Vec<Value> {
    let (_, identities) = management.topics().guard().seen();
    let admins = identities.users().filter(|user| user.admin).map(|user| &*user.name);
    let names: Vec<&str> = if identities.has_users() { admins.collect() } else { vec![GUEST] };
    let hosts = management.topics().list_virtual_hosts(None, usize::MAX);
    let of_host = |vhost: &_| {
        let of_user = |user: &&str| json!({"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"});
        names.iter().map(of_user).collect::<Vec<_>>()
    };
    hosts.iter().flat_map(of_host).collect()
}

/// `GET /api/users`
pub async fn list(State(management): State<Management>, listing: Listing) -> Result<Response, Failure> {
    listing.all(all(&management))
}

/// `GET /api/users/{user}`
pub async fn one(
    State(management): State<Management>,
    Path(user): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    let found = all(&management).into_iter().find(|known| known["name"] == user.as_str());
    found.map(|user| listing.one(user)).ok_or(Failure::NotFound)
}

/// `GET /api/permissions`
pub async fn permissions(
    State(management): State<Management>,
    listing: Listing,
) -> Result<Response, Failure> {
    listing.all(all_permissions(&management))
}

/// `GET /api/users/{user}/permissions`
pub async fn permissions_of_user(
    State(management): State<Management>,
    Path(user): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    if !all(&management).iter().any(|known| known["name"] == user.as_str()) {
        return Err(Failure::NotFound);
    }
    let all = all_permissions(&management).into_iter();
    listing.all(all.filter(|permission| permission["user"] == user.as_str()).collect())
}

/// `GET /api/vhosts/{vhost}/permissions`
pub async fn permissions_of_vhost(
    State(management): State<Management>,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    let all = all_permissions(&management).into_iter();
    listing.all(all.filter(|permission| permission["vhost"] == vhost.as_str()).collect())
}

/// `GET /api/permissions/{vhost}/{user}`
pub async fn permission(
    State(management): State<Management>,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let wanted =
        |permission: &Value| permission["vhost"] == vhost.as_str() && permission["user"] == user.as_str();
    let found = all_permissions(&management).into_iter().find(wanted);
    found.map(|permission| reply::json(StatusCode::OK, &permission)).ok_or(Failure::NotFound)
}

/// Every change.
pub async fn refuse() -> Failure {
    Failure::bad(
        "users and permissions are changed at /v1/users and /v1/acls, or with `sluice user` and `sluice acl`",
    )
}
