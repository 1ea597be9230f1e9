//! API keys: made, shown once, taken away.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::ChangeRefusals;
use super::users::{KeyDescription, UserPath};
use super::{document, reply};
use crate::auth::Guard;

/// Longest life of a key: a hundred years.
const LIFE_MAX_MS: i64 = 100 * 365 * 24 * 60 * 60 * 1000;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct KeyPath {
    /// The key's id.
    #[param(min_length = 1, max_length = 64, example = "AAECAwQFBgcI")]
    id: String,
}

/// A key to be made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyBody {
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 255)]
    note: String,
    /// How long it lasts, in milliseconds; for ever unless said.
    #[serde(default, deserialize_with = "document::maybe_whole::<1, LIFE_MAX_MS, u64, _>")]
    #[schema(required = false, minimum = 1, maximum = 3153600000000u64, value_type = u64)]
    ttl_ms: Option<u64>,
}

/// A key that was just made: this is the only time that it is shown.
#[derive(Serialize, ToSchema)]
pub struct MadeKey {
    #[serde(flatten)]
    about: KeyDescription,
    /// The key: to be sent as `Authorization: Bearer`, or as the password of its user.
    #[schema(example = "slk_AAECAwQFBgcI.CQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJyg")]
    key: String,
}

/// Make an API key
///
/// A user may make keys for itself. The key is shown in this answer and never again.
#[utoipa::path(
    post,
    path = "/v1/users/{user}/keys",
    operation_id = "makeApiKey",
    tag = "security",
    params(UserPath),
    request_body(content = Option<KeyBody>, content_type = "application/json"),
    responses((status = 201, description = "Made", body = MadeKey), ChangeRefusals)
)]
pub async fn make(api: Api, At(user): At<String>, request: Request) -> Result<Response, Problem> {
    let KeyBody { note, ttl_ms } = document::of_or_default(&api, request).await?;
    if note.len() > 255 {
        return Err(Problem::invalid("/note", "a note has at most 255 bytes"));
    }
    let expires_at = ttl_ms.map(|ttl| Guard::now().plus(Duration::from_millis(ttl)));
    let (key, shown) = api.topics().make_api_key(&user, note, expires_at).await?;
    let made = MadeKey { about: KeyDescription::from(&key), key: shown.0 };
    Ok(reply::json(StatusCode::CREATED, &made))
}

/// Take an API key away
#[utoipa::path(
    delete,
    path = "/v1/users/{user}/keys/{id}",
    operation_id = "deleteApiKey",
    tag = "security",
    params(UserPath, KeyPath),
    responses((status = 204, description = "Gone; connections that it opened end"), ChangeRefusals)
)]
pub async fn delete(
    api: Api,
    At((user, id)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    api.topics().delete_api_key(&user, &id).await?;
    Ok(reply::no_content())
}
