//! Calls from pages of other origins: not allowed unless configured.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember the answer to its question.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Lets pages of `origins` call; `*` is any origin. Never with credentials. Without origins nothing is added.
pub fn allow(router: Router, origins: &[String]) -> Router {
    if origins.is_empty() {
        return router;
    }
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("sluice-transaction"),
        ])
        .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER])
        .max_age(REMEMBERED);
    router.layer(layer)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn allowed(origins: &[&str], origin: &str) -> Option<String> {
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        let router = allow(Router::new().route("/", get(|| async { "ok" })), &origins);
        let request = Request::get("/").header("origin", origin).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
        Some(response.headers().get("access-control-allow-origin")?.to_str().unwrap().to_string())
    }

    #[tokio::test]
    async fn only_configured_origins_are_allowed() {
        assert_eq!(allowed(&[], "https://a.example").await, None);
        assert_eq!(
            allowed(&["https://a.example"], "https://a.example").await,
            Some("https://a.example".into())
        );
        assert_eq!(allowed(&["https://a.example"], "https://b.example").await, None);
        assert_eq!(allowed(&["*"], "https://b.example").await, Some("*".into()));
    }
}
