//! Publishing and getting single messages, for people who look after queues.

use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::errand::{Errand, Routed};
use super::exchanges::named;
use super::failure::Failure;
use super::{Management, requests};
use crate::amqp::refusals::{self, Subject, Task};
use crate::http::reply;
use crate::topics::session::{
    Answer, Durability, PropertyFault, Publish, Request, SessionDelivery, Settlement, properties_from_json,
    properties_to_json,
};

/// Most messages that one request gets.
const GET_MOST: u64 = 10_000;
/// Most bytes of their bodies; the message that passes this is the last one.
const GET_BYTES: usize = 64 << 20;

/// `POST /api/exchanges/{vhost}/{name}/publish`
pub async fn publish(
    management: Management,
    Path((vhost, exchange)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    let object = management.object(body).await?;
    let publish = message(named(&exchange), &object)?;
    let most = management.topics().limits().message_bytes;
    if publish.body.len() > most {
        return Err(Failure::bad(format!("a message has at most {most} bytes")));
    }
    let most = management.topics().limits().header_bytes;
    if publish.headers.as_bytes().len() > most {
        return Err(Failure::bad(format!("headers have at most {most} bytes")));
    }
    let mut errand = Errand::new(management.topics(), host);
    match errand.publish(publish).await {
        Ok(Routed::Taken) => Ok(reply::json(StatusCode::OK, &json!({"routed": true}))),
        Ok(Routed::Nowhere) => Ok(reply::json(StatusCode::OK, &json!({"routed": false}))),
        Ok(Routed::Full) => Err(Failure::bad("a queue that it was routed to is full and refused it")),
        Err(error) => {
            let error = refusals::of_publish(&error, &vhost);
            match error.code.number() {
                403 | 404 | 406 => Err(Failure::bad(format!("{} {}", error.code.number(), error.text))),
                _ => Err(error.into()),
            }
        }
    }
}

fn message(exchange: &str, object: &Map<String, Value>) -> Result<Publish, Failure> {
    let empty = Map::new();
    let properties = match requests::needed(object, "properties")? {
        Value::Object(properties) => properties,
        Value::Array(list) if list.is_empty() => &empty,
        _ => return Err(Failure::bad("properties is an object")),
    };
    let (payload, routing_key) =
        (requests::needed_text(object, "payload")?, requests::needed_text(object, "routing_key")?);
    let body = match requests::needed_text(object, "payload_encoding")? {
        "string" => Bytes::copy_from_slice(payload.as_bytes()),
        "base64" => STANDARD.decode(payload).map_err(|_| Failure::bad("payload is not base64"))?.into(),
        other => return Err(Failure::Bad(json!(["unsupported_encoding", other]))),
    };
    if routing_key.len() > 255 {
        return Err(Failure::bad("routing_key has at most 255 bytes"));
    }
    let (properties_read, headers) = properties_from_json(properties)
        .map_err(|PropertyFault(fault, property)| Failure::Bad(json!([fault, property])))?;
    let persistent = properties.get("delivery_mode").and_then(Value::as_u64) == Some(2);
    Ok(Publish {
        exchange: exchange.into(),
        routing_key: routing_key.into(),
        properties: properties_read,
        headers,
        body,
        mandatory: true,
        durability: if persistent { Durability::Disk } else { Durability::Cache },
    })
}

/// How payloads are written.
#[derive(Clone, Copy)]
enum Encoding {
    /// As text where they are UTF-8, else base64.
    Auto,
    Base64,
}

/// `POST /api/queues/{vhost}/{name}/get`
pub async fn get(
    management: Management,
    Path((vhost, queue)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    let object = management.object(body).await?;
    let settlement = match requests::needed_text(&object, "ackmode")? {
        "ack_requeue_true" => Settlement::Requeue,
        "reject_requeue_true" => Settlement::Fail,
        "ack_requeue_false" => Settlement::Ack,
        "reject_requeue_false" => Settlement::Discard,
        _ => {
            let modes = "ack_requeue_true, reject_requeue_true, ack_requeue_false or reject_requeue_false";
            return Err(Failure::bad(format!("ackmode is {modes}")));
        }
    };
    let count = requests::needed(&object, "count")?;
    let encoding = match requests::needed_text(&object, "encoding")? {
        "auto" => Encoding::Auto,
        "base64" => Encoding::Base64,
        _ => return Err(Failure::bad("Unsupported encoding. Please use auto or base64.")),
    };
    let count = number(count).filter(|count| *count > 0);
    let count = count.ok_or_else(|| Failure::bad("count is a whole number of at least 1"))?;
    let truncate = match object.get("truncate") {
        None | Some(Value::Null) => usize::MAX,
        Some(value) => number(value)
            .and_then(|most| usize::try_from(most).ok())
            .ok_or_else(|| Failure::bad("truncate is a whole number of bytes"))?,
    };
    let mut errand = Errand::new(management.topics(), host);
    let (mut shown, mut held, mut bytes) = (Vec::new(), Vec::new(), 0);
    while (shown.len() as u64) < count.min(GET_MOST) && bytes <= GET_BYTES {
        let request = Request::Get { queue: queue.clone(), no_ack: false };
        let answer = errand.ask(request, Subject::queue(&queue).to(Task::Get)).await.map_err(with_code)?;
        let Answer::Got(Some((delivery, left))) = answer else { break };
        held.extend(delivery.lease().map(|lease| (lease, settlement)));
        bytes += delivery.body().len().min(truncate);
        shown.push(show(&delivery, left, encoding, truncate));
    }
    errand.settle(held).await?;
    Ok(reply::json(StatusCode::OK, &shown))
}

/// A whole number; tools send them as text as well.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// RabbitMQ tells these with the code's name.
fn with_code(failure: Failure) -> Failure {
    match failure {
        Failure::Missing(reason) => Failure::Missing(format!("NOT_FOUND - {reason}")),
        other => other,
    }
}

fn show(delivery: &SessionDelivery, left: u64, encoding: Encoding, truncate: usize) -> Value {
    let body = delivery.body();
    let cut = body.get(..truncate).unwrap_or(body);
    let (payload, name) = match (encoding, std::str::from_utf8(body)) {
        (Encoding::Auto, Ok(text)) => (cut_text(text, truncate).to_owned(), "string"),
        _ => (STANDARD.encode(cut), "base64"),
    };
    json!({
        "payload_bytes": body.len(), "redelivered": delivery.is_redelivered(), "exchange": delivery.exchange(),
        "routing_key": delivery.routing_key(), "message_count": left,
        "properties": properties_to_json(delivery.properties(), &delivery.headers()),
        "payload": payload, "payload_encoding": name,
    })
}

/// As much of a text as has no more bytes, without breaking a character.
fn cut_text(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}
