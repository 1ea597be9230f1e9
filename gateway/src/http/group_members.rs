//! Members of consumer groups that come request by request.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use super::api::Api;
use super::group_member_body::{
    GroupAckBody, GroupAcked, GroupReceiveBody, GroupRecords, PauseBody, PausedPartitions, render,
};
use super::groups::GroupPath;
use super::media::Form;
use super::parameters::{AcksQuery, ValuesQuery};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, TakeRefusals};
use super::{document, reply};
use crate::auth::quota::Measure;
use crate::topics::GroupReceive;

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

/// Read on as a member of a group
///
/// Without `member_id` a new member joins; repeat the id that you are given. Partitions are divided among members, and
/// taken from a member that was silent for `session_timeout_ms`. Reading does not commit.
///
/// A partition is handed over in two steps: the answer's `assignment` lacks it, and the member that gets it reads only
/// after you came again. In between you may still commit, or acknowledge, what you have of it.
///
/// With `max_unacked` a member acknowledges single records, in any order; see `ackRecords`.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/receive",
    operation_id = "receiveAsGroup",
    tag = "groups",
    params(GroupPath, ValuesQuery),
    request_body = GroupReceiveBody,
    responses((status = 200, description = "What there was", body = GroupRecords), TakeRefusals)
)]
pub async fn receive(api: Api, At(group): At<String>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let values = Query::parse(parts.uri.query(), &["values"])?.values()?;
    let body: GroupReceiveBody = document::read(&api, &parts.headers, body).await?;
    let mut ask: GroupReceive = body.try_into()?;
    ask.wait_ms = ask.wait_ms.min(api.limits().wait.as_millis() as u64);
    api.usage().admit(Measure::Consume, 1)?;
    let batch = api.topics().group_receive(&group, ask).await?;
    let rendered = render(&batch, values)?;
    api.usage().take(Measure::Consume, rendered.len() as u64);
    Ok(reply::bytes(StatusCode::OK, Form::Json, rendered))
}

/// Acknowledge records
///
/// For a member that joined with `max_unacked`. Records may be acknowledged in any order; the group commits, for each
/// partition, the offset before which everything is acknowledged, so that nothing is skipped when the member dies. What
/// was acknowledged beyond it is delivered again then. The answer tells what is committed because of this request.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/ack",
    operation_id = "ackRecords",
    tag = "groups",
    params(GroupPath, AcksQuery),
    request_body = GroupAckBody,
    responses((status = 200, description = "Acknowledged", body = GroupAcked), TakeRefusals)
)]
pub async fn ack(api: Api, At(group): At<String>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let acks = Query::parse(parts.uri.query(), &["acks"])?.acks()?;
    let body: GroupAckBody = document::convert(document::read_document(&api, &parts.headers, body).await?)?;
    let committed = api.topics().group_ack(&group, body.into(), acks).await?;
    Ok(reply::json(StatusCode::OK, &GroupAcked { committed }))
}

/// Pause partitions of a member
///
/// The member keeps them and its place in them, and gets nothing more of them until it resumes them, or they went to
/// another member and came back.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/members/{member}/pause",
    operation_id = "pausePartitions",
    tag = "groups",
    params(MemberPath),
    request_body = PauseBody,
    responses((status = 200, description = "Paused", body = PausedPartitions), TakeRefusals)
)]
pub async fn pause(
    api: Api,
    At((group, member)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    set_paused(&api, &group, &member, request, true).await
}

/// Resume partitions of a member
///
/// A receive that waits goes on at once.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/members/{member}/resume",
    operation_id = "resumePartitions",
    tag = "groups",
    params(MemberPath),
    request_body = PauseBody,
    responses((status = 200, description = "Resumed", body = PausedPartitions), TakeRefusals)
)]
pub async fn resume(
    api: Api,
    At((group, member)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    set_paused(&api, &group, &member, request, false).await
}

async fn set_paused(
    api: &Api,
    group: &str,
    member: &str,
    request: Request,
    paused: bool,
) -> Result<Response, Problem> {
    let body: PauseBody = document::convert(document::whole_of(api, request).await?)?;
    let paused = api.topics().group_pause(group, member, &body.partitions, paused)?;
    Ok(reply::json(StatusCode::OK, &PausedPartitions { paused }))
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
    api: Api,
    At((group, member)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    api.topics().group_leave(&group, &member).await?;
    Ok(reply::no_content())
}
