//! Refusals as RFC 9457 problem documents, and HTTP's own ones in the same form.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use message::ErrorCode;

use crate::codec::problem::{HTTP_ONLY, PROBLEM_JSON, ProblemParts};
use crate::refusal::Refusal;

/// Why a request has no better answer. One pointer wide, since it is the error of every handler.
#[derive(Debug)]
pub struct Problem(Box<Cause>);

#[derive(Debug)]
enum Cause {
    Refused(Refusal),
    /// A row of `HTTP_ONLY` by its code.
    OfHttp {
        code: &'static str,
        title: &'static str,
        detail: String,
        field: Option<&'static str>,
    },
}

impl Problem {
    /// The request does not follow the documented form, in `field`.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Problem {
        Refusal::invalid(field, detail).into()
    }

    fn of_http(
        code: &'static str,
        title: &'static str,
        detail: String,
        field: Option<&'static str>,
    ) -> Problem {
        Problem(Box::new(Cause::OfHttp { code, title, detail, field }))
    }

    /// 415: the endpoint does not read what the request says it carries.
    #[must_use]
    pub fn unsupported_media_type(detail: String) -> Problem {
        Problem::of_http("unsupported_media_type", "Unsupported media type", detail, Some("Content-Type"))
    }

    /// 415: the body is compressed.
    #[must_use]
    pub fn unsupported_content_encoding() -> Problem {
        let detail = "compressed bodies are not read; send it as it is".to_owned();
        Problem::of_http("unsupported_media_type", "Unsupported media type", detail, Some("Content-Encoding"))
    }

    /// 406: the endpoint cannot answer in any form that the request accepts.
    #[must_use]
    pub fn not_acceptable(offered: &[&str]) -> Problem {
        let detail = format!("the answer can be had as {}", offered.join(", "));
        Problem::of_http("not_acceptable", "Nothing acceptable on offer", detail, Some("Accept"))
    }

    /// 412: the version named in `If-Match` is not the current one.
    #[must_use]
    pub fn precondition_failed(current: &str) -> Problem {
        let detail = format!("the version is now {current}: read it again, then repeat the change");
        Problem::of_http("precondition_failed", "It has changed meanwhile", detail, Some("If-Match"))
    }

    /// 403: a page of another origin wants to change something.
    #[must_use]
    pub fn origin_not_allowed() -> Problem {
        let detail = "pages of this origin may change nothing here; `http.cors_origins` names those that may"
            .to_owned();
        Problem::of_http("origin_not_allowed", "Pages of this origin may not do this", detail, Some("Origin"))
    }

    /// 413: the body as a whole.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Problem {
        let detail = format!("the body may have at most {limit} bytes; split it, or stream it as NDJSON");
        Refusal::new(ErrorCode::TooLarge, detail).into()
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.with_parts(|parts| parts.status)
    }

    fn with_parts<T>(&self, use_parts: impl FnOnce(&ProblemParts<'_>) -> T) -> T {
        match &*self.0 {
            Cause::Refused(refusal) => use_parts(&ProblemParts::of(refusal)),
            Cause::OfHttp { code, title, detail, field } => {
                let status = HTTP_ONLY.iter().find(|(have, ..)| have == code).map_or(400, |row| row.1);
                use_parts(&ProblemParts {
                    status,
                    code,
                    title,
                    detail,
                    field: *field,
                    retryable: false,
                    retry_after_ms: None,
                })
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem(Box::new(Cause::Refused(refusal)))
    }
}

impl From<Box<Refusal>> for Problem {
    fn from(refusal: Box<Refusal>) -> Problem {
        Problem::from(*refusal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.with_parts(|parts| {
            let mut document = Vec::with_capacity(256);
            parts.write(&mut document);
            let mut response = Response::new(Body::from(document));
            *response.status_mut() =
                StatusCode::from_u16(parts.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
            if parts.status == 401 {
                for challenge in ["Basic realm=\"sluice\", charset=\"UTF-8\"", "Bearer realm=\"sluice\""] {
                    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                }
            }
            if let Some(ms) = parts.retry_after_ms {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
            }
            response
        })
    }
}

/// The answer where there is nothing.
pub async fn no_such_path() -> Problem {
    let detail = "there is nothing at this path; /docs lists what there is".to_owned();
    Problem::of_http("not_found", "No such path", detail, None)
}

/// The answer to a method that a path does not take. The router adds `Allow`.
pub async fn no_such_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("this path does not take {method}; the header Allow lists what it takes");
    Problem::of_http("method_not_allowed", "Method not allowed", detail, None).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_headers_follow_the_table() {
        let busy = Problem::from(Refusal::new(ErrorCode::Overloaded, "slow down").retry_after(1200));
        let response = busy.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(Problem::not_acceptable(&["application/json"]).status(), 406);
        assert_eq!(Problem::precondition_failed("\"1\"").status(), 412);
        assert_eq!(Problem::unsupported_media_type(String::new()).status(), 415);
        assert_eq!(Problem::body_too_large(1).status(), 413);
    }
}
