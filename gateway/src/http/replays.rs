//! Jobs: a log's past published again, dead letters sent back.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::page::Page;
use super::parameters::{PAGE, PageQuery, TopicPath};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, LookRefusals};
use super::replay_body::{RedriveBody, ReplayBody};
use super::{document, reply};
use crate::topics::JobDescription;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct JobPath {
    /// The job's id.
    #[param(min_length = 1, max_length = 255)]
    id: String,
}

/// A page of jobs.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct JobPage {
    jobs: Vec<JobDescription>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

fn started(job: &JobDescription) -> Response {
    let location = format!("/v1/replays/{}", job.id);
    reply::located(reply::json(StatusCode::ACCEPTED, job), &location)
}

/// Jobs, the oldest first
///
/// Replays and redrives, ended ones included for a while. A page ends with `next_cursor` if there are more: repeat the
/// request with it as the parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/replays",
    operation_id = "listJobs",
    tag = "jobs",
    params(PageQuery),
    responses((status = 200, description = "A page of jobs", body = JobPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &PAGE)?;
    let page = Page::of("jobs", &query)?;
    let after = page.after.as_deref().and_then(|after| after.parse().ok());
    let found = api.topics().list_jobs(after, page.one_more()).await?;
    Ok(page.answer("jobs", found, |job: &JobDescription| job.id.clone()))
}

/// Publish a stretch of a log again
///
/// Into a topic of either model, or through an exchange. The job goes on after the answer: ask for it by its id.
#[utoipa::path(
    post,
    path = "/v1/replays",
    operation_id = "startReplay",
    tag = "jobs",
    request_body = ReplayBody,
    responses(
        (status = 202, description = "Started", body = JobDescription, headers(("Location" = String, description = "The job"))),
        ChangeRefusals
    )
)]
pub async fn start(api: Api, request: Request) -> Result<Response, Problem> {
    let body: ReplayBody = document::convert(document::whole_of(&api, request).await?)?;
    let job = api.topics().start_replay(body.try_into()?).await?;
    Ok(started(&job))
}

/// A job: state and progress
#[utoipa::path(
    get,
    path = "/v1/replays/{id}",
    operation_id = "getJob",
    tag = "jobs",
    params(JobPath),
    responses((status = 200, description = "The job", body = JobDescription), LookRefusals)
)]
pub async fn get(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(reply::json(StatusCode::OK, &api.topics().job(&id).await?))
}

/// Cancel a job
///
/// What it moved stays moved. Cancelling an ended job changes nothing.
#[utoipa::path(
    post,
    path = "/v1/replays/{id}/cancel",
    operation_id = "cancelJob",
    tag = "jobs",
    params(JobPath),
    responses((status = 202, description = "It will stop", body = JobDescription), ChangeRefusals)
)]
pub async fn cancel(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(reply::json(StatusCode::ACCEPTED, &api.topics().cancel_job(&id).await?))
}

/// Send a queue's dead letters back
///
/// Each to the queue that it came from, or all to `destination`: all that are ready, or those chosen by id, by the queue
/// where they died, or by a filter; with changes to their headers and priority if wanted. The job goes on after the answer: ask for it by its
/// id below `/v1/replays`.
#[utoipa::path(
    post,
    path = "/v1/topics/{topic}/redrive",
    operation_id = "redrive",
    tag = "jobs",
    params(TopicPath),
    request_body(content = Option<RedriveBody>, content_type = "application/json"),
    responses(
        (status = 202, description = "Started", body = JobDescription, headers(("Location" = String, description = "The job"))),
        ChangeRefusals
    )
)]
pub async fn redrive(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    let body: RedriveBody = document::of_or_default(&api, request).await?;
    let job = api.topics().start_redrive(&topic, body.try_into()?).await?;
    Ok(started(&job))
}
