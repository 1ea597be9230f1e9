//! Who asks, what the cluster of one is called, and what there is beside the API.

use axum::Extension;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::Management;
use super::failure::Failure;
use super::login::Asker;
use crate::http::reply;

/// The name of the cluster of one; the same as in AMQP's `server-properties`.
pub const CLUSTER: &str = "sluice";

/// `GET /api/whoami`
pub async fn whoami(Extension(asker): Extension<Asker>) -> Response {
    reply::json(StatusCode::OK, &json!({"name": asker.name, "tags": asker.tags}))
}

/// `GET /api/auth`: there is no OAuth.
pub async fn auth() -> Response {
    reply::json(StatusCode::OK, &json!({"oauth_enabled": false}))
}

/// `GET /api/extensions`: there are none.
pub async fn extensions() -> Response {
    reply::json(StatusCode::OK, &json!([]))
}

/// `GET /api/feature-flags`: everything is always on.
pub async fn feature_flags() -> Response {
    reply::json(StatusCode::OK, &json!([]))
}

/// `GET /api/cluster-name`
pub async fn cluster_name() -> Response {
    reply::json(StatusCode::OK, &json!({"name": CLUSTER}))
}

/// `PUT /api/cluster-name`
pub async fn rename(_: Management) -> Failure {
    Failure::bad("the cluster's name cannot be changed: Sluice is always one node")
}
