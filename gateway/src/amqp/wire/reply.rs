use bytes::{BufMut, BytesMut};
use message::HeaderTable;

use super::frame::FrameKind;
use super::method::MethodId;
use super::output::Output;
use super::table::put_table;

/// Longest text that fits a short string.
const SHORT: usize = 255;

/// What the server says.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of the specification")]
pub enum Reply<'a> {
    Start { properties: &'a HeaderTable, mechanisms: &'a str, locales: &'a str },
    Secure { challenge: &'a [u8] },
    Tune { channel_max: u16, frame_max: u32, heartbeat: u16 },
    ConnectionOpenOk,
    ConnectionClose { code: u16, text: &'a str, fault: MethodId },
    ConnectionCloseOk,
    Blocked { reason: &'a str },
    Unblocked,
    UpdateSecretOk,
    ChannelOpenOk,
    FlowOk { active: bool },
    ChannelClose { code: u16, text: &'a str, fault: MethodId },
    ChannelCloseOk,
    AccessRequestOk,
    ExchangeDeclareOk,
    ExchangeDeleteOk,
    ExchangeBindOk,
    ExchangeUnbindOk,
    QueueDeclareOk { queue: &'a str, messages: u32, consumers: u32 },
    QueueBindOk,
    QueueUnbindOk,
    QueuePurgeOk { messages: u32 },
    QueueDeleteOk { messages: u32 },
    QosOk,
    ConsumeOk { tag: &'a str },
    CancelOk { tag: &'a str },
    Cancel { tag: &'a str },
    Return { code: u16, text: &'a str, exchange: &'a str, routing_key: &'a str },
    Deliver { tag: &'a str, delivery: u64, redelivered: bool, exchange: &'a str, routing_key: &'a str },
    GetOk { delivery: u64, redelivered: bool, exchange: &'a str, routing_key: &'a str, messages: u32 },
    GetEmpty,
    Ack { tag: u64, multiple: bool },
    Nack { tag: u64, multiple: bool },
    RecoverOk,
    ConfirmSelectOk,
    TxSelectOk,
    TxCommitOk,
    TxRollbackOk,
}

impl Reply<'_> {
    /// Class and method.
    #[must_use]
    pub fn id(&self) -> (u16, u16) {
        match self {
            Reply::Start { .. } => (10, 10),
            Reply::Secure { .. } => (10, 20),
            Reply::Tune { .. } => (10, 30),
            Reply::ConnectionOpenOk => (10, 41),
            Reply::ConnectionClose { .. } => (10, 50),
            Reply::ConnectionCloseOk => (10, 51),
            Reply::Blocked { .. } => (10, 60),
            Reply::Unblocked => (10, 61),
            Reply::UpdateSecretOk => (10, 71),
            Reply::ChannelOpenOk => (20, 11),
            Reply::FlowOk { .. } => (20, 21),
            Reply::ChannelClose { .. } => (20, 40),
            Reply::ChannelCloseOk => (20, 41),
            Reply::AccessRequestOk => (30, 11),
            Reply::ExchangeDeclareOk => (40, 11),
            Reply::ExchangeDeleteOk => (40, 21),
            Reply::ExchangeBindOk => (40, 31),
            Reply::ExchangeUnbindOk => (40, 51),
            Reply::QueueDeclareOk { .. } => (50, 11),
            Reply::QueueBindOk => (50, 21),
            Reply::QueuePurgeOk { .. } => (50, 31),
            Reply::QueueDeleteOk { .. } => (50, 41),
            Reply::QueueUnbindOk => (50, 51),
            Reply::QosOk => (60, 11),
            Reply::ConsumeOk { .. } => (60, 21),
            Reply::Cancel { .. } => (60, 30),
            Reply::CancelOk { .. } => (60, 31),
            Reply::Return { .. } => (60, 50),
            Reply::Deliver { .. } => (60, 60),
            Reply::GetOk { .. } => (60, 71),
            Reply::GetEmpty => (60, 72),
            Reply::Ack { .. } => (60, 80),
            Reply::RecoverOk => (60, 111),
            Reply::Nack { .. } => (60, 120),
            Reply::ConfirmSelectOk => (85, 11),
            Reply::TxSelectOk => (90, 11),
            Reply::TxCommitOk => (90, 21),
            Reply::TxRollbackOk => (90, 31),
        }
    }

    /// Writes it as a frame.
    pub fn put(&self, out: &mut Output, channel: u16) {
        out.frame(FrameKind::Method, channel, |out| {
            let (class, method) = self.id();
            out.put_u16(class);
            out.put_u16(method);
            self.put_arguments(out);
        });
    }

    fn put_arguments(&self, out: &mut BytesMut) {
        match self {
            Reply::Start { properties, mechanisms, locales } => {
                out.put_slice(&[0, 9]);
                put_table(out, properties);
                longstr(out, mechanisms.as_bytes());
                longstr(out, locales.as_bytes());
            }
            Reply::Secure { challenge } => longstr(out, challenge),
            Reply::Tune { channel_max, frame_max, heartbeat } => {
                out.put_u16(*channel_max);
                out.put_u32(*frame_max);
                out.put_u16(*heartbeat);
            }
            Reply::ConnectionClose { code, text, fault } | Reply::ChannelClose { code, text, fault } => {
                out.put_u16(*code);
                shortstr(out, text);
                out.put_u16(fault.class);
                out.put_u16(fault.method);
            }
            Reply::Blocked { reason } => shortstr(out, reason),
            Reply::FlowOk { active } => out.put_u8(u8::from(*active)),
            // The argument is reserved, and a long string.
            Reply::ChannelOpenOk => out.put_u32(0),
            // Likewise, and a short one.
            Reply::ConnectionOpenOk => out.put_u8(0),
            Reply::AccessRequestOk => out.put_u16(1),
            Reply::QueueDeclareOk { queue, messages, consumers } => {
                shortstr(out, queue);
                out.put_u32(*messages);
                out.put_u32(*consumers);
            }
            Reply::QueuePurgeOk { messages } | Reply::QueueDeleteOk { messages } => out.put_u32(*messages),
            Reply::ConsumeOk { tag } | Reply::CancelOk { tag } => shortstr(out, tag),
            Reply::Cancel { tag } => {
                shortstr(out, tag);
                // No answer is waited for.
                out.put_u8(1);
            }
            Reply::Return { code, text, exchange, routing_key } => {
                out.put_u16(*code);
                shortstr(out, text);
                shortstr(out, exchange);
                shortstr(out, routing_key);
            }
            Reply::Deliver { tag, delivery, redelivered, exchange, routing_key } => {
                shortstr(out, tag);
                out.put_u64(*delivery);
                out.put_u8(u8::from(*redelivered));
                shortstr(out, exchange);
                shortstr(out, routing_key);
            }
            Reply::GetOk { delivery, redelivered, exchange, routing_key, messages } => {
                out.put_u64(*delivery);
                out.put_u8(u8::from(*redelivered));
                shortstr(out, exchange);
                shortstr(out, routing_key);
                out.put_u32(*messages);
            }
            // The argument is reserved.
            Reply::GetEmpty => out.put_u8(0),
            Reply::Ack { tag, multiple } => {
                out.put_u64(*tag);
                out.put_u8(u8::from(*multiple));
            }
            Reply::Nack { tag, multiple } => {
                out.put_u64(*tag);
                out.put_u8(u8::from(*multiple));
            }
            Reply::ConnectionCloseOk
            | Reply::Unblocked
            | Reply::UpdateSecretOk
            | Reply::ChannelCloseOk
            | Reply::ExchangeDeclareOk
            | Reply::ExchangeDeleteOk
            | Reply::ExchangeBindOk
            | Reply::ExchangeUnbindOk
            | Reply::QueueBindOk
            | Reply::QueueUnbindOk
            | Reply::QosOk
            | Reply::RecoverOk
            | Reply::ConfirmSelectOk
            | Reply::TxSelectOk
            | Reply::TxCommitOk
            | Reply::TxRollbackOk => {}
        }
    }
}

/// A text that is too long is cut at a character, as RabbitMQ cuts it.
fn shortstr(out: &mut BytesMut, text: &str) {
    let mut end = text.len().min(SHORT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    out.put_u8(text.len() as u8);
    out.put_slice(text.as_bytes());
}

fn longstr(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}
