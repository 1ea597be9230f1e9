//! Logs read as RabbitMQ's streams are.

use std::ops::ControlFlow;
use std::time::Instant;

use bytes::Bytes;
use message::{HeaderTable, HeaderValue};

use super::Connection;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::unsettled::Pending;
use crate::amqp::wire::{Reply, put_content};
use crate::refusal::Refusal;
use crate::topics::session::ConsumerNumber;
use crate::topics::{Place, RecordChunk, amqp_form};

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
                return self.subscription_ended(now, consumer, false);
            }
            Err(refusal) => {
                let error = AmqpError::new(ReplyCode::InternalError, &refusal.detail);
                return self.fail_channel(now, number, error);
            }
        };
        let frame_max = if self.frame_max == 0 { self.terms.limits.frame_bytes } else { self.frame_max };
        let topic = chunk.topic.clone();
        let (output, channels, delivered) = (&mut self.output, &mut self.channels, &mut self.delivered.0);
        let Some(channel) = channels.get_mut(&number) else { return };
        let filter = channel.consumers.get(&tag).and_then(|found| found.about.filter.clone());
        let shown = chunk.for_each(&mut |view| {
            let Place::Log { offset, .. } = view.place else { return ControlFlow::Continue(()) };
            if filter.as_ref().is_some_and(|filter| !filter.wants(&view)) {
                return ControlFlow::Continue(());
            }
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
            let (properties, headers) = amqp_form(&view, ("x-stream-offset", HeaderValue::Int(offset)));
            let body = Bytes::copy_from_slice(view.value.unwrap_or_default());
            *delivered += body.len() as u64;
            put_content(output, number, &properties, headers.as_bytes(), &body, frame_max as usize);
            ControlFlow::Continue(())
        });
        if let Err(refusal) = shown {
            let error = AmqpError::new(ReplyCode::InternalError, &refusal.detail);
            self.fail_channel(now, number, error);
        }
    }
}
