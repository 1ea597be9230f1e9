use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::codec::problem::{self, PROBLEM_JSON};
use crate::refusal::Refusal;

/// The answer when nothing can be served for now: starting, going down, full, or failed.
pub fn unavailable(refusal: &Refusal) -> Response {
    let mut body = Vec::with_capacity(256);
    problem::write(&mut body, refusal);
    let mut response = problem_response(StatusCode::SERVICE_UNAVAILABLE, body);
    if let Some(ms) = refusal.retry_after_ms {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
    }
    response
}

/// A problem document as a response.
pub fn problem_response(status: StatusCode, document: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response
}
