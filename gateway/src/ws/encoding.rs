use bytes::Bytes;

use super::answer::{Event, Reply};
use super::command::{BadFrame, CommandId, Inbound, Request, Subscription};
use super::outbox::Outbound;
use super::{binary, json_answer, json_command};
use crate::refusal::Refusal;

/// The subprotocol that client and server agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Text frames, each one JSON object.
    Json,
    /// Binary frames with a fixed header.
    Binary,
}

impl Encoding {
    /// Both, in the order in which the server prefers them.
    pub const ALL: [Encoding; 2] = [Encoding::Binary, Encoding::Json];

    /// The name that goes into `Sec-WebSocket-Protocol`.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Encoding::Json => "sluice.v1.json",
            Encoding::Binary => "sluice.v1.binary",
        }
    }

    /// Reads a client's frame.
    pub fn decode(self, frame: &Inbound) -> Result<Request, BadFrame> {
        match (self, frame) {
            (Encoding::Json, Inbound::Text(text)) => json_command::decode(text),
            (Encoding::Binary, Inbound::Binary(bytes)) => binary::decode(bytes),
            (Encoding::Json, _) => Err(self.wrong_kind("text")),
            (Encoding::Binary, _) => Err(self.wrong_kind("binary")),
        }
    }

    fn wrong_kind(self, kind: &str) -> BadFrame {
        let why = format!("{} travels in {kind} frames", self.subprotocol());
        BadFrame { id: None, refusal: Refusal::invalid("", why), garbage: true }
    }

    /// The frame that carries `content`.
    #[must_use]
    pub fn frame(self, content: Bytes) -> Outbound {
        match self {
            Encoding::Json => Outbound::Text(content),
            Encoding::Binary => Outbound::Binary(content),
        }
    }

    /// What stands between two messages of a frame.
    #[must_use]
    pub fn separator(self) -> &'static [u8] {
        match self {
            Encoding::Json => b",",
            Encoding::Binary => b"",
        }
    }

    /// Starts a frame of messages.
    pub fn begin_messages(self, out: &mut Vec<u8>, subscription: Subscription) {
        match self {
            Encoding::Json => {
                out.extend_from_slice(b"{\"type\":\"message\",\"subscription\":");
                crate::codec::render::integer(out, subscription);
                out.extend_from_slice(b",\"messages\":[");
            }
            Encoding::Binary => binary::begin_messages(out, subscription),
        }
    }

    /// Completes a frame of messages.
    pub fn end_messages(self, out: &mut Vec<u8>) {
        match self {
            Encoding::Json => out.extend_from_slice(b"]}"),
            Encoding::Binary => {}
        }
    }

    /// Encodes a reply.
    #[must_use]
    pub fn reply(self, reply: &Reply) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Encoding::Json => json_answer::write_reply(&mut out, reply, true),
            Encoding::Binary => binary::write_reply(&mut out, reply),
        }
        out
    }

    /// Encodes an event.
    #[must_use]
    pub fn event(self, event: &Event) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Encoding::Json => json_answer::write_event(&mut out, event),
            Encoding::Binary => binary::write_event(&mut out, event),
        }
        out
    }
}

/// The header of a binary frame has room for numbers of 32 bits only.
#[must_use]
pub fn header_id(id: Option<&CommandId>) -> u32 {
    match id {
        Some(CommandId::Number(number)) => u32::try_from(*number).unwrap_or(0),
        Some(CommandId::Text(_)) | None => 0,
    }
}
