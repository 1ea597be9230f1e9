//! Consumer groups of logs: looking at them, their offsets.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use super::api::Api;
use super::group_body::{CommitBody, CommitDone, GroupPage, OffsetsDeleted, ResetBody, ResetResults};
use super::page::Page;
use super::parameters::{AcksQuery, PageQuery};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, CommitRefusals, LookRefusals};
use super::{document, reply};
use crate::topics::{GroupCommit, GroupDescription, GroupReset, GroupSummary};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct GroupPath {
    /// The group's name.
    #[param(
        min_length = 1,
        max_length = 255,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^.\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "billing"
    )]
    group: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct OffsetsQuery {
    /// The log whose offsets are forgotten.
    #[param(min_length = 1, max_length = 249, example = "events")]
    topic: String,
    /// Only this partition of it.
    #[param(required = false, minimum = 0, maximum = 2147483647)]
    partition: u32,
}

/// Groups, sorted by name
///
/// A page ends with `next_cursor` if there are more: repeat the request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/groups",
    operation_id = "listGroups",
    tag = "groups",
    params(PageQuery),
    responses((status = 200, description = "A page of groups", body = GroupPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &super::parameters::PAGE)?;
    let page = Page::of("groups", &query)?;
    let found = api.topics().list_groups(page.after.as_deref(), page.one_more()).await?;
    Ok(page.answer("groups", found, |group: &GroupSummary| group.group.clone()))
}

/// A group: members, assignment, committed offsets, lag
#[utoipa::path(
    get,
    path = "/v1/groups/{group}",
    operation_id = "getGroup",
    tag = "groups",
    params(GroupPath),
    responses((status = 200, description = "The group", body = GroupDescription), LookRefusals)
)]
pub async fn get(api: Api, At(group): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(reply::json(StatusCode::OK, &api.topics().group(&group).await?))
}

/// Forget a group and what it committed
///
/// Only when it has no members.
#[utoipa::path(
    delete,
    path = "/v1/groups/{group}",
    operation_id = "deleteGroup",
    tag = "groups",
    params(GroupPath),
    responses((status = 204, description = "Forgotten"), ChangeRefusals)
)]
pub async fn delete(api: Api, At(group): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    api.topics().delete_group(&group).await?;
    Ok(reply::no_content())
}

/// Commit offsets
///
/// All of them, or none. `offset` is the one to read next. With `member_id` the commit counts only while the member
/// has the partitions; without, the group must have no members. What a member commits it has acknowledged, too.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/commit",
    operation_id = "commitOffsets",
    tag = "groups",
    params(GroupPath, AcksQuery),
    request_body = CommitBody,
    responses((status = 200, description = "Committed", body = CommitDone), CommitRefusals)
)]
pub async fn commit(api: Api, At(group): At<String>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let acks = Query::parse(parts.uri.query(), &["acks"])?.acks()?;
    let body: CommitBody = document::read(&api, &parts.headers, body).await?;
    let commit = GroupCommit::from(body);
    let committed = commit.offsets.len();
    api.topics().group_commit(&group, commit, acks).await?;
    Ok(reply::json(StatusCode::OK, &CommitDone { committed }))
}

/// Set a group's committed offsets anew
///
/// Only when it has no members. With `dry_run` nothing changes, and the answer tells what would.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/reset",
    operation_id = "resetGroup",
    tag = "groups",
    params(GroupPath),
    request_body = ResetBody,
    responses((status = 200, description = "What changed, or would", body = ResetResults), ChangeRefusals)
)]
pub async fn reset(api: Api, At(group): At<String>, request: Request) -> Result<Response, Problem> {
    let body: ResetBody = document::convert(document::whole_of(&api, request).await?)?;
    let reset: GroupReset = body.into();
    let results = api.topics().group_reset(&group, reset).await?;
    Ok(reply::json(StatusCode::OK, &ResetResults { results }))
}

/// Forget what a group committed for a log
///
/// The group reads the log's partitions from their start, or from where its readers say, when it comes again. Refused
/// while members of the group read the log.
#[utoipa::path(
    delete,
    path = "/v1/groups/{group}/offsets",
    operation_id = "deleteGroupOffsets",
    tag = "groups",
    params(GroupPath, OffsetsQuery),
    responses((status = 200, description = "Forgotten", body = OffsetsDeleted), ChangeRefusals)
)]
pub async fn delete_offsets(api: Api, At(group): At<String>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["topic", "partition"])?;
    let Some(topic) = query.filled("topic", 249)? else {
        return Err(Problem::invalid(
            "topic",
            "this parameter is required: the log whose offsets are forgotten",
        ));
    };
    let partition = query.number("partition", 0..=i64::from(i32::MAX))?;
    let partition = partition.and_then(|partition| u32::try_from(partition).ok());
    let deleted = api.topics().delete_group_offsets(&group, topic, partition).await?;
    Ok(reply::json(StatusCode::OK, &OffsetsDeleted { deleted }))
}
