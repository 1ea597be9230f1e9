//! Users and permissions: until any are configured, `guest` may do everything.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::Management;
use super::failure::Failure;
use super::listing::Listing;
use crate::amqp::login::GUEST;
use crate::http::reply;

/// All users.
pub fn all() -> Vec<Value> {
    vec![json!({
        "name": GUEST, "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["administrator"], "limits": {},
    })]
}

/// All permissions.
pub fn all_permissions(management: &Management) -> Vec<Value> {
    let hosts = management.topics().list_virtual_hosts(None, usize::MAX).into_iter();
    hosts
        .map(|vhost| json!({"user": GUEST, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}))
        .collect()
}

/// `GET /api/users`
pub async fn list(listing: Listing) -> Result<Response, Failure> {
    listing.all(all())
}

/// `GET /api/users/{user}`
pub async fn one(Path(user): Path<String>, listing: Listing) -> Result<Response, Failure> {
    let found = all().into_iter().find(|known| known["name"] == user.as_str());
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
    if user != GUEST {
        return Err(Failure::NotFound);
    }
    listing.all(all_permissions(&management))
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
    Failure::bad("users and permissions cannot be changed yet: guest may do everything")
}
