//! The description of the API and a page to explore it. Every asset is part of the binary.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::operations::Operations;

/// Nothing but what this server serves; nothing inline but styles, which the explorer sets on its elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The assets of Swagger UI that the page needs.
const ASSETS: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

/// What `GET /openapi.json` answers, built once.
static SPECIFICATION: LazyLock<String> = LazyLock::new(|| print(&super::specification()));

/// The description of the HTTP API: OpenAPI 3.1, pretty, the same on every run.
#[must_use]
pub fn specification() -> &'static str {
    &SPECIFICATION
}

fn print(api: &OpenApi) -> String {
    // A value's objects are sorted by key.
    let sorted = serde_json::to_value(api).unwrap_or_default();
    let mut text = serde_json::to_string_pretty(&sorted).unwrap_or_default();
    text.push('\n');
    text
}

/// This description
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], specification()).into_response()
}

/// The explorer's pages; not part of the description.
pub fn explorer() -> Router<Operations> {
    let index = || async { page("text/html; charset=utf-8", include_str!("docs/index.html")) };
    Router::new()
        .route("/docs", get(index))
        .route("/docs/", get(index))
        .route(
            "/docs/start.js",
            get(|| async { page("text/javascript; charset=utf-8", include_str!("docs/start.js")) }),
        )
        .route("/docs/{asset}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    if !ASSETS.contains(&name.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match utoipa_swagger_ui::serve(&name, Arc::new(Config::from("/openapi.json"))) {
        Ok(Some(file)) => {
            let bytes = match file.bytes {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            page(&file.content_type, bytes)
        }
        Ok(None) | Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn page(content_type: &str, body: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body.into()).into_response()
}
