//! Taking messages from a queue.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::api::Api;
use super::media::{self, Form};
use super::parameters::{TopicPath, ValuesQuery};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::TakeRefusals;
use super::shapes::Message;
use super::{document, reply};
use crate::auth::quota::Measure;
use crate::codec::batch::BatchWriter;
use crate::codec::render::{ValueMode, write_message};
use crate::topics::QueueDelivery;

/// What to take, and how long to wait for it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"max": 10, "wait_ms": 100, "lease_ms": 30000}))]
pub struct ReceiveBody {
    /// Most messages.
    #[serde(deserialize_with = "document::whole::<1, 10000, usize, _>")]
    #[schema(value_type = u32, minimum = 1, maximum = 10000, default = 10)]
    max: usize,
    /// How long to wait for the first one, in milliseconds.
    #[serde(deserialize_with = "document::whole::<0, 60000, u64, _>")]
    #[schema(minimum = 0, maximum = 60000, default = 0)]
    wait_ms: u64,
    /// For how long they are leased, in milliseconds; the queue's own time unless said.
    #[serde(deserialize_with = "document::maybe_whole::<1, 43200000, u64, _>")]
    #[schema(required = false, value_type = u64, minimum = 1, maximum = 43200000)]
    lease_ms: Option<u64>,
    /// Taken for good: no lease, nothing to settle, and lost if the answer is.
    #[schema(default = false)]
    auto_ack: bool,
}

impl Default for ReceiveBody {
    fn default() -> ReceiveBody {
        ReceiveBody { max: 10, wait_ms: 0, lease_ms: None, auto_ack: false }
    }
}

/// Messages that were taken, in the order in which the queue gave them.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct ReceivedMessages {
    messages: Vec<Message>,
}

/// Take messages from a queue
///
/// Each comes with a `lease`: settle it with `/v1/settle` before `lease_expires_at`, or it returns to the queue.
/// Waits up to `wait_ms` when there is nothing, and answers an empty list then.
#[utoipa::path(
    post,
    path = "/v1/topics/{topic}/receive",
    operation_id = "receive",
    tag = "messages",
    params(TopicPath, ValuesQuery),
    request_body(content = Option<ReceiveBody>, content_type = "application/json"),
    responses(
        (status = 200, description = "What there was", content((ReceivedMessages = "application/json"), (Vec<u8> = "application/vnd.sluice.batch"))),
        TakeRefusals
    )
)]
pub async fn receive(api: Api, At(topic): At<String>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let values = Query::parse(parts.uri.query(), &["values"])?.values()?;
    let form = media::negotiate(&parts.headers, &[Form::Json, Form::Batch])?;
    let ask: ReceiveBody = document::read_or_default(&api, &parts.headers, body).await?;
    api.usage().admit(Measure::Consume, 1)?;
    let queue = api.topics().queue(&topic)?;
    let wait = Duration::from_millis(ask.wait_ms).min(api.limits().wait);
    let lease = ask.lease_ms.map(Duration::from_millis);
    let taken = queue.receive(ask.max, wait, lease, ask.auto_ack).await?;
    let rendered = render(form, values, &taken);
    api.usage().take(Measure::Consume, rendered.len() as u64);
    Ok(reply::bytes(StatusCode::OK, form, rendered))
}

/// Messages in one of the two forms.
pub fn render(form: Form, values: ValueMode, messages: &[QueueDelivery]) -> Vec<u8> {
    let bodies: usize = messages.iter().map(QueueDelivery::body_len).sum();
    let mut out = Vec::with_capacity(64 + bodies + messages.len() * 256);
    if form == Form::Batch {
        let mut batch = BatchWriter::messages(&mut out);
        for message in messages {
            batch.push(&mut out, &message.view());
        }
        batch.finish(&mut out);
        return out;
    }
    out.extend_from_slice(b"{\"messages\":[");
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_message(&mut out, &message.view(), values);
    }
    out.extend_from_slice(b"]}");
    out
}
