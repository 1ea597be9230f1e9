//! Publishing to a topic, in whatever form the messages come.

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Body as _;

use super::api::Api;
use super::media::{self, Form, NDJSON_TYPE};
use super::parameters::{AcksQuery, TopicPath};
use super::path::At;
use super::problem::Problem;
use super::publish_schema::{CloudEvent, PublishBody};
use super::publish_stream;
use super::query::Query;
use super::refusals::PublishRefusals;
use super::reply;
use super::shapes::PublishResults;
use super::transactions::{self, TransactionHeader};
use crate::auth::quota::Measure;
use crate::codec::batch::{self, BATCH_TYPE};
use crate::codec::cloudevents::{self, EVENT_BATCH_TYPE, EVENT_TYPE};
use crate::codec::json_message::{self, JSON};
use crate::codec::receipts;
use crate::refusal::Refusal;
use crate::topics::{Acks, IdempotencyKey, Outgoing, Receipts, TransactionId};

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a topic.
    Topic(String),
    /// To a topic, within an open transaction.
    Within {
        /// The transaction.
        transaction: TransactionId,
        /// The topic.
        topic: String,
    },
    /// Through an exchange.
    Exchange {
        /// Its name; empty is the default exchange.
        name: String,
        /// The routing key of all messages.
        routing_key: String,
    },
}

impl Target {
    /// Whether it is there.
    pub async fn check(&self, api: &Api) -> Result<(), Refusal> {
        match self {
            Target::Topic(topic) | Target::Within { topic, .. } => api.topics().topic(topic).map(drop),
            Target::Exchange { name, .. } if name.is_empty() => Ok(()),
            Target::Exchange { name, .. } => api.topics().exchange(name).await.map(drop),
        }
    }

    /// The same target, within a transaction. That is never confirmed before it is on disk, whatever `acks` says.
    fn within(self, transaction: TransactionId) -> Result<Target, Problem> {
        match self {
            Target::Topic(topic) | Target::Within { topic, .. } => Ok(Target::Within { transaction, topic }),
            Target::Exchange { .. } => {
                let detail =
                    "an exchange cannot be part of a transaction; publish to the queue or log itself";
                Err(Problem::invalid("Sluice-Transaction", detail))
            }
        }
    }

    /// Publishes, and answers per message.
    pub async fn publish(
        &self,
        api: &Api,
        messages: Vec<Outgoing>,
        acks: Acks,
        key: Option<IdempotencyKey>,
    ) -> Result<Receipts, Refusal> {
        match self {
            Target::Topic(topic) => api.topics().publish(topic, messages, acks, key).await,
            Target::Within { transaction, topic } => {
                api.topics().publish_in_transaction(*transaction, topic, messages, key).await
            }
            Target::Exchange { name, routing_key } => {
                api.topics().publish_to_exchange(name, routing_key, messages, acks, key).await
            }
        }
    }
}

/// Publish messages to a topic
///
/// `application/json` carries a list of messages, `application/x-ndjson` one per line and answers a line for each
/// while the request still streams, `application/vnd.sluice.batch` is the binary batch of `docs/batch-format.md`.
/// CloudEvents come in structured, batch or binary mode. Any other content type is one raw message.
///
/// The answer has one result per message, in the order sent: 200 when all were taken, 207 when some were not. A raw
/// message or a single event that is not taken is answered by its problem alone.
///
/// With the header `Idempotency-Key` (1 to 255 bytes) a repeated request gets the first one's answer and has no
/// second effect; the same key with another request is refused with 422.
///
/// With the header `Sluice-Transaction` the messages count once that transaction is committed. Records of a log have their
/// place at once; a message for a queue is `unconfirmed` until then. The answer comes when they are on disk, whatever
/// `acks` says.
#[utoipa::path(
    post,
    path = "/v1/topics/{topic}/messages",
    operation_id = "publish",
    tag = "messages",
    params(TopicPath, AcksQuery, TransactionHeader),
    request_body(content(
        (PublishBody = "application/json"),
        (CloudEvent = "application/cloudevents+json"),
        (Vec<CloudEvent> = "application/cloudevents-batch+json"),
        (String = "text/plain"),
        (Vec<u8> = "application/octet-stream"),
    )),
    responses(
        (status = 200, description = "All were taken", content((PublishResults = "application/json"), (Vec<u8> = "application/vnd.sluice.batch"), (String = "application/x-ndjson"))),
        (status = 207, description = "Some were not taken", content((PublishResults = "application/json"), (Vec<u8> = "application/vnd.sluice.batch"))),
        PublishRefusals
    )
)]
pub async fn publish(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let acks = Query::parse(parts.uri.query(), &["acks"])?.acks()?;
    answer(api, Target::Topic(topic), acks, &parts, body).await
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    List,
    Lines,
    Batch,
    Event,
    Events,
    BinaryEvent,
    Raw,
}

impl Carried {
    fn by(headers: &HeaderMap, content_type: Option<&str>) -> Carried {
        let is = |media_type: &str| {
            content_type
                .is_some_and(|content_type| media::essence(content_type).eq_ignore_ascii_case(media_type))
        };
        if is(EVENT_TYPE) {
            Carried::Event
        } else if is(EVENT_BATCH_TYPE) {
            Carried::Events
        } else if ["ce-specversion", "ce-id", "ce-source", "ce-type"]
            .iter()
            .any(|name| headers.contains_key(*name))
        {
            Carried::BinaryEvent
        } else if is(JSON) {
            Carried::List
        } else if is(NDJSON_TYPE) {
            Carried::Lines
        } else if is(BATCH_TYPE) {
            Carried::Batch
        } else {
            Carried::Raw
        }
    }

    fn is_single(self) -> bool {
        matches!(self, Carried::Event | Carried::BinaryEvent | Carried::Raw)
    }
}

/// Reads the messages of a request, publishes them and answers.
pub async fn answer(
    api: Api,
    target: Target,
    acks: Acks,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let headers = &parts.headers;
    let content_type = media::content_type(headers)?;
    let carried = Carried::by(headers, content_type);
    media::check_coding(headers)?;
    let target = match transactions::named(headers)? {
        None => target,
        Some(transaction) => target.within(transaction)?,
    };
    if carried == Carried::Lines {
        return publish_stream::answer(api, target, acks, headers, body).await;
    }
    let form = media::negotiate(headers, &[Form::Json, Form::Batch])?;
    let announced = body.size_hint().lower().max(1);
    api.usage().admit(Measure::Produce, announced)?;
    let held = api.bodies().read(body, api.limits().body_bytes).await?;
    api.usage().take(Measure::Produce, (held.bytes.len() as u64).saturating_sub(announced));
    let key = match headers.get("idempotency-key") {
        None => None,
        Some(key) => Some(idempotency_key(key.as_bytes(), &target, parts, &held.bytes)?),
    };
    let messages = decode(carried, headers, content_type, &held.bytes)?;
    if messages.is_empty() {
        target.check(&api).await?;
    }
    let mut receipts = target.publish(&api, messages, acks, key).await?;
    drop(held);
    if carried.is_single()
        && let [Err(_)] = receipts.as_slice()
        && let Some(Err(refusal)) = receipts.pop()
    {
        return Err(refusal.into());
    }
    Ok(render(form, &receipts))
}

fn decode(
    carried: Carried,
    headers: &HeaderMap,
    content_type: Option<&str>,
    body: &Bytes,
) -> Result<Vec<Outgoing>, Problem> {
    Ok(match carried {
        Carried::List => json_message::parse_body(body)?,
        Carried::Batch => batch::decode_publish(body).map_err(Refusal::from)?,
        Carried::Event => vec![cloudevents::parse_event(body, "")?],
        Carried::Events => cloudevents::parse_batch(body)?,
        Carried::BinaryEvent => {
            let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            vec![cloudevents::from_headers(named, content_type, body.clone())?]
        }
        Carried::Raw if body.is_empty() && content_type.is_none() => {
            let detail = "there is no body; to publish an empty message, say its Content-Type";
            return Err(Problem::invalid("body", detail));
        }
        Carried::Raw | Carried::Lines => {
            vec![json_message::raw(body.clone(), content_type.map(str::to_owned))]
        }
    })
}

fn render(form: Form, receipts: &Receipts) -> Response {
    let mut out = Vec::new();
    let refused = if form == Form::Batch {
        batch::encode_results(&mut out, receipts);
        receipts.iter().any(Result::is_err)
    } else {
        receipts::write_results(&mut out, receipts)
    };
    reply::bytes(if refused { StatusCode::MULTI_STATUS } else { StatusCode::OK }, form, out)
}

/// The key belongs to the target; the fingerprint is of everything else that decides what happens.
fn idempotency_key(
    key: &[u8],
    target: &Target,
    parts: &Parts,
    body: &[u8],
) -> Result<IdempotencyKey, Problem> {
    let refuse = || Problem::invalid("Idempotency-Key", "an idempotency key has 1 to 255 bytes of ASCII");
    let key = std::str::from_utf8(key).map_err(|_| refuse())?;
    if key.is_empty() || key.len() > 255 || !key.is_ascii() {
        return Err(refuse());
    }
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    let content_type = parts.headers.get("content-type").map_or(&[][..], |value| value.as_bytes());
    for part in [parts.uri.query().unwrap_or_default().as_bytes(), content_type] {
        digest.update(part);
        digest.update(&[0]);
    }
    for (name, value) in parts.headers.iter().filter(|(name, _)| name.as_str().starts_with("ce-")) {
        digest.update(name.as_str().as_bytes());
        digest.update(value.as_bytes());
        digest.update(&[0]);
    }
    digest.update(body);
    let key = match target {
        Target::Topic(topic) | Target::Within { topic, .. } => format!("topic {topic}\0{key}"),
        Target::Exchange { name, .. } => format!("exchange {name}\0{key}"),
    };
    Ok(IdempotencyKey { key, fingerprint: digest.finalize() })
}
