use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use message::HeaderTable;

use super::Connection;
use super::channel::{ChannelState, Mode};
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::wire::{ContentHeader, Frame, Method, MethodId, SyntaxError};
use crate::topics::session::{Action, Durability, Publish, REPLY_TO};

const PUBLISH: MethodId = MethodId { class: 60, method: 40 };
const BASIC: u16 = 60;
/// Bytes of the content header before its properties: class, weight, body size.
const BEFORE_PROPERTIES: usize = 12;

/// A message of which the method came, and perhaps more.
#[derive(Debug)]
pub(super) struct Incoming {
    exchange: Arc<str>,
    routing_key: Arc<str>,
    mandatory: bool,
    content: Option<Content>,
}

#[derive(Debug)]
struct Content {
    head: Head,
    size: usize,
    body: BytesMut,
}

/// What a content header says beside the body's size.
#[derive(Clone, Debug, Default)]
struct Head {
    properties: Bytes,
    headers: HeaderTable,
    persistent: bool,
    /// Whether replies are to come to the channel itself.
    fast_reply: bool,
}

/// What a channel's last publish was like: most are like the one before, and need not be read or kept again.
#[derive(Debug, Default)]
pub(super) struct PublishMemory {
    exchange: Option<Arc<str>>,
    routing_key: Option<Arc<str>>,
    raw: Vec<u8>,
    head: Head,
}

/// Longer properties are not remembered.
const REMEMBERED: usize = 512;

fn recall(memory: &mut Option<Arc<str>>, text: &str) -> Arc<str> {
    match memory {
        Some(last) if last.as_ref() == text => Arc::clone(last),
        _ => Arc::clone(memory.insert(text.into())),
    }
}

impl Incoming {
    /// Whether its content header came.
    pub(super) fn has_header(&self) -> bool {
        self.content.is_some()
    }

    /// Bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.body.len())
    }
}

impl Connection {
    /// `basic.publish`; its content follows.
    pub(super) fn begin_publish(&mut self, now: Instant, number: u16, method: &Method<'_>) {
        let Method::Publish { exchange, routing_key, mandatory, immediate } = *method else { return };
        if immediate {
            let error = AmqpError::new(ReplyCode::NotImplemented, "immediate=true").of(PUBLISH);
            return self.fail(now, error);
        }
        self.publishes = true;
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let exchange = recall(&mut channel.memory.exchange, exchange);
        let routing_key = recall(&mut channel.memory.routing_key, routing_key);
        channel.incoming = Some(Box::new(Incoming { exchange, routing_key, mandatory, content: None }));
        if let (Some(alarm), false) = (self.alarm, self.told_blocked) {
            self.handle_alarm(Some(alarm));
        }
    }

    pub(super) fn handle_content_header(&mut self, now: Instant, frame: &Frame<'_>) {
        let number = frame.channel;
        let Some(channel) = self.channels.get_mut(&number) else {
            return self.fail(now, AmqpError::new(ReplyCode::ChannelError, "expected 'channel.open'"));
        };
        if channel.state != ChannelState::Open {
            return;
        }
        if channel.incoming.as_ref().is_none_or(|incoming| incoming.has_header()) {
            let error = channel.unexpected();
            return self.fail(now, error);
        }
        let Some(incoming) = channel.incoming.as_mut() else { return };
        let header = match read_header(frame.payload, self.terms.limits.header_bytes) {
            Ok(header) => header,
            Err(error) => return self.fail_channel(now, number, error),
        };
        let most = self.terms.limits.message_bytes;
        if header.body_size > most as u64 {
            let text = format!("message size {} is larger than configured max size {most}", header.body_size);
            let error = AmqpError::new(ReplyCode::PreconditionFailed, text).of(PUBLISH);
            return self.fail_channel(now, number, error);
        }
        let raw = frame.payload.get(BEFORE_PROPERTIES..).unwrap_or_default();
        if channel.memory.raw != raw || raw.is_empty() {
            match read_head(&header, (!self.terms.is_own).then_some(&*self.user)) {
                Ok(head) => channel.memory.remember(raw, head),
                Err(error) => return self.fail_channel(now, number, error),
            }
        }
        let head = channel.memory.head.clone();
        let size = header.body_size as usize;
        incoming.content = Some(Content { head, size, body: BytesMut::new() });
        if size == 0 {
            self.finish_publish(now, number, Bytes::new());
        }
    }

    pub(super) fn handle_content_body(&mut self, now: Instant, frame: &Frame<'_>) {
        let number = frame.channel;
        let Some(channel) = self.channels.get_mut(&number) else {
            return self.fail(now, AmqpError::new(ReplyCode::ChannelError, "expected 'channel.open'"));
        };
        if channel.state != ChannelState::Open {
            return;
        }
        if channel.incoming.as_ref().is_none_or(|incoming| !incoming.has_header()) {
            let error = channel.unexpected();
            return self.fail(now, error);
        }
        let content = channel.incoming.as_mut().and_then(|incoming| incoming.content.as_mut());
        let Some(content) = content else { return };
        let len = content.body.len() + frame.payload.len();
        if len > content.size {
            let text =
                format!("content body of {len} bytes is longer than the declared {} bytes", content.size);
            return self.fail(now, AmqpError::new(ReplyCode::FrameError, text));
        }
        if len == content.size && content.body.is_empty() {
            // The usual case: a body in one frame.
            return self.finish_publish(now, number, Bytes::copy_from_slice(frame.payload));
        }
        content.body.extend_from_slice(frame.payload);
        self.assembling += frame.payload.len();
        if len == content.size {
            let body = std::mem::take(&mut content.body).freeze();
            self.assembling -= body.len();
            return self.finish_publish(now, number, body);
        }
        self.check_assembling(now);
    }

    /// Too much that is not complete or not committed.
    pub(super) fn check_assembling(&mut self, now: Instant) {
        let most = self.terms.limits.in_flight_bytes.max(self.terms.limits.message_bytes);
        if self.assembling > most {
            self.refuse_assembling(now, most);
        }
    }

    /// The same, over all connections.
    pub fn refuse_assembling(&mut self, now: Instant, most: usize) {
        let text = format!("more than {most} bytes of messages are incomplete or uncommitted");
        self.fail(now, AmqpError::new(ReplyCode::ResourceError, text));
    }

    /// A message is complete.
    fn finish_publish(&mut self, now: Instant, number: u16, body: Bytes) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let Some(incoming) = channel.incoming.take() else { return };
        let Incoming { exchange, routing_key, mandatory, content: Some(content) } = *incoming else { return };
        channel.published += 1;
        if let Mode::Confirm(confirms) = &mut channel.mode {
            confirms.begun += 1;
        }
        let durability = match (&channel.mode, content.head.persistent) {
            (Mode::Confirm(_), true) => Durability::Disk,
            (Mode::Confirm(_), false) => Durability::Cache,
            (Mode::Plain | Mode::Transaction(_), _) => Durability::None,
        };
        let Head { mut properties, headers, fast_reply, .. } = content.head;
        if fast_reply {
            let Some((address, _)) = &channel.replies else {
                let error =
                    AmqpError::new(ReplyCode::PreconditionFailed, "fast reply consumer does not exist");
                return self.fail_in_order(now, number, error.of(PUBLISH));
            };
            properties = crate::topics::session::with_reply_to(&properties, address);
        }
        let publish = Publish { exchange, routing_key, properties, headers, body, mandatory, durability };
        if let Mode::Transaction(transaction) = &mut channel.mode {
            self.assembling += transaction.publish(publish);
            return self.check_assembling(now);
        }
        channel.busy_until = self.batch;
        let key = channel.key;
        self.push(key, Action::Publish(publish));
    }
}

fn syntax(error: SyntaxError) -> AmqpError {
    AmqpError::new(ReplyCode::SyntaxError, format!("content header: {error}")).of(PUBLISH)
}

/// What is wrong with the frame is the connection's fault; what is wrong with the message is the channel's.
fn read_header(payload: &[u8], header_bytes: usize) -> Result<ContentHeader<'_>, AmqpError> {
    let header = ContentHeader::read(payload).map_err(syntax)?;
    if header.class != BASIC {
        let text =
            format!("expected content header for class 60, got one for class {} instead", header.class);
        return Err(AmqpError::new(ReplyCode::UnexpectedFrame, text).of(PUBLISH));
    }
    if header.weight != 0 {
        let text = "expected content header for class 60, got non content header frame instead";
        return Err(AmqpError::new(ReplyCode::UnexpectedFrame, text).of(PUBLISH));
    }
    if header.headers.is_some_and(|headers| headers.len() > header_bytes) {
        let text = format!("headers are larger than configured max size {header_bytes}");
        return Err(AmqpError::new(ReplyCode::PreconditionFailed, text).of(PUBLISH));
    }
    Ok(header)
}

impl PublishMemory {
    fn remember(&mut self, raw: &[u8], head: Head) {
        self.raw.clear();
        if raw.len() <= REMEMBERED {
            self.raw.extend_from_slice(raw);
        }
        self.head = head;
    }
}

/// What a header says of its message. With a user only that one may be its author.
fn read_head(header: &ContentHeader<'_>, user: Option<&str>) -> Result<Head, AmqpError> {
    let table = HeaderTable::from_bytes(Bytes::copy_from_slice(header.headers.unwrap_or_default()));
    let headers = table.map_err(|error| {
        AmqpError::new(ReplyCode::SyntaxError, format!("content header: {error}")).of(PUBLISH)
    })?;
    let properties = header.properties();
    let read = crate::topics::session::read_properties(&properties).map_err(|error| {
        AmqpError::new(ReplyCode::SyntaxError, format!("content header: {error}")).of(PUBLISH)
    })?;
    let refuse = |text: String| Err(AmqpError::new(ReplyCode::PreconditionFailed, text).of(PUBLISH));
    if let Some(expiration) = read.expiration
        && let Err(why) = check_expiration(expiration)
    {
        return refuse(format!("invalid expiration '{expiration}': {why}"));
    }
    if let (Some(claimed), Some(user)) = (read.user_id, user)
        && claimed != user
    {
        return refuse(format!("user_id property set to '{claimed}' but authenticated user was '{user}'"));
    }
    let persistent = read.delivery_mode == Some(2);
    let fast_reply = read.reply_to == Some(REPLY_TO);
    Ok(Head { properties, headers, persistent, fast_reply })
}

/// Milliseconds, as many as RabbitMQ's timers can wait; what is wrong, in its words.
fn check_expiration(text: &str) -> Result<(), String> {
    const MOST: i128 = 315_360_000_000;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("no_integer".to_owned());
    }
    match text.parse::<i128>() {
        Ok(ms) if ms < 0 => Err(format!("{{value_negative,{ms}}}")),
        Ok(ms) if ms <= MOST => Ok(()),
        _ => Err(format!("{{value_too_large,{text}}}")),
    }
}
