//! Path parameters, percent-decoded; what does not decode is a problem document like everything else.

use axum::extract::FromRequestParts;
use axum::extract::path::{ErrorKind, Path};
use axum::extract::rejection::PathRejection;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::refusal::Refusal;

/// The parameters of the path, as text: one `String`, or a tuple of them.
#[derive(Debug)]
pub struct At<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<At<T>, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(parameters)) => Ok(At(parameters)),
            Err(PathRejection::FailedToDeserializePathParams(failure)) => Err(match failure.into_kind() {
                ErrorKind::InvalidUtf8InPathParam { key } => {
                    Problem::invalid(key, "this part of the path does not decode to UTF-8")
                }
                other => Problem::invalid("path", other.to_string()),
            }),
            Err(other) => Err(Problem::invalid("path", other.to_string())),
        }
    }
}

/// A partition's number in the path.
pub fn partition(text: &str) -> Result<u32, Refusal> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number: &u32| plain && *number <= i32::MAX as u32)
        .ok_or_else(|| Refusal::invalid("partition", "a partition is a whole number from 0 to 2147483647"))
}
