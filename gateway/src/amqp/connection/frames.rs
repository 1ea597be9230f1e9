use std::time::Instant;

use bytes::Bytes;

use super::channel::ChannelState;
use super::{Connection, Effect, Phase};
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::wire::{
    FRAME_OVERHEAD, Frame, FrameError, FrameKind, Method, MethodId, Reply, SyntaxError, next_frame,
};

impl Connection {
    /// One step of reading: the protocol header or one frame. Answers how many bytes it took; 0 when it needs more.
    pub(super) fn handle_some(&mut self, now: Instant, input: &[u8]) -> usize {
        if input.is_empty() {
            return 0;
        }
        if self.phase == Phase::Header {
            return self.handle_header(input);
        }
        // Without an agreement on size, any size that this server offers is fine.
        let most = if self.frame_max == 0 { self.terms.limits.frame_bytes } else { self.frame_max };
        match next_frame(input, most as usize) {
            Ok(None) => 0,
            Ok(Some((frame, taken))) => {
                self.handle_frame(now, &frame);
                taken
            }
            Err(error) => {
                self.handle_no_frame(now, error);
                input.len()
            }
        }
    }

    /// What follows bytes that are no frame cannot be understood, not even an answer to a close.
    fn handle_no_frame(&mut self, now: Instant, error: FrameError<'_>) {
        let text = match error {
            FrameError::TooLarge { size, most, kind } => {
                let most = most.saturating_sub(FRAME_OVERHEAD);
                format!("type {kind}, all octets = <<>>: {{frame_too_large,{size},{most}}}")
            }
            FrameError::NoEnd { kind, end, payload } => {
                format!("{}: {{invalid_frame_end_marker,{end}}}", octets(kind, payload))
            }
            FrameError::UnknownType { kind, payload } => format!("{}: unknown_frame", octets(kind, payload)),
        };
        if matches!(self.phase, Phase::Closing(_)) {
            return self.end();
        }
        self.fail(now, AmqpError::new(ReplyCode::FrameError, text));
        self.end_slowly(now);
    }

    fn handle_frame(&mut self, now: Instant, frame: &Frame<'_>) {
        if let Phase::Closing(_) = self.phase {
            return self.handle_frame_while_closing(frame);
        }
        let shown = || octets(frame.kind.number(), frame.payload);
        match (frame.kind, frame.channel) {
            (FrameKind::Heartbeat, 0) if frame.payload.is_empty() => {}
            (FrameKind::Heartbeat, 0) => {
                let text = format!("{}: unknown_frame", shown());
                self.fail(now, AmqpError::new(ReplyCode::FrameError, text));
            }
            (FrameKind::Method, 0) => self.handle_connection_method(now, frame.payload),
            (FrameKind::Heartbeat, _) | (_, 0) => {
                self.fail(now, AmqpError::new(ReplyCode::UnexpectedFrame, shown()));
            }
            _ if self.phase != Phase::Open => {
                self.fail(now, AmqpError::new(ReplyCode::UnexpectedFrame, shown()));
            }
            (FrameKind::Method, _) => self.handle_channel_method(now, frame),
            (FrameKind::Header, _) => self.handle_content_header(now, frame),
            (FrameKind::Body, _) => self.handle_content_body(now, frame),
        }
    }

    /// Only the end of the conversation is still listened to.
    fn handle_frame_while_closing(&mut self, frame: &Frame<'_>) {
        if (frame.kind, frame.channel) != (FrameKind::Method, 0) {
            return;
        }
        match Method::read(frame.payload) {
            Ok(Method::ConnectionCloseOk) => self.end(),
            Ok(Method::ConnectionClose { .. }) => {
                self.say(0, &Reply::ConnectionCloseOk);
                self.end();
            }
            _ => {}
        }
    }

    fn handle_connection_method(&mut self, now: Instant, payload: &[u8]) {
        let id = Method::id(payload).unwrap_or(MethodId::NONE);
        let method = match Method::read(payload) {
            Ok(method) => method,
            Err(error) => return self.fail(now, unreadable(id, error, payload)),
        };
        if self.phase != Phase::Open {
            return self.handle_negotiation(now, id, &method);
        }
        match method {
            Method::ConnectionClose { .. } => self.leave(),
            // An answer to nothing that was asked.
            Method::ConnectionCloseOk => self.end(),
            Method::UpdateSecret { secret, .. } => {
                let (user, secret) = (self.user.clone(), Bytes::copy_from_slice(secret));
                self.effects.push_back(Effect::Renew { user, secret });
            }
            _ => {
                let text = "unexpected method in connection state running";
                self.fail(now, AmqpError::new(ReplyCode::ChannelError, text).of(id));
            }
        }
    }

    fn handle_channel_method(&mut self, now: Instant, frame: &Frame<'_>) {
        let id = Method::id(frame.payload).unwrap_or(MethodId::NONE);
        let method = match Method::read(frame.payload) {
            Ok(method) => method,
            Err(error) => return self.fail(now, unreadable(id, error, frame.payload)),
        };
        let number = frame.channel;
        let Some(channel) = self.channels.get_mut(&number) else {
            return self.open_channel(now, number, id, &method);
        };
        match channel.state {
            ChannelState::Closing => match method {
                Method::ChannelCloseOk => {
                    self.channels.remove(&number);
                }
                Method::ChannelClose { .. } => self.say(number, &Reply::ChannelCloseOk),
                _ => {}
            },
            // The client said goodbye; whatever follows until it is answered is not for anybody.
            ChannelState::Leaving | ChannelState::Failing => {}
            ChannelState::Open if channel.incoming.is_some() => {
                let error = channel.unexpected();
                self.fail(now, error);
            }
            ChannelState::Open => self.handle_method(now, number, id, &method),
        }
    }
}

/// The error for a method that cannot be read.
fn unreadable(id: MethodId, error: SyntaxError, payload: &[u8]) -> AmqpError {
    match error {
        // RabbitMQ drops the connection without a word; saying why is kinder.
        SyntaxError::Unknown(_) => {
            AmqpError::new(ReplyCode::CommandInvalid, format!("there is no method {id}"))
        }
        _ if id.name().is_none() => {
            let text = format!("{}: unknown_frame", octets(FrameKind::Method.number(), payload));
            AmqpError::new(ReplyCode::FrameError, text)
        }
        SyntaxError::Truncated | SyntaxError::Trailing => {
            let arguments = binary(payload.get(4..).unwrap_or_default());
            AmqpError::new(ReplyCode::FrameError, format!("cannot decode {arguments}")).of(id)
        }
        SyntaxError::NotUtf8 => AmqpError::new(ReplyCode::SyntaxError, error).of(id),
    }
}

/// A frame as RabbitMQ shows it.
fn octets(kind: u8, payload: &[u8]) -> String {
    format!("type {kind}, all octets = {}", binary(payload))
}

/// Bytes as Erlang prints them. What is beyond the end of a reply text is left out.
fn binary(bytes: &[u8]) -> String {
    let shown = bytes.get(..256).unwrap_or(bytes);
    if shown.is_empty() {
        return "<<>>".to_owned();
    }
    if shown.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return format!("<<\"{}\">>", String::from_utf8_lossy(shown));
    }
    let numbers: Vec<String> = shown.iter().map(u8::to_string).collect();
    format!("<<{}>>", numbers.join(","))
}
