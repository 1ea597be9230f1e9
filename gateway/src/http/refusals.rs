//! The problem documents of the endpoints, as the description has them.

use std::collections::BTreeMap;

use utoipa::openapi::response::Response;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::codec::problem::PROBLEM_JSON;

/// Why a request was not carried out (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[allow(dead_code)]
pub struct ProblemSchema {
    /// Names the kind of problem: `urn:sluice:problem:` and the code.
    #[schema(rename = "type", example = "urn:sluice:problem:unknown_topic")]
    r#type: String,
    /// The kind in words.
    title: String,
    /// The HTTP status; beside one of several results the status that it would have had alone.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time, and what to do.
    detail: String,
    /// The kind as programs compare it; `docs/errors.md` lists all.
    #[schema(example = "unknown_topic")]
    code: String,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// The field (a JSON pointer), parameter or header at fault.
    #[schema(required = false)]
    field: String,
    /// When to try again, in milliseconds.
    #[schema(required = false, minimum = 0)]
    retry_after_ms: u64,
}

fn refusal(status: u16) -> Response {
    let description = match status {
        400 => "The request is malformed; `field` says where",
        401 => "The server wants to know who you are, or the credentials are wrong",
        403 => "Not allowed, or reserved for Sluice itself",
        404 => "Something that the request names is not there",
        406 => "No form in `Accept` is on offer",
        408 => "The request took too long to arrive",
        409 => "It conflicts with what is there: the other model, other properties, or in use",
        410 => "The lease has ended",
        412 => "`If-Match` names another version",
        413 => "Too large",
        415 => "The endpoint does not read this content type",
        416 => "The partition does not hold this offset",
        422 => "The idempotency key was used for another request",
        429 => "Too much at once, a quota is used up, or the queue is full: slow down",
        500 => "A defect in Sluice, or damaged data",
        503 => "The server is starting, going down or low on memory, or its storage has failed",
        504 => "Timed out",
        507 => "No disk space for more messages",
        _ => "Refused",
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}

fn refusals(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    statuses.iter().map(|status| (status.to_string(), RefOr::T(refusal(*status)))).collect()
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)*;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                refusals(&[$($status),*])
            }
        }
    )*};
}

refusals! {
    /// Of endpoints that may want a login, and nothing else.
    LoginRefusals: 401 403 503;
    /// Of endpoints that only look.
    LookRefusals: 400 401 403 404 406 408 409 429 500 503;
    /// Of endpoints that read a log.
    ReadRefusals: 400 401 403 404 406 408 409 416 429 500 503;
    /// Of endpoints that change something.
    ChangeRefusals: 400 401 403 404 408 409 412 413 415 429 500 503 504 507;
    /// Of endpoints that commit offsets.
    CommitRefusals: 400 401 403 404 408 409 413 415 416 429 500 503 504 507;
    /// Of the endpoint that removes records.
    ShortenRefusals: 400 401 403 404 408 409 416 429 500 503 504 507;
    /// Of endpoints that publish.
    PublishRefusals: 400 401 403 404 406 408 409 413 415 422 429 500 503 504 507;
    /// Of endpoints that take or settle messages.
    TakeRefusals: 400 401 403 404 406 408 409 413 415 429 500 503 504 507;
}
