//! Quotas: set, read, deleted, listed.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AnyOfBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::api::Api;
use super::page::Page;
use super::parameters::PageQuery;
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::{document, reply};
use crate::auth::quota::{NAME_CHARS, Part, QuotaEntity, QuotaLimits};
use crate::refusal::Refusal;
use crate::topics::{Created, QuotaChange};

/// Whom a quota is for; described by hand, since not every combination is one.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EntityBody {
    #[serde(default, deserialize_with = "document::given", skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, deserialize_with = "document::given", skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, deserialize_with = "document::given", skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl PartialSchema for EntityBody {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let name = |what: &str| {
            let name = text().min_length(Some(1)).max_length(Some(NAME_CHARS));
            name.pattern(Some("^[^\\u0000-\\u001f\\u007f-\\u009f]+$")).description(Some(what))
        };
        let user = || name("A user; `*` is each one without a quota of its own, and whoever says no name.");
        let client_id = || {
            name(
                "What clients call themselves (Kafka's `client.id`, AMQP's `connection_name`); `*` is each name without a quota of its own.",
            )
        };
        let format = |format| text().format(Some(SchemaFormat::KnownFormat(format)));
        let address = AnyOfBuilder::new()
            .item(format(KnownFormat::Ipv4))
            .item(format(KnownFormat::Ipv6))
            .item(text().enum_values(Some(["*"])))
            .description(Some("An address; `*` is each one without a quota of its own."));
        let object = || ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(closed()));
        let of_user = object().property("user", user()).property("client_id", client_id()).required("user");
        let of_client = object().property("client_id", client_id()).required("client_id");
        let of_address = object().property("address", address).required("address");
        let one_of = OneOfBuilder::new()
            .item(of_user)
            .item(of_client)
            .item(of_address)
            .description(Some("Whom a quota is for."))
            .examples([json!({"user": "alice"})]);
        RefOr::T(one_of.build().into())
    }
}

impl ToSchema for EntityBody {}

fn closed() -> utoipa::openapi::schema::AdditionalProperties<Schema> {
    utoipa::openapi::schema::AdditionalProperties::FreeForm(false)
}

impl From<EntityBody> for QuotaEntity {
    fn from(body: EntityBody) -> QuotaEntity {
        let part = |text: Option<String>| text.map(|text| Part::of(&text));
        QuotaEntity { user: part(body.user), client_id: part(body.client_id), address: part(body.address) }
    }
}

impl From<&QuotaEntity> for EntityBody {
    fn from(entity: &QuotaEntity) -> EntityBody {
        let text = |part: &Option<Part>| part.as_ref().map(|part| part.as_str().to_owned());
        EntityBody {
            user: text(&entity.user),
            client_id: text(&entity.client_id),
            address: text(&entity.address),
        }
    }
}

/// What is limited. What is left out is not.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1, example = json!({"produce_bytes_per_s": 1_000_000, "connections": 100}))]
pub struct LimitsBody {
    /// Bytes of messages in, a second.
    #[serde(
        default,
        deserialize_with = "document::maybe_whole::<1, 1125899906842624, u64, _>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required = false, value_type = u64, minimum = 1, maximum = 1125899906842624u64)]
    produce_bytes_per_s: Option<u64>,
    /// Bytes of messages out, a second.
    #[serde(
        default,
        deserialize_with = "document::maybe_whole::<1, 1125899906842624, u64, _>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required = false, value_type = u64, minimum = 1, maximum = 1125899906842624u64)]
    consume_bytes_per_s: Option<u64>,
    /// Requests, or batches of commands, a second.
    #[serde(
        default,
        deserialize_with = "document::maybe_whole::<1, 1000000000, u64, _>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required = false, value_type = u64, minimum = 1, maximum = 1000000000)]
    requests_per_s: Option<u64>,
    /// Connections at a time, over all doors.
    #[serde(
        default,
        deserialize_with = "document::maybe_whole::<0, 1000000000, u64, _>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required = false, value_type = u64, minimum = 0, maximum = 1000000000)]
    connections: Option<u64>,
    /// Topics, of either model, that were made and are not deleted.
    #[serde(
        default,
        deserialize_with = "document::maybe_whole::<0, 1000000000, u64, _>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required = false, value_type = u64, minimum = 0, maximum = 1000000000)]
    topics: Option<u64>,
}

impl From<LimitsBody> for QuotaLimits {
    fn from(body: LimitsBody) -> QuotaLimits {
        let LimitsBody { produce_bytes_per_s, consume_bytes_per_s, requests_per_s, connections, topics } =
            body;
        QuotaLimits { produce_bytes_per_s, consume_bytes_per_s, requests_per_s, connections, topics }
    }
}

impl From<&QuotaLimits> for LimitsBody {
    fn from(limits: &QuotaLimits) -> LimitsBody {
        let QuotaLimits { produce_bytes_per_s, consume_bytes_per_s, requests_per_s, connections, topics } =
            *limits;
        LimitsBody { produce_bytes_per_s, consume_bytes_per_s, requests_per_s, connections, topics }
    }
}

/// A quota as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaBody {
    /// Whom it is for.
    entity: EntityBody,
    /// What it limits.
    limits: LimitsBody,
}

/// A quota as it stands.
#[derive(Serialize, ToSchema)]
pub struct QuotaDescription {
    /// Names it; it is made of whom the quota is for.
    #[schema(pattern = "^[0-9a-f]{20}$", example = "00112233445566778899")]
    id: String,
    /// Whom it is for.
    entity: EntityBody,
    /// What it limits.
    limits: LimitsBody,
}

impl QuotaDescription {
    fn of((entity, limits): (&QuotaEntity, &QuotaLimits)) -> QuotaDescription {
        QuotaDescription { id: entity.id(), entity: entity.into(), limits: limits.into() }
    }
}

/// A page of quotas.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct QuotaPage {
    quotas: Vec<QuotaDescription>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct QuotaPath {
    /// The quota's id.
    #[param(pattern = "^[0-9a-f]{20}$", example = "00112233445566778899")]
    quota: String,
}

/// Quotas, sorted by id
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/quotas",
    operation_id = "listQuotas",
    tag = "security",
    params(PageQuery),
    responses((status = 200, description = "A page of quotas", body = QuotaPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &super::parameters::PAGE)?;
    let page = Page::of("quotas", &query)?;
    let identities = api.topics().identities()?;
    let mut found: Vec<QuotaDescription> = identities.quotas().map(QuotaDescription::of).collect();
    found.retain(|quota| page.after.as_deref().is_none_or(|after| *quota.id > *after));
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found.truncate(page.one_more());
    Ok(page.answer("quotas", found, |quota: &QuotaDescription| quota.id.clone()))
}

/// Set a quota
///
/// 201 when there was none of this entity, 200 when there was: it is so now, whatever it was. In force at once, for
/// connections that are open too. Of each limit the closest quota counts: that of user and client id before that of the
/// user, before that of the client id, and names before `*`; the quota of the address counts beside it.
///
/// Requests to quotas themselves are never held up by quotas.
#[utoipa::path(
    put,
    path = "/v1/quotas",
    operation_id = "putQuota",
    tag = "security",
    request_body = QuotaBody,
    responses(
        (status = 201, description = "Made", body = QuotaDescription, headers(("Location" = String, description = "The quota"))),
        (status = 200, description = "Changed", body = QuotaDescription),
        ChangeRefusals
    )
)]
pub async fn put(api: Api, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Query::parse(parts.uri.query(), &[])?;
    let QuotaBody { entity, limits } = document::read(&api, &parts.headers, body).await?;
    let (entity, limits) = (QuotaEntity::from(entity).checked()?, QuotaLimits::from(limits));
    if limits.is_empty() {
        return Err(Problem::invalid("/limits", "say what is limited; to lift a quota delete it"));
    }
    let created = api.topics().set_quota(entity.clone(), QuotaChange::To(limits.clone())).await?;
    let described = QuotaDescription::of((&entity, &limits));
    Ok(match created {
        Created::Made => {
            let location = format!("/v1/quotas/{}", described.id);
            reply::located(reply::json(StatusCode::CREATED, &described), &location)
        }
        Created::Same => reply::json(StatusCode::OK, &described),
    })
}

fn find(api: &Api, id: &str) -> Result<(QuotaEntity, QuotaLimits), Problem> {
    let identities = api.topics().identities()?;
    let found = identities.quotas().find(|(entity, _)| entity.id() == id);
    let found = found.map(|(entity, limits)| (entity.clone(), limits.clone()));
    Ok(found.ok_or_else(|| Refusal::new(ErrorCode::UnknownQuota, "there is no quota of this id"))?)
}

/// A quota
#[utoipa::path(
    get,
    path = "/v1/quotas/{quota}",
    operation_id = "getQuota",
    tag = "security",
    params(QuotaPath),
    responses((status = 200, description = "The quota", body = QuotaDescription), LookRefusals)
)]
pub async fn get(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let (entity, limits) = find(&api, &id)?;
    Ok(reply::json(StatusCode::OK, &QuotaDescription::of((&entity, &limits))))
}

/// Delete a quota
///
/// What it held up goes on at once.
#[utoipa::path(
    delete,
    path = "/v1/quotas/{quota}",
    operation_id = "deleteQuota",
    tag = "security",
    params(QuotaPath),
    responses((status = 204, description = "Gone"), ChangeRefusals)
)]
pub async fn delete(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let (entity, _) = find(&api, &id)?;
    api.topics().delete_quota(entity).await?;
    Ok(reply::no_content())
}
