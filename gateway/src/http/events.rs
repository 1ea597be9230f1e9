//! Server-sent events: a topic's messages as they come, for browsers and `curl`.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream::{self, StreamExt as _};
use utoipa::IntoParams;

use super::api::Api;
use super::log_events::LogEvents;
use super::login;
use super::media::{self, Form};
use super::pace::paced;
use super::parameters::{TopicPath, ValuesQuery};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::queue_events::QueueEvents;
use super::refusals::ReadRefusals;
use super::reply;
use super::shapes::AnyMessage;
use super::start_at;
use super::topics::wrong_model;
use crate::auth::quota::Measure;
use crate::refusal::Refusal;
use crate::topics::{StartAt, Topic};

/// Silence after which a comment shows that the stream lives.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct EventsQuery {
    /// Logs: where to start, `earliest`, `latest`, or `@` and a time; `latest` unless said.
    #[param(
        required = false,
        pattern = "^(earliest|latest|@[0-9]{1,13})$",
        default = "latest",
        example = "earliest"
    )]
    offset: String,
}

/// Follow a topic as server-sent events
///
/// Each event's data is a message as elsewhere in JSON. A comment comes every 15 seconds of silence.
///
/// A log is followed over all its partitions. The `id` of an event says how far each was read: a reader that comes
/// back with it as `Last-Event-ID`, as browsers do by themselves, misses and repeats nothing.
///
/// A stream ends with the login that opened it.
///
/// A queue's messages are taken, and acked once they were handed to the connection: use `/receive` or a WebSocket
/// where a message must not be lost with its reader.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/events",
    operation_id = "followTopic",
    tag = "messages",
    params(TopicPath, EventsQuery, ValuesQuery),
    responses((status = 200, description = "Messages as they come", body = AnyMessage, content_type = "text/event-stream"), ReadRefusals)
)]
pub async fn events(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["offset", "values"])?;
    media::negotiate(request.headers(), &[Form::Events])?;
    let values = query.values()?;
    let start = query.text("offset").map(start_at::parse).transpose()?;
    let (guard, pass) = (api.topics().guard().clone(), api.topics().pass().clone());
    let origin = login::came_from(request.extensions());
    let login_ended = async move { guard.lapsed(&pass, origin).await };
    api.usage().admit(Measure::Consume, 1)?;
    let body = match api.topics().topic(&topic)? {
        Topic::Log(log) => {
            if let Some(StartAt::Offset(_)) = start {
                let detail =
                    "a stream starts at `earliest`, `latest` or a time, or goes on from Last-Event-ID";
                return Err(Problem::invalid("offset", detail));
            }
            let resume = match request.headers().get("last-event-id") {
                Some(id) if !id.is_empty() => Some(id.to_str().map_err(|_| {
                    Problem::invalid("Last-Event-ID", "this is not an id that this stream gave out")
                })?),
                _ => None,
            };
            let events = LogEvents::open(api.clone(), log, start.unwrap_or(StartAt::Latest), resume, values)?;
            let opening = events.opening();
            let events = stream::unfold(Some(events), |events| async move {
                let mut events = events?;
                match events.next().await? {
                    Ok(piece) => Some((piece, Some(events))),
                    // A clean end: the client comes back, and the answer to that says what is wrong.
                    Err(refusal) => Some((farewell(&refusal), None)),
                }
            });
            streamed(opening, paced(api, events).take_until(login_ended))
        }
        Topic::Queue(queue) => {
            // Whoever follows a queue takes its messages.
            api.check_page(&request)?;
            if start.is_some() {
                return Err(wrong_model(&topic, "is a queue and has no offsets; leave `offset` out").into());
            }
            let events = QueueEvents::open(api, &queue, values).await?;
            let events = stream::unfold(events, |mut events| async move {
                let piece = events.next().await?;
                Some((piece, events))
            });
            streamed(Bytes::new(), events.take_until(login_ended))
        }
    };
    let mut response = reply::body(StatusCode::OK, Form::Events, body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies of the nginx family hold back what they could buffer.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The stream after a first line that lets the client know it is open.
fn streamed(opening: Bytes, events: impl stream::Stream<Item = Bytes> + Send + 'static) -> Body {
    let mut first = b"retry: 1000\n".to_vec();
    first.extend_from_slice(&opening);
    first.extend_from_slice(b"\n");
    let pieces = stream::once(async move { Bytes::from(first) }).chain(events);
    Body::from_stream(pieces.map(Ok::<_, std::convert::Infallible>))
}

/// A comment for whoever looks at the stream.
fn farewell(refusal: &Refusal) -> Bytes {
    format!(": {}\n\n", refusal.to_string().replace(['\r', '\n'], " ")).into()
}

/// Begins an event.
pub fn begin(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b"\ndata: ");
}

/// Ends an event. Its data is JSON on one line.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\n\n");
}

/// A sign of life.
pub const COMMENT: &[u8] = b": \n\n";
