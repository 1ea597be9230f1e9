//! Tickets for browsers' WebSockets, which cannot send a header.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::api::Api;
use super::problem::Problem;
use super::query::Query;
use super::refusals::ChangeRefusals;
use super::reply;
use crate::auth::{Guard, TICKET_LIFE};
use crate::refusal::Refusal;

/// A ticket that was just given out.
#[derive(Serialize, ToSchema)]
pub struct Ticket {
    /// To be sent as `/v1/ws?ticket=…`, once.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    ticket: String,
    /// When it is worth nothing any more, milliseconds since the epoch.
    expires_at: i64,
}

/// Get a ticket for one WebSocket
///
/// It stands for the client that asks, once, and for half a minute: what is in a URL may be written down on the way.
#[utoipa::path(
    post,
    path = "/v1/tickets",
    operation_id = "giveTicket",
    tag = "security",
    responses((status = 201, description = "A ticket", body = Ticket), ChangeRefusals)
)]
pub async fn give(api: Api, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let expires_at = Guard::now().plus(TICKET_LIFE).0;
    let Some(ticket) = api.topics().guard().give_ticket(api.topics().pass()) else {
        let detail = "too many tickets are out; try again when some were used";
        return Err(Refusal::new(ErrorCode::Overloaded, detail).into());
    };
    Ok(reply::json(StatusCode::CREATED, &Ticket { ticket, expires_at }))
}
