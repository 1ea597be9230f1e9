//! Health: whether the process lives, and whether it should get traffic.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::operations::Operations;
use super::unavailable::unavailable;

/// Whether the process lives
///
/// Answers as soon as the port is open, while data is recovered and while the server goes down. Restart the process
/// when it does not.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "live",
    tag = "operations",
    responses((status = 200, description = "It lives", body = String, content_type = "text/plain"))
)]
pub async fn live() -> Response {
    ok()
}

/// Whether the server should get requests
///
/// Not while it recovers its data or goes down, not when its disk is full, not after its storage failed.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "operations",
    responses(
        (status = 200, description = "It is ready", body = String, content_type = "text/plain"),
        (status = 503, description = "It is not, and why", content_type = "application/problem+json"),
    )
)]
pub async fn ready(State(operations): State<Operations>) -> Response {
    match operations.readiness() {
        Ok(()) => ok(),
        Err(refusal) => unavailable(&refusal),
    }
}

fn ok() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], "ok\n")
        .into_response()
}
