//! Removing the old end of a partition.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::path::{self, At};
use super::problem::Problem;
use super::query::Query;
use super::records::PartitionPath;
use super::refusals::ShortenRefusals;
use super::{reply, start_at};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct BeforeQuery {
    /// The first record to keep: `latest` keeps none, an offset, or `@` and a time (RFC 3339, or milliseconds since the
    /// epoch).
    #[param(required = true, pattern = "^(earliest|latest|[0-9]{1,15}|@[0-9]{1,13})$", example = "latest")]
    before: String,
}

/// Where a partition starts by now.
#[derive(Serialize, ToSchema)]
pub struct Shortened {
    /// The first offset that is kept.
    #[schema(minimum = 0)]
    log_start_offset: i64,
}

/// Remove the records of a partition before a place
///
/// They cannot be read any more once this is answered; their room on disk is free soon after. A place before the start
/// of the partition changes nothing; one beyond its end is refused.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}/partitions/{partition}/records",
    operation_id = "deleteRecords",
    tag = "messages",
    params(PartitionPath, BeforeQuery),
    responses((status = 200, description = "Removed", body = Shortened), ShortenRefusals)
)]
pub async fn delete(
    api: Api,
    At((topic, partition)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["before"])?;
    let Some(before) = query.text("before") else {
        return Err(Problem::invalid("before", "this parameter is required: the first record to keep"));
    };
    let before = start_at::parse(before).map_err(|refusal| refusal.in_field("before"))?;
    let partition = path::partition(&partition)?;
    let log_start_offset =
        api.topics().delete_records(&topic, partition, before).await.map_err(|refusal| {
            match refusal.field.as_deref() {
                Some("offset") => refusal.in_field("before"),
                _ => refusal,
            }
        })?;
    Ok(reply::json(StatusCode::OK, &Shortened { log_start_offset }))
}
