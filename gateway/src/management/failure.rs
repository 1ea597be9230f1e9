use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use message::ErrorCode;
use serde_json::{Value, json};

use crate::amqp::error::{AmqpError, ReplyCode};
use crate::http::reply;
use crate::refusal::Refusal;

/// Why a request has no better answer, in RabbitMQ's form.
#[derive(Debug, PartialEq)]
pub enum Failure {
    /// 404: what the path names is not there.
    NotFound,
    /// 404: what the request refers to is not there.
    Missing(String),
    /// 400, with the reason.
    Bad(Value),
    /// 400, because of what was asked of a list.
    List {
        /// What kind of mistake it is.
        error: &'static str,
        /// Which exactly.
        reason: String,
    },
    /// 401: nobody may do this.
    Refused,
    /// 401: whoever asks may not; with what they are not.
    NotTagged(&'static str),
    /// 401: who are you?
    Login {
        /// Whether the client said who it is.
        tried: bool,
    },
    /// 413: the body.
    TooLarge(String),
    /// 503: not now.
    Unavailable {
        /// Why.
        reason: String,
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// 500.
    Internal(String),
}

impl Failure {
    /// 400 with a sentence.
    pub fn bad(reason: impl Into<String>) -> Failure {
        Failure::Bad(Value::String(reason.into()))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let Refusal { code, detail, retry_after_ms, .. } = refusal;
        match code {
            ErrorCode::UnknownTopic | ErrorCode::UnknownExchange | ErrorCode::UnknownBinding => {
                Failure::Missing(detail)
            }
            ErrorCode::UnknownVirtualHost => Failure::Missing("vhost_not_found".to_owned()),
            ErrorCode::UnknownPolicy => Failure::NotFound,
            ErrorCode::ShuttingDown
            | ErrorCode::LoginUnavailable
            | ErrorCode::Overloaded
            | ErrorCode::DiskFull
            | ErrorCode::LowMemory => {
                Failure::Unavailable { reason: detail, retry_after_ms: retry_after_ms.unwrap_or(1000) }
            }
            ErrorCode::Internal | ErrorCode::StorageFailed => Failure::Internal(detail),
            _ => Failure::bad(detail),
        }
    }
}

impl From<AmqpError> for Failure {
    fn from(error: AmqpError) -> Failure {
        let reason = words(&error).to_owned();
        match error.code {
            ReplyCode::NotFound => Failure::Missing(reason),
            ReplyCode::AccessRefused => Failure::Refused,
            ReplyCode::ResourceError | ReplyCode::ConnectionForced => {
                Failure::Unavailable { reason, retry_after_ms: 1000 }
            }
            ReplyCode::InternalError => Failure::Internal(reason),
            _ => Failure::bad(reason),
        }
    }
}

/// An error's text without its code's name.
pub fn words(error: &AmqpError) -> &str {
    error
        .text
        .strip_prefix(error.code.name())
        .and_then(|rest| rest.strip_prefix(" - "))
        .unwrap_or(&error.text)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error, reason) = match self {
            Failure::NotFound => (StatusCode::NOT_FOUND, "Object Not Found", json!("Not Found")),
            Failure::Missing(reason) => (StatusCode::NOT_FOUND, "not_found", json!(reason)),
            Failure::Bad(reason) => (StatusCode::BAD_REQUEST, "bad_request", reason),
            Failure::List { error, reason } => (StatusCode::BAD_REQUEST, error, json!(reason)),
            Failure::Refused => (StatusCode::UNAUTHORIZED, "not_authorised", json!("Access refused.")),
            Failure::NotTagged(tag) => {
                (StatusCode::UNAUTHORIZED, "not_authorised", json!(format!("Not {tag} user")))
            }
            Failure::Login { tried } => return login(tried),
            Failure::TooLarge(reason) => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", json!(reason)),
            Failure::Unavailable { reason, retry_after_ms } => {
                let body = json!({"error": "service_unavailable", "reason": reason});
                let mut response = reply::json(StatusCode::SERVICE_UNAVAILABLE, &body);
                let seconds = HeaderValue::from(retry_after_ms.div_ceil(1000).max(1));
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
                return response;
            }
            Failure::Internal(reason) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", json!(reason))
            }
        };
        reply::json(status, &json!({"error": error, "reason": reason}))
    }
}

fn login(tried: bool) -> Response {
    let mut response = match tried {
        true => {
            let body = json!({"error": "not_authorized", "reason": "Login failed"});
            reply::json(StatusCode::UNAUTHORIZED, &body)
        }
        false => StatusCode::UNAUTHORIZED.into_response(),
    };
    // Tools look up by this name what to log in with.
    let realm = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    response
}
