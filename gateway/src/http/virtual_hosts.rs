//! Virtual hosts: made, read, deleted, listed.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::page::Page;
use super::parameters::PageQuery;
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::reply;
use super::topics::percent;
use crate::topics::Created;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct VirtualHostPath {
    /// The virtual host's name, percent-encoded; `/` (`%2F`) is the one that always exists.
    #[param(
        min_length = 1,
        max_length = 127,
        pattern = "^(/|(?!\\.{1,2}$)[^\\u0000-\\u001f\\u007f-\\u009f]*[^/\\u0000-\\u001f\\u007f-\\u009f])$",
        example = "staging"
    )]
    vhost: String,
}

/// A name space of queues and exchanges: what is called `name` in it is the topic or exchange `vhost/name`.
#[derive(Serialize, ToSchema)]
pub struct VirtualHost {
    /// Its name.
    name: String,
}

/// A page of virtual hosts.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct VirtualHostPage {
    vhosts: Vec<VirtualHost>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

/// Virtual hosts, sorted by name
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/vhosts",
    operation_id = "listVirtualHosts",
    tag = "vhosts",
    params(PageQuery),
    responses((status = 200, description = "A page of virtual hosts", body = VirtualHostPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &super::parameters::PAGE)?;
    let page = Page::of("vhosts", &query)?;
    let names = api.topics().list_virtual_hosts(page.after.as_deref(), page.one_more());
    let found = names.into_iter().map(|name| VirtualHost { name }).collect();
    Ok(page.answer("vhosts", found, |host: &VirtualHost| host.name.clone()))
}

/// Make a virtual host, or find it made
///
/// It starts with the `amq.` exchanges that always exist. 201 when it was made, 200 when it was there. Refused while
/// something in another virtual host has a name that would belong to this one.
#[utoipa::path(
    put,
    path = "/v1/vhosts/{vhost}",
    operation_id = "putVirtualHost",
    tag = "vhosts",
    params(VirtualHostPath),
    responses(
        (status = 201, description = "Made", body = VirtualHost, headers(("Location" = String, description = "The virtual host"))),
        (status = 200, description = "It was there", body = VirtualHost),
        ChangeRefusals
    )
)]
pub async fn put(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let created = api.topics().create_virtual_host(&name).await?;
    let location = format!("/v1/vhosts/{}", percent(&name));
    Ok(match created {
        Created::Made => reply::located(reply::json(StatusCode::CREATED, &VirtualHost { name }), &location),
        Created::Same => reply::json(StatusCode::OK, &VirtualHost { name }),
    })
}

/// A virtual host
#[utoipa::path(
    get,
    path = "/v1/vhosts/{vhost}",
    operation_id = "getVirtualHost",
    tag = "vhosts",
    params(VirtualHostPath),
    responses((status = 200, description = "The virtual host", body = VirtualHost), LookRefusals)
)]
pub async fn get(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let host = api.topics().virtual_host(&name)?;
    Ok(reply::json(StatusCode::OK, &VirtualHost { name: host.name().to_owned() }))
}

/// Delete a virtual host and everything in it
#[utoipa::path(
    delete,
    path = "/v1/vhosts/{vhost}",
    operation_id = "deleteVirtualHost",
    tag = "vhosts",
    params(VirtualHostPath),
    responses((status = 204, description = "Gone, with every queue, exchange, binding and policy"), ChangeRefusals)
)]
pub async fn delete(api: Api, At(name): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    api.topics().delete_virtual_host(&name).await?;
    Ok(reply::no_content())
}
