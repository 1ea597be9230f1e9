//! The problem document (RFC 9457) as bytes.

use crate::codec::render::{integer, string};
use crate::errors::{PROBLEM_TYPE_PREFIX, default_retry_after_ms, mapping};
use crate::refusal::Refusal;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Codes that only HTTP knows: code, status, when.
pub const HTTP_ONLY: [(&str, u16, &str); 8] = [
    (
        "origin_not_allowed",
        403,
        "a page of another origin may not do this: see `http.cors_origins`, `ws.allowed_origins`",
    ),
    ("not_found", 404, "no such path"),
    ("method_not_allowed", 405, "the path does not take this method; `Allow` lists those it takes"),
    ("not_acceptable", 406, "none of the media types in `Accept` is on offer"),
    ("request_timeout", 408, "the request did not arrive in time"),
    ("precondition_failed", 412, "`If-Match` names another version"),
    ("unsupported_media_type", 415, "the path does not take this `Content-Type`"),
    ("headers_too_large", 431, "the request's header fields are too large"),
];

/// The members of a problem document, whether it stems from a refusal or from HTTP itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemParts<'a> {
    /// HTTP status.
    pub status: u16,
    /// Stable name of the problem.
    pub code: &'a str,
    /// What the code means, the same every time.
    pub title: &'a str,
    /// What happened this time and what to do.
    pub detail: &'a str,
    /// The field, parameter or header at fault.
    pub field: Option<&'a str>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When.
    pub retry_after_ms: Option<u64>,
}

impl<'a> ProblemParts<'a> {
    /// What a refusal becomes.
    #[must_use]
    pub fn of(refusal: &'a Refusal) -> ProblemParts<'a> {
        let row = mapping(refusal.code);
        ProblemParts {
            status: row.status,
            code: refusal.code.as_str(),
            title: row.title,
            detail: &refusal.detail,
            field: refusal.field.as_deref(),
            retryable: refusal.code.is_retryable(),
            retry_after_ms: refusal.retry_after_ms.or_else(|| default_retry_after_ms(refusal.code)),
        }
    }

    /// Appends the document.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(PROBLEM_TYPE_PREFIX.as_bytes());
        out.extend_from_slice(self.code.as_bytes());
        out.extend_from_slice(b"\",\"title\":");
        string(out, self.title);
        out.extend_from_slice(b",\"status\":");
        integer(out, self.status);
        out.extend_from_slice(b",\"detail\":");
        string(out, self.detail);
        out.extend_from_slice(b",\"code\":");
        string(out, self.code);
        out.extend_from_slice(b",\"retryable\":");
        out.extend_from_slice(if self.retryable { b"true" } else { b"false" });
        if let Some(field) = self.field {
            out.extend_from_slice(b",\"field\":");
            string(out, field);
        }
        if let Some(ms) = self.retry_after_ms {
            out.extend_from_slice(b",\"retry_after_ms\":");
            integer(out, ms);
        }
        out.push(b'}');
    }
}

/// Appends the problem document of a refusal.
pub fn write(out: &mut Vec<u8>, refusal: &Refusal) {
    ProblemParts::of(refusal).write(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::ErrorCode;

    #[test]
    fn a_document_has_the_members_of_the_contract() {
        let mut out = Vec::new();
        write(&mut out, &Refusal::invalid("/messages/0/key", "a \"bad\" key"));
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["status"], 400);
        assert_eq!(json["code"], "invalid_request");
        assert_eq!(json["type"], "urn:sluice:problem:invalid_request");
        assert_eq!(json["field"], "/messages/0/key");
        assert_eq!(json["retryable"], false);
        assert_eq!(json["detail"], "a \"bad\" key");
        out.clear();
        write(&mut out, &Refusal::new(ErrorCode::DiskFull, "full").retry_after(7));
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((json["retry_after_ms"].as_u64(), json["retryable"].as_bool()), (Some(7), Some(true)));
    }
}
