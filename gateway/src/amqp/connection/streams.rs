//! Logs read as RabbitMQ's streams are.

use std::ops::ControlFlow;
use std::time::Instant;

use bytes::{BufMut, Bytes};
use message::{HeaderTable, HeaderTableBuilder, HeaderValue};

use super::Connection;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::unsettled::Pending;
use crate::amqp::wire::{Reply, put_content};
use crate::refusal::Refusal;
use crate::topics::session::ConsumerNumber;
use crate::topics::{HeadersView, MessageView, Place, RecordChunk};

/// Where a consumer of a log begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what is still there.
    First,
    /// With what came last.
    Last,
    /// With what comes next.
    Next,
    /// At an offset.
    Offset(i64),
    /// With the first record of a time, in milliseconds since the epoch.
    Time(i64),
    /// So many milliseconds ago.
    Ago(i64),
}

impl Start {
    /// Reads `x-stream-offset`.
    pub(super) fn read(arguments: &HeaderTable) -> Result<Start, AmqpError> {
        let invalid = || {
            let text = "invalid arg 'x-stream-offset': it is first, last, next, an offset, a timestamp, or an interval like 2h";
            AmqpError::new(ReplyCode::PreconditionFailed, text)
        };
        match arguments.get("x-stream-offset") {
            None => Ok(Start::Next),
            Some(HeaderValue::Text(text)) => match text.as_str() {
                "first" => Ok(Start::First),
                "last" => Ok(Start::Last),
                "next" => Ok(Start::Next),
                interval => crate::topics::session::interval_ms(interval)
                    .and_then(|ms| i64::try_from(ms).ok())
                    .map(Start::Ago)
                    .ok_or_else(invalid),
            },
            Some(HeaderValue::Int(offset)) if offset >= 0 => Ok(Start::Offset(offset)),
            Some(HeaderValue::Timestamp(seconds)) => {
                let seconds = i64::try_from(seconds).map_err(|_| invalid())?;
                seconds.checked_mul(1000).map(Start::Time).ok_or_else(invalid)
            }
            Some(_) => Err(invalid()),
        }
    }
}

impl Connection {
    /// Records for a subscription to a log.
    pub(super) fn deliver_records(
        &mut self,
        now: Instant,
        consumer: ConsumerNumber,
        chunk: Result<RecordChunk, Refusal>,
    ) {
        let Some((number, tag)) = self.consumers.get(&consumer).cloned() else { return };
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(refusal) if refusal.code == message::ErrorCode::UnknownTopic => {
                return self.subscription_ended(consumer);
            }
            Err(refusal) => {
                let error = AmqpError::new(ReplyCode::InternalError, &refusal.detail);
                return self.fail_channel(now, number, error);
            }
        };
        let frame_max = if self.frame_max == 0 { self.terms.limits.frame_bytes } else { self.frame_max };
        let topic = chunk.topic.clone();
        let (output, channels) = (&mut self.output, &mut self.channels);
        let Some(channel) = channels.get_mut(&number) else { return };
        let shown = chunk.for_each(&mut |view| {
            let Place::Log { offset, .. } = view.place else { return ControlFlow::Continue(()) };
            let delivery = channel.next_delivery();
            channel.unsettled.push(Pending { tag: delivery, lease: None, consumer: Some(consumer) });
            let deliver = Reply::Deliver {
                tag: &tag,
                delivery,
                redelivered: false,
                exchange: "",
                routing_key: topic.as_str(),
            };
            deliver.put(output, number);
            let properties = content_type(view.content_type);
            let headers = headers(&view, offset);
            let body = Bytes::copy_from_slice(view.value.unwrap_or_default());
            put_content(output, number, &properties, headers.as_bytes(), &body, frame_max as usize);
            ControlFlow::Continue(())
        });
        if let Err(refusal) = shown {
            let error = AmqpError::new(ReplyCode::InternalError, &refusal.detail);
            self.fail_channel(now, number, error);
        }
    }
}

/// Properties that hold a content type, or nothing.
fn content_type(content_type: Option<&str>) -> Vec<u8> {
    let Some(text) = content_type.filter(|text| text.len() <= 255) else { return Vec::new() };
    let mut properties = Vec::with_capacity(3 + text.len());
    properties.put_u16(1 << 15);
    properties.put_u8(text.len() as u8);
    properties.put_slice(text.as_bytes());
    properties
}

/// A record's headers, with its offset in front.
fn headers(view: &MessageView<'_>, offset: i64) -> HeaderTable {
    let mut table = HeaderTableBuilder::new();
    // The names fit, and what does not is left out rather than the record.
    let _ = table.push("x-stream-offset", &HeaderValue::Int(offset));
    match &view.headers {
        HeadersView::Record(headers) => {
            for (name, value) in headers {
                let Ok(name) = std::str::from_utf8(name) else { continue };
                let _ = match value.map(std::str::from_utf8) {
                    None => table.push(name, &HeaderValue::Null),
                    Some(Ok(text)) => table.push_text(name, text),
                    Some(Err(_)) => {
                        let bytes = Bytes::copy_from_slice(value.unwrap_or_default());
                        table.push(name, &HeaderValue::Bytes(bytes))
                    }
                };
            }
        }
        HeadersView::Table(headers) => {
            for (name, value) in headers.iter() {
                let _ = table.push(name, &value);
            }
        }
    }
    table.build()
}
