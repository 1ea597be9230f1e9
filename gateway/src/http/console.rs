//! The console: one page, without a framework, part of the binary. It uses the same endpoints as everyone.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::operations::Operations;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and what it loads.
pub fn pages() -> Router<Operations> {
    Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", include_str!("../console/index.html")) }))
        .route(
            "/console.js",
            get(|| async { file("text/javascript; charset=utf-8", include_str!("../console/console.js")) }),
        )
        .route(
            "/console.css",
            get(|| async { file("text/css; charset=utf-8", include_str!("../console/console.css")) }),
        )
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
