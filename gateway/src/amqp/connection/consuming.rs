use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use message::{HeaderTable, HeaderValue};

use super::Connection;
use super::answers::Expect;
use super::channel::{About, Consumer};
use super::streams::Start;
use crate::amqp::Effect;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::stream_filter::StreamFilter;
use crate::amqp::unsettled::Pending;
use crate::amqp::wire::{ConsumeFlags, Method, MethodId, Reply, put_content};
use crate::topics::session::{Action, Consume, ConsumerNumber, REPLY_TO, Request, SessionDelivery};

/// What a consumer without a prefetch of its own may have on its way to it.
const OPEN_WINDOW: u64 = 4096;
/// Bytes of bodies that one subscription may have on their way to the client.
const WINDOW_BYTES: u64 = 1 << 20;
/// The least of it, however many subscriptions share the connection.
const LEAST_WINDOW_BYTES: u64 = 4 << 10;

impl Connection {
    /// `basic.qos`, `consume`, `cancel` and `get`.
    pub(super) fn handle_consuming(
        &mut self,
        number: u16,
        id: MethodId,
        method: &Method<'_>,
    ) -> Result<(), AmqpError> {
        match *method {
            Method::Qos { prefetch_size, .. } if prefetch_size != 0 => {
                let text = format!("prefetch_size!=0 ({prefetch_size})");
                Err(AmqpError::new(ReplyCode::NotImplemented, text))
            }
            Method::Qos { prefetch_count, global: true, .. } => {
                if let Some(channel) = self.channels.get_mut(&number) {
                    channel.shared_prefetch = prefetch_count;
                }
                let unsettled = (prefetch_count > 0).then(|| u64::from(prefetch_count));
                self.ask(number, id, Expect::QosOk, Request::LimitChannel { unsettled });
                Ok(())
            }
            Method::Qos { prefetch_count, .. } => {
                if let Some(channel) = self.channels.get_mut(&number) {
                    channel.prefetch = prefetch_count;
                }
                self.say_in_order(number, Reply::QosOk);
                Ok(())
            }
            Method::Consume { .. } => self.consume(number, id, method),
            Method::Cancel { tag, nowait } => {
                self.cancel(number, id, tag, nowait);
                Ok(())
            }
            Method::Get { queue, no_ack } => {
                let queue = self.queue_name(number, queue)?;
                let expect = Expect::Get { no_ack, queue: queue.clone() };
                self.ask(number, id, expect, Request::Get { queue, no_ack });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn consume(&mut self, number: u16, id: MethodId, method: &Method<'_>) -> Result<(), AmqpError> {
        let Method::Consume { queue, tag, flags, arguments } = *method else { return Ok(()) };
        let queue = self.queue_name(number, queue)?;
        if queue == REPLY_TO {
            return self.consume_replies(number, id, tag, flags);
        }
        let arguments = table(arguments)?;
        let priority = match arguments.get("x-priority") {
            None => 0,
            Some(HeaderValue::Int(priority)) => {
                i32::try_from(priority).unwrap_or(if priority < 0 { i32::MIN } else { i32::MAX })
            }
            Some(_) => {
                let text = "invalid arg 'x-priority' for basic.consume: it must be a whole number";
                return Err(AmqpError::new(ReplyCode::PreconditionFailed, text));
            }
        };
        let start = Start::read(&arguments)?;
        let filter = StreamFilter::read(&arguments)?.map(Arc::new);
        let tag: Arc<str> = if tag.is_empty() { self.make_up_name("amq.ctag-").into() } else { tag.into() };
        let (most, granted) = (self.terms.limits.consumers, self.granted);
        let Some(channel) = self.channels.get_mut(&number) else { return Ok(()) };
        if channel.consumers.contains_key(&tag) {
            let text = format!("attempt to reuse consumer tag '{tag}'");
            return Err(AmqpError::new(ReplyCode::NotAllowed, text));
        }
        if channel.consumers.len() >= most {
            let text = format!("reached maximum ({most}) of consumers per channel");
            return Err(AmqpError::new(ReplyCode::NotAllowed, text));
        }
        self.next_consumer += 1;
        let consumer = ConsumerNumber(self.next_consumer);
        let prefetch = if flags.no_ack { 0 } else { u32::from(channel.prefetch) };
        let room = (self.terms.limits.buffered_bytes as u64).saturating_sub(granted) / 4;
        let window_bytes = room.clamp(LEAST_WINDOW_BYTES, WINDOW_BYTES).min(self.window_most);
        self.granted += window_bytes;
        // The queue counts what a consumer with a prefetch holds; one without gets as much as is written.
        let credit_messages = if prefetch == 0 { OPEN_WINDOW } else { u64::MAX };
        channel.consumers.insert(
            Arc::clone(&tag),
            Consumer {
                number: consumer,
                no_ack: flags.no_ack,
                prefetch,
                window_bytes,
                is_log: false,
                cancelled: false,
                about: Box::new(About {
                    queue: queue.clone(),
                    exclusive: flags.exclusive,
                    arguments,
                    filter,
                }),
            },
        );
        self.consumers.insert(consumer, (number, Arc::clone(&tag)));
        let request = Request::Consume(Consume {
            consumer,
            queue: queue.clone(),
            no_ack: flags.no_ack,
            exclusive: flags.exclusive,
            priority,
            credit_messages,
            credit_bytes: window_bytes,
            prefetch: (prefetch > 0).then(|| u64::from(prefetch)),
        });
        let expect = Expect::ConsumeOk { tag, nowait: flags.nowait, queue, start };
        self.ask(number, id, expect, request);
        Ok(())
    }

    /// Replies to what the channel asks come straight to it.
    fn consume_replies(
        &mut self,
        number: u16,
        id: MethodId,
        tag: &str,
        flags: ConsumeFlags,
    ) -> Result<(), AmqpError> {
        let refuse = |text| Err(AmqpError::new(ReplyCode::PreconditionFailed, text));
        let has_one = self.channels.get(&number).is_some_and(|channel| channel.replies.is_some());
        if has_one {
            return refuse("reply consumer already set");
        }
        if !flags.no_ack {
            return refuse("reply consumer cannot acknowledge");
        }
        let tag: Arc<str> = if tag.is_empty() { self.make_up_name("amq.ctag-").into() } else { tag.into() };
        let address = self.make_up_name("amq.rabbitmq.reply-to.");
        self.next_consumer += 1;
        let consumer = ConsumerNumber(self.next_consumer);
        let Some(channel) = self.channels.get_mut(&number) else { return Ok(()) };
        channel.replies = Some((address.as_str().into(), Arc::clone(&tag)));
        channel.consumers.insert(
            Arc::clone(&tag),
            Consumer {
                number: consumer,
                no_ack: true,
                prefetch: 0,
                window_bytes: 0,
                is_log: false,
                cancelled: true,
                about: Box::new(About {
                    queue: REPLY_TO.to_owned(),
                    exclusive: flags.exclusive,
                    arguments: HeaderTable::default(),
                    filter: None,
                }),
            },
        );
        self.consumers.insert(consumer, (number, Arc::clone(&tag)));
        let queue = REPLY_TO.to_owned();
        let expect = Expect::ConsumeOk { tag, nowait: flags.nowait, queue, start: Start::Next };
        self.ask(number, id, expect, Request::TakeReplies { consumer, address });
        Ok(())
    }

    fn cancel(&mut self, number: u16, id: MethodId, tag: &str, nowait: bool) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        if channel.replies.as_ref().is_some_and(|(_, own)| **own == *tag) {
            channel.replies = None;
            let expect = Expect::CancelOk { tag: tag.into(), nowait };
            return self.ask(number, id, expect, Request::LeaveReplies);
        }
        let Some((key, consumer)) = channel.consumers.get_key_value(tag) else {
            let expect = Expect::CancelOk { tag: tag.into(), nowait };
            return self.ask(number, id, expect, Request::Barrier);
        };
        let (tag, consumer) = (Arc::clone(key), consumer.number);
        if let Some(consumer) = channel.consumers.get_mut(&tag) {
            consumer.cancelled = true;
        }
        let expect = Expect::CancelOk { tag, nowait };
        self.ask(number, id, expect, Request::Cancel { consumer });
    }

    /// A subscription is over and its tag free again.
    pub(super) fn end_consumer(&mut self, number: u16, tag: &str) {
        let ended = self.channels.get_mut(&number).and_then(|channel| channel.consumers.remove(tag));
        if let Some(consumer) = ended {
            self.forget_consumer(&consumer);
        }
    }

    pub(super) fn forget_consumer(&mut self, consumer: &Consumer) {
        self.consumers.remove(&consumer.number);
        self.owed.remove(&consumer.number);
        self.repaid.remove(&consumer.number);
        self.granted = self.granted.saturating_sub(consumer.window_bytes);
        if consumer.is_log {
            self.effects.push_back(Effect::StopLog(consumer.number));
        }
    }

    /// The queue of a subscription is gone, or it kept a message for too long. Who cannot be told of a timeout loses the
    /// channel, as with RabbitMQ: it would wait for ever otherwise.
    pub(super) fn subscription_ended(&mut self, now: Instant, consumer: ConsumerNumber, timed_out: bool) {
        let Some((number, tag)) = self.consumers.get(&consumer).cloned() else { return };
        self.end_consumer(number, &tag);
        if self.client.consumer_cancel_notify {
            self.say(number, &Reply::Cancel { tag: &tag });
        } else if timed_out {
            let text = format!("delivery acknowledgement on channel {number} timed out");
            self.fail_channel(now, number, AmqpError::new(ReplyCode::PreconditionFailed, text));
        }
    }

    /// Messages for a subscription.
    pub(super) fn deliver(&mut self, consumer: ConsumerNumber, run: Vec<SessionDelivery>) {
        let Some((number, tag)) = self.consumers.get(&consumer).cloned() else { return };
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let Some(Consumer { prefetch, .. }) = channel.consumers.get(&tag) else { return };
        let prefetch = *prefetch;
        let frame_max =
            self.terms.limits.frame_bytes.min(if self.frame_max == 0 { u32::MAX } else { self.frame_max });
        let (mut messages, mut bytes) = (0, 0);
        for delivery in run {
            let delivery_tag = channel.next_delivery();
            if let Some(lease) = delivery.lease() {
                let pending = Pending { tag: delivery_tag, lease: Some(lease), consumer: Some(consumer) };
                channel.unsettled.push(pending);
            }
            let deliver = Reply::Deliver {
                tag: &tag,
                delivery: delivery_tag,
                redelivered: delivery.is_redelivered(),
                exchange: delivery.exchange(),
                routing_key: delivery.routing_key(),
            };
            deliver.put(&mut self.output, number);
            let body = delivery.body();
            put_content(
                &mut self.output,
                number,
                delivery.properties(),
                &delivery.headers(),
                body,
                frame_max as usize,
            );
            messages += 1;
            bytes += body.len() as u64;
        }
        self.delivered.0 += bytes;
        let owed = self.owed.entry(consumer).or_default();
        // With a prefetch, settling gives messages back; without one, writing does.
        owed.0 += if prefetch == 0 { messages } else { 0 };
        owed.1 += bytes;
    }

    /// What was written makes room for more.
    pub(super) fn repay_owed(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        for (consumer, (messages, bytes)) in std::mem::take(&mut self.owed) {
            if self.is_choked(consumer) {
                self.owed.insert(consumer, (messages, bytes));
                continue;
            }
            if messages > 0 || bytes > 0 {
                self.credit(consumer, messages, bytes);
            }
        }
    }

    /// Whether a channel holds so many unsettled messages that its unbounded subscriptions get no more.
    fn is_choked(&self, consumer: ConsumerNumber) -> bool {
        let channel = self.consumers.get(&consumer).and_then(|(number, _)| self.channels.get(number));
        channel.is_some_and(|channel| channel.unsettled.len() >= self.terms.limits.unsettled)
    }

    /// What was settled lets readers of logs have as much again; queues count for themselves.
    pub(super) fn repay_settled(&mut self) {
        if self.paced || self.repaid.is_empty() {
            return;
        }
        for (consumer, messages) in std::mem::take(&mut self.repaid) {
            let Some((number, tag)) = self.consumers.get(&consumer) else { continue };
            let found = self.channels.get(number).and_then(|channel| channel.consumers.get(tag));
            if found.is_some_and(|found| !found.cancelled) {
                let records = u32::try_from(messages).unwrap_or(u32::MAX);
                self.effects.push_back(Effect::AllowRecords { consumer, records });
            }
        }
    }

    fn credit(&mut self, consumer: ConsumerNumber, messages: u64, bytes: u64) {
        let Some((number, _)) = self.consumers.get(&consumer) else { return };
        let Some(key) = self.channels.get(number).map(|channel| channel.key) else { return };
        self.push(key, Action::Credit { consumer, messages, bytes });
    }
}

/// A table that a method came with.
pub(super) fn table(bytes: &[u8]) -> Result<HeaderTable, AmqpError> {
    HeaderTable::from_bytes(Bytes::copy_from_slice(bytes))
        .map_err(|error| AmqpError::new(ReplyCode::SyntaxError, error))
}
