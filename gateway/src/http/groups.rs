//! Consumer groups of logs, request by request.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use super::api::AppState;
use super::group_body::{
    CommitBody, CommitDone, GroupPage, GroupReceiveBody, GroupRecords, ResetBody, ResetResults, render,
};
use super::media::Form;
use super::page::Page;
use super::parameters::{AcksQuery, PageQuery, ValuesQuery};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals, TakeRefusals};
use super::{document, reply};
use crate::topics::{GroupCommit, GroupDescription, GroupReceive, GroupReset, GroupSummary};

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
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct MemberPath {
    /// The group's name.
    #[param(
        min_length = 1,
        max_length = 255,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^.\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "billing"
    )]
    group: String,
    /// The member's id.
    #[param(min_length = 1, max_length = 255)]
    member: String,
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
pub async fn list(State(api): State<AppState>, request: Request) -> Result<Response, Problem> {
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
pub async fn get(
    State(api): State<AppState>,
    At(group): At<String>,
    request: Request,
) -> Result<Response, Problem> {
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
pub async fn delete(
    State(api): State<AppState>,
    At(group): At<String>,
    request: Request,
) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    api.topics().delete_group(&group).await?;
    Ok(reply::no_content())
}

/// Read on as a member of a group
///
/// Without `member_id` a new member joins; repeat the id that you are given. Partitions are divided among members, and
/// taken from a member that was silent for `session_timeout_ms`. Reading does not commit.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/receive",
    operation_id = "receiveAsGroup",
    tag = "groups",
    params(GroupPath, ValuesQuery),
    request_body = GroupReceiveBody,
    responses((status = 200, description = "What there was", body = GroupRecords), TakeRefusals)
)]
pub async fn receive(
    State(api): State<AppState>,
    At(group): At<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let values = Query::parse(parts.uri.query(), &["values"])?.values()?;
    let body: GroupReceiveBody = document::read(&api, &parts.headers, body).await?;
    let mut ask: GroupReceive = body.try_into()?;
    ask.wait_ms = ask.wait_ms.min(api.limits().wait.as_millis() as u64);
    let batch = api.topics().group_receive(&group, ask).await?;
    Ok(reply::bytes(StatusCode::OK, Form::Json, render(&batch, values)?))
}

/// Commit offsets
///
/// All of them, or none. `offset` is the one to read next. With `member_id` the commit counts only while the member
/// has the partitions; without, the group must have no members.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/commit",
    operation_id = "commitOffsets",
    tag = "groups",
    params(GroupPath, AcksQuery),
    request_body = CommitBody,
    responses((status = 200, description = "Committed", body = CommitDone), TakeRefusals)
)]
pub async fn commit(
    State(api): State<AppState>,
    At(group): At<String>,
    request: Request,
) -> Result<Response, Problem> {
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
pub async fn reset(
    State(api): State<AppState>,
    At(group): At<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Query::parse(parts.uri.query(), &[])?;
    let body: ResetBody = document::convert(document::read_document(&api, &parts.headers, body).await?)?;
    let reset: GroupReset = body.into();
    let results = api.topics().group_reset(&group, reset).await?;
    Ok(reply::json(StatusCode::OK, &ResetResults { results }))
}

/// Leave a group
///
/// Others take over at once instead of after the session's end.
#[utoipa::path(
    delete,
    path = "/v1/groups/{group}/members/{member}",
    operation_id = "leaveGroup",
    tag = "groups",
    params(MemberPath),
    responses((status = 204, description = "Left"), ChangeRefusals)
)]
pub async fn leave(
    State(api): State<AppState>,
    At((group, member)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    api.topics().group_leave(&group, &member).await?;
    Ok(reply::no_content())
}
