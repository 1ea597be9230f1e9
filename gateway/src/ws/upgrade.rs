//! From an HTTP request to a socket: who may, and in which encoding.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use message::ErrorCode;

use super::client::Client;
use super::door::WsDoor;
use super::encoding::Encoding;
use super::metering::Metering;
use super::socket;
use crate::auth::{Origin, Pass};
use crate::codec::problem::{PROBLEM_JSON, ProblemParts};
use crate::http::Problem;
use crate::http::login;
use crate::http::server::Peer;
use crate::refusal::Refusal;

/// Bytes read at a time: enough for throughput, little enough for many idle sockets.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// Frames are gathered up to this many bytes before they go to the network without a flush.
const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// `GET /v1/ws`. (`CONNECT` is how HTTP/2 asks for it.)
pub fn routes<S: Clone + Send + Sync + 'static>(door: WsDoor) -> Router<S> {
    Router::new().route("/v1/ws", any(upgrade)).with_state(door)
}

async fn upgrade(State(door): State<WsDoor>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match accept(&door, &mut parts).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn accept(door: &WsDoor, parts: &mut Parts) -> Result<Response, Refused> {
    let client = Client::of(parts);
    let origin = client.origin;
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    check_origin(&parts.headers, authority, door.origins()).inspect_err(|_| {
        login::note_foreign_page(door.topics().guard(), origin, &parts.headers);
    })?;
    let encoding = negotiate(&parts.headers)?;
    let pass = log_in(door, parts, origin).await?;
    if door.drain().has_begun() {
        let why = "the server is going down; connect again when it is back";
        return Err(Refused::because(Refusal::new(ErrorCode::ShuttingDown, why).retry_after(1000)));
    }
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(|rejection| {
        let why = format!("this is where WebSockets are opened: {}", rejection.body_text());
        Refused::because(Refusal::invalid("Upgrade", why))
    })?;
    let Some(place) = door.admit() else {
        let why = format!("the server has {} sockets open, as many as it may", door.limits().sockets);
        return Err(Refused::because(Refusal::new(ErrorCode::Overloaded, why).retry_after(1000)));
    };
    if let Some(peer) = parts.extensions.get::<Arc<Peer>>() {
        // What was a connection of its client's becomes a socket of theirs.
        peer.hand_over();
    }
    let mut metering = Metering::default();
    let usage = metering.act_for(door, &pass, origin).map_err(|full| Refused::because(full.is_reached()))?;
    let limits = *door.limits();
    let mut upgrade = upgrade
        .max_frame_size(limits.frame_bytes)
        .max_message_size(limits.frame_bytes)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES);
    upgrade.set_selected_protocol(HeaderValue::from_static(encoding.subprotocol()));
    let door = door.acting_for(pass).measured_by(usage);
    Ok(upgrade.on_upgrade(move |socket| async move {
        // The task that waited for the upgrade ends here; the socket lives in one that a drain waits for.
        let drain = door.drain().clone();
        drain.track(socket::serve(socket, door, client, encoding, (place, metering)));
    }))
}

/// Who opens the socket: by a ticket, else as with any request; whoever says nothing may say it in the first command.
async fn log_in(door: &WsDoor, parts: &Parts, origin: Origin) -> Result<Pass, Refused> {
    let guard = door.topics().guard();
    let query = parts.uri.query().unwrap_or_default();
    if let Some(ticket) = query.split('&').find_map(|pair| pair.strip_prefix("ticket=")) {
        return guard.use_ticket(ticket).ok_or_else(|| {
            guard.turned_away(origin, "a ticket that is not good");
            let why = "the ticket was used already, is too old, or was never given out: ask for another";
            Refused::because(Refusal::new(ErrorCode::Unauthenticated, why).in_field("ticket"))
        });
    }
    login::known(guard, parts).await.map_err(Refused::Problem)
}

/// The encoding that both sides speak. There is none to assume: the client must name one.
fn negotiate(headers: &HeaderMap) -> Result<Encoding, Refused> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut names = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let chosen = names.find_map(|name| {
        let name = name.trim();
        Encoding::ALL.into_iter().find(|encoding| encoding.subprotocol() == name)
    });
    chosen.ok_or_else(|| {
        let [one, other] = Encoding::ALL.map(Encoding::subprotocol);
        let why = format!("offer a subprotocol: `{one}` or `{other}`");
        Refused::because(Refusal::invalid("Sec-WebSocket-Protocol", why))
    })
}

/// Browsers let any page open a socket to anywhere, with the user's cookies, and only say whose page it was. What
/// sends no `Origin` is no browser.
fn check_origin(headers: &HeaderMap, authority: Option<&str>, allowed: &[String]) -> Result<(), Refused> {
    if login::is_own_or_allowed(headers, authority, allowed) { Ok(()) } else { Err(Refused::Origin) }
}

enum Refused {
    Because(Box<Refusal>),
    Problem(Problem),
    Origin,
}

impl Refused {
    fn because(refusal: Refusal) -> Refused {
        Refused::Because(Box::new(refusal))
    }

    fn into_response(self) -> Response {
        if let Refused::Problem(problem) = self {
            return problem.into_response();
        }
        let mut document = Vec::new();
        let status = match &self {
            Refused::Problem(problem) => problem.status(),
            Refused::Because(refusal) => {
                let parts = ProblemParts::of(refusal);
                parts.write(&mut document);
                parts.status
            }
            Refused::Origin => {
                let parts = ProblemParts {
                    status: 403,
                    code: "origin_not_allowed",
                    title: "Pages of this origin may not open a socket",
                    detail: "add the origin to `ws.allowed_origins` in the configuration, or open the socket from a page of this server",
                    field: Some("Origin"),
                    retryable: false,
                    retry_after_ms: None,
                };
                parts.write(&mut document);
                parts.status
            }
        };
        let mut response = Response::new(Body::from(document));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_first_known_subprotocol_that_the_client_offers_is_taken() {
        let taken = |offer| negotiate(&headers(&[("sec-websocket-protocol", offer)])).ok();
        assert_eq!(taken("sluice.v1.json"), Some(Encoding::Json));
        assert_eq!(taken("chat, sluice.v1.json, sluice.v1.binary"), Some(Encoding::Json));
        assert_eq!(taken("sluice.v1.binary"), Some(Encoding::Binary));
        assert_eq!(taken("sluice.v2.json"), None);
        assert!(negotiate(&HeaderMap::new()).is_err());
    }

    #[test]
    fn only_pages_of_known_origins_may_connect() {
        let may = |origin: Option<&'static str>, allowed: &[&str]| {
            let mut sent = headers(&[("host", "broker:8080")]);
            if let Some(origin) = origin {
                sent.insert("origin", HeaderValue::from_static(origin));
            }
            let allowed: Vec<String> = allowed.iter().map(|one| (*one).to_owned()).collect();
            check_origin(&sent, None, &allowed).is_ok()
        };
        assert!(may(None, &[]));
        assert!(may(Some("http://broker:8080"), &[]));
        assert!(!may(Some("http://evil.example"), &[]));
        assert!(!may(Some("null"), &[]));
        assert!(may(Some("https://app.example"), &["https://app.example"]));
        assert!(may(Some("https://anything.example"), &["*"]));
    }
}
