//! Answers with static headers.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use super::media::Form;

/// Bytes in one of the forms.
pub fn bytes(status: StatusCode, form: Form, bytes: Vec<u8>) -> Response {
    body(status, form, Body::from(bytes))
}

/// A body in one of the forms.
pub fn body(status: StatusCode, form: Form, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, form.header());
    response
}

/// A value as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // None of our own types can fail to serialize: their keys are strings.
    bytes(status, Form::Json, serde_json::to_vec(value).unwrap_or_default())
}

/// Nothing to say.
pub fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The same answer with a `Location`, where the text can be one.
pub fn located(mut response: Response, location: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}
