//! Users: made, changed, read, deleted, listed.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::{ArrayBuilder, Schema, Type};
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::page::Page;
use super::parameters::PageQuery;
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::topics::percent;
use super::{document, reply};
use crate::auth::api_key::ApiKey;
use crate::auth::{ScramHash, User};
use crate::refusal::Refusal;
use crate::topics::{Created, UserChange};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct UserPath {
    /// The user's name, percent-encoded.
    #[param(
        min_length = 1,
        max_length = 255,
        pattern = "^(?!\\*$)[^\\u0000-\\u001f\\u007f-\\u009f:]+$",
        example = "alice"
    )]
    user: String,
}

/// A user as it is to be. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserBody {
    /// Its password. It is kept as salted verifiers only, and never shown again.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, min_length = 1, max_length = 1024, write_only, value_type = String)]
    password: Option<String>,
    /// For which mechanisms the password is good; a password in the clear (HTTP Basic, `PLAIN`) always is. Both unless said.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, min_items = 1, value_type = Vec<MechanismName>)]
    mechanisms: Option<Vec<String>>,
    /// Whether it may do everything, whatever the rules say. The first user has to.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, value_type = bool)]
    admin: Option<bool>,
    /// The groups that it belongs to: rules may be for groups.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, schema_with = names_schema)]
    groups: Option<Vec<String>>,
    /// What RabbitMQ's tools call it.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, schema_with = names_schema)]
    tags: Option<Vec<String>>,
}

/// Names of groups, or of the like.
fn names_schema() -> Schema {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^(?!\\*$)[^\\u0000-\\u001f\\u007f-\\u009f]{1,255}$"));
    ArrayBuilder::new().items(name).max_items(Some(100)).build().into()
}

/// A mechanism that a password is kept for.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub enum MechanismName {
    /// SCRAM over SHA-256.
    #[schema(rename = "SCRAM-SHA-256")]
    Sha256,
    /// SCRAM over SHA-512.
    #[schema(rename = "SCRAM-SHA-512")]
    Sha512,
}

/// A user as it stands. Nothing of its password or keys can be had from it.
#[derive(Serialize, ToSchema)]
pub struct UserDescription {
    /// Its name.
    name: String,
    /// Whether it may do everything.
    admin: bool,
    /// Its groups.
    groups: Vec<String>,
    /// What RabbitMQ's tools call it.
    tags: Vec<String>,
    /// What its password is kept for; empty if it has none.
    mechanisms: Vec<&'static str>,
    /// Its API keys.
    api_keys: Vec<KeyDescription>,
}

/// An API key, without the key.
#[derive(Serialize, ToSchema)]
pub struct KeyDescription {
    /// Names it.
    pub id: String,
    /// What it is for.
    pub note: String,
    /// When it was made, milliseconds since the epoch.
    pub made_at: i64,
    /// When it ends, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = i64)]
    pub expires_at: Option<i64>,
}

impl From<&ApiKey> for KeyDescription {
    fn from(key: &ApiKey) -> KeyDescription {
        KeyDescription {
            id: key.id.to_string(),
            note: key.note.clone(),
            made_at: key.made_at.0,
            expires_at: key.expires_at.map(|at| at.0),
        }
    }
}

impl From<&User> for UserDescription {
    fn from(user: &User) -> UserDescription {
        let names = |names: &[Box<str>]| names.iter().map(ToString::to_string).collect();
        UserDescription {
            name: user.name.to_string(),
            admin: user.admin,
            groups: names(&user.groups),
            tags: names(&user.tags),
            mechanisms: user.verifiers.iter().map(|verifier| verifier.hash.mechanism()).collect(),
            api_keys: user.keys.iter().map(KeyDescription::from).collect(),
        }
    }
}

/// A page of users.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct UserPage {
    users: Vec<UserDescription>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

/// Users, sorted by name
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "listUsers",
    tag = "security",
    params(PageQuery),
    responses((status = 200, description = "A page of users", body = UserPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &super::parameters::PAGE)?;
    let page = Page::of("users", &query)?;
    let identities = api.topics().identities()?;
    let later =
        identities.users().filter(|user| page.after.as_deref().is_none_or(|after| *user.name > *after));
    let found = later.take(page.one_more()).map(|user| UserDescription::from(&**user)).collect();
    Ok(page.answer("users", found, |user: &UserDescription| user.name.clone()))
}

/// Make a user, or change one
///
/// 201 when it was made, 200 when it was there. A new password ends the connections that were opened with the old one.
/// From the first user on, every door wants a login.
#[utoipa::path(
    put,
    path = "/v1/users/{user}",
    operation_id = "putUser",
    tag = "security",
    params(UserPath),
    request_body = UserBody,
    responses(
        (status = 201, description = "Made", body = UserDescription, headers(("Location" = String, description = "The user"))),
        (status = 200, description = "Changed", body = UserDescription),
        ChangeRefusals
    )
)]
pub async fn put(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    let UserBody { password, mechanisms, admin, groups, tags } = document::of(&api, request).await?;
    let verifiers = match password {
        Some(password) => Some(api.topics().hash_password(password, hashes(mechanisms)?).await?),
        None if mechanisms.is_some() => {
            let detail = "the mechanisms of a password are set with the password";
            return Err(Refusal::new(ErrorCode::ConflictingSettings, detail).in_field("/mechanisms").into());
        }
        None => None,
    };
    let created = api.topics().put_user(&name, UserChange { verifiers, admin, groups, tags }).await?;
    let (_, identities) = api.topics().guard().seen();
    let described =
        identities.user(&name).map(|user| UserDescription::from(&**user)).ok_or_else(|| unknown(&name))?;
    Ok(match created {
        Created::Made => {
            let location = format!("/v1/users/{}", percent(&name));
            reply::located(reply::json(StatusCode::CREATED, &described), &location)
        }
        Created::Same => reply::json(StatusCode::OK, &described),
    })
}

fn hashes(names: Option<Vec<String>>) -> Result<Vec<ScramHash>, Problem> {
    let Some(names) = names else { return Ok(ScramHash::ALL.to_vec()) };
    let known = |name: &String| {
        let unknown =
            || Problem::invalid("/mechanisms", format!("{name:?} is not SCRAM-SHA-256 or SCRAM-SHA-512"));
        ScramHash::of_mechanism(name).ok_or_else(unknown)
    };
    let mut hashes = names.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    hashes.sort();
    hashes.dedup();
    if hashes.is_empty() {
        return Err(Problem::invalid("/mechanisms", "a password is for at least one mechanism"));
    }
    Ok(hashes)
}

/// A user
#[utoipa::path(
    get,
    path = "/v1/users/{user}",
    operation_id = "getUser",
    tag = "security",
    params(UserPath),
    responses((status = 200, description = "The user", body = UserDescription), LookRefusals)
)]
pub async fn get(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let identities = api.topics().identities()?;
    let user = identities.user(&name).ok_or_else(|| unknown(&name))?;
    Ok(reply::json(StatusCode::OK, &UserDescription::from(&**user)))
}

/// Delete a user
///
/// Its connections end, its API keys are worth nothing any more. Rules for it stay until they are deleted.
#[utoipa::path(
    delete,
    path = "/v1/users/{user}",
    operation_id = "deleteUser",
    tag = "security",
    params(UserPath),
    responses((status = 204, description = "Gone"), ChangeRefusals)
)]
pub async fn delete(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    api.topics().delete_user(&name).await?;
    Ok(reply::no_content())
}

/// Who is asking.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// The user; absent while nobody has to log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    user: Option<String>,
    /// Whether everything is allowed.
    admin: bool,
    /// When the login ends, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = i64)]
    expires_at: Option<i64>,
}

/// Who is asking
#[utoipa::path(
    get,
    path = "/v1/me",
    operation_id = "me",
    tag = "security",
    responses((status = 200, description = "Whom the server takes the client for", body = Me), LookRefusals)
)]
pub async fn me(api: Api, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let me = match api.topics().pass().caller() {
        Some(caller) => Me {
            user: Some(caller.user().to_owned()),
            admin: caller.is_admin(),
            expires_at: caller.identity().expires_at.map(|at| at.0),
        },
        None => Me { user: None, admin: true, expires_at: None },
    };
    Ok(reply::json(StatusCode::OK, &me))
}

pub(super) fn unknown(name: &str) -> Refusal {
    let shown: String = name.chars().take(255).collect();
    Refusal::new(ErrorCode::UnknownUser, format!("there is no user {shown:?}"))
}
