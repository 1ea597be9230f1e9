//! One message of a queue changed or moved, whoever holds it.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;

use super::api::Api;
use super::browse::{MessagePath, id_in_queue, unknown};
use super::media::Form;
use super::message_body::{MessageChangeBody, MessageChangeSchema, MessageMoveBody};
use super::path::At;
use super::problem::Problem;
use super::refusals::ChangeRefusals;
use super::shapes::Message;
use super::{document, reply};
use crate::codec::render::{ValueMode, write_message};
use crate::topics::{MessageEdits, ReplayTarget};

/// Change a message's priority or time
///
/// Of a message of a queue, whoever holds it; the rest of the queue is not disturbed. With `delay_ms` or `deliver_at` a
/// lease on it ends.
#[utoipa::path(
    patch,
    path = "/v1/topics/{topic}/messages/{id}",
    operation_id = "changeMessage",
    tag = "messages",
    params(MessagePath),
    request_body = MessageChangeSchema,
    responses((status = 200, description = "The message as it stands now", body = Message), ChangeRefusals)
)]
pub async fn change(
    api: Api,
    At((topic, id)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let body: MessageChangeBody = document::of(&api, request).await?;
    let queue = api.topics().queue(&topic)?;
    let id = id_in_queue(&id).ok_or_else(|| unknown(&topic, &id))?;
    let changed = queue.amend(id, body.try_into()?).await?;
    let mut out = Vec::with_capacity(1024);
    write_message(&mut out, &changed.view(), ValueMode::Auto);
    Ok(reply::bytes(StatusCode::OK, Form::Json, out))
}

/// Move a message to another queue or an exchange
///
/// Whoever holds it: a lease on it ends. It leaves its queue and arrives in one step, ready at once, under a new id.
#[utoipa::path(
    post,
    path = "/v1/topics/{topic}/messages/{id}/move",
    operation_id = "moveMessage",
    tag = "messages",
    params(MessagePath),
    request_body = MessageMoveBody,
    responses((status = 204, description = "Moved"), ChangeRefusals)
)]
pub async fn move_to(
    api: Api,
    At((topic, id)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let body: MessageMoveBody = document::of(&api, request).await?;
    let queue = api.topics().queue(&topic)?;
    let id = id_in_queue(&id).ok_or_else(|| unknown(&topic, &id))?;
    let (target, edits): (ReplayTarget, MessageEdits) = body.try_into()?;
    if let ReplayTarget::Topic(name) = &target {
        api.topics().queue(name).map_err(|refusal| refusal.in_field("/destination/topic"))?;
    }
    api.topics().move_message(&queue, id, &target, edits).await?;
    Ok(reply::no_content())
}
