use std::fmt;

use super::arguments::Arguments;

/// Class and method, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MethodId {
    /// The class.
    pub class: u16,
    /// The method within it.
    pub method: u16,
}

impl MethodId {
    /// No method: what a close says when no method was at fault.
    pub const NONE: MethodId = MethodId { class: 0, method: 0 };

    /// The name that the specification gives it, if it is a method that clients send.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match (self.class, self.method) {
            (10, 11) => "connection.start_ok",
            (10, 21) => "connection.secure_ok",
            (10, 31) => "connection.tune_ok",
            (10, 40) => "connection.open",
            (10, 50) => "connection.close",
            (10, 51) => "connection.close_ok",
            (10, 70) => "connection.update_secret",
            (20, 10) => "channel.open",
            (20, 20) => "channel.flow",
            (20, 21) => "channel.flow_ok",
            (20, 40) => "channel.close",
            (20, 41) => "channel.close_ok",
            (30, 10) => "access.request",
            (40, 10) => "exchange.declare",
            (40, 20) => "exchange.delete",
            (40, 30) => "exchange.bind",
            (40, 40) => "exchange.unbind",
            (50, 10) => "queue.declare",
            (50, 20) => "queue.bind",
            (50, 30) => "queue.purge",
            (50, 40) => "queue.delete",
            (50, 50) => "queue.unbind",
            (60, 10) => "basic.qos",
            (60, 20) => "basic.consume",
            (60, 30) => "basic.cancel",
            (60, 31) => "basic.cancel_ok",
            (60, 40) => "basic.publish",
            (60, 70) => "basic.get",
            (60, 80) => "basic.ack",
            (60, 90) => "basic.reject",
            (60, 100) => "basic.recover_async",
            (60, 110) => "basic.recover",
            (60, 120) => "basic.nack",
            (85, 10) => "confirm.select",
            (90, 10) => "tx.select",
            (90, 20) => "tx.commit",
            (90, 30) => "tx.rollback",
            _ => return None,
        })
    }
}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}.{}", self.class, self.method),
        }
    }
}

/// A method frame whose payload is not what its method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// It ends too early.
    #[error("the arguments end too early")]
    Truncated,
    /// It goes on too long.
    #[error("bytes follow the last argument")]
    Trailing,
    /// A name is not text.
    #[error("a name is not UTF-8")]
    NotUtf8,
    /// Clients do not send this, or nobody does.
    #[error("there is no method {0} that clients send")]
    Unknown(MethodId),
}

/// What a client can ask, its arguments still where they were read. Tables are without their leading length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the specification")]
pub enum Method<'a> {
    StartOk { client_properties: &'a [u8], mechanism: &'a str, response: &'a [u8], locale: &'a str },
    SecureOk { response: &'a [u8] },
    TuneOk { channel_max: u16, frame_max: u32, heartbeat: u16 },
    ConnectionOpen { vhost: &'a str },
    ConnectionClose { code: u16, text: &'a [u8] },
    ConnectionCloseOk,
    UpdateSecret { secret: &'a [u8], reason: &'a str },
    ChannelOpen,
    Flow { active: bool },
    FlowOk,
    ChannelClose { code: u16, text: &'a [u8] },
    ChannelCloseOk,
    AccessRequest,
    ExchangeDeclare { exchange: &'a str, kind: &'a str, flags: ExchangeFlags, arguments: &'a [u8] },
    ExchangeDelete { exchange: &'a str, if_unused: bool, nowait: bool },
    ExchangeBind(Binding<'a>),
    ExchangeUnbind(Binding<'a>),
    QueueDeclare { queue: &'a str, flags: QueueFlags, arguments: &'a [u8] },
    QueueBind(Binding<'a>),
    QueueUnbind(Binding<'a>),
    QueuePurge { queue: &'a str, nowait: bool },
    QueueDelete { queue: &'a str, if_unused: bool, if_empty: bool, nowait: bool },
    Qos { prefetch_size: u32, prefetch_count: u16, global: bool },
    Consume { queue: &'a str, tag: &'a str, flags: ConsumeFlags, arguments: &'a [u8] },
    Cancel { tag: &'a str, nowait: bool },
    CancelOk,
    Publish { exchange: &'a str, routing_key: &'a str, mandatory: bool, immediate: bool },
    Get { queue: &'a str, no_ack: bool },
    Ack { tag: u64, multiple: bool },
    Reject { tag: u64, requeue: bool },
    Nack { tag: u64, multiple: bool, requeue: bool },
    Recover { requeue: bool, answered: bool },
    ConfirmSelect { nowait: bool },
    TxSelect,
    TxCommit,
    TxRollback,
}

/// A binding made or undone. `destination` is a queue or an exchange, as the method says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the specification")]
pub struct Binding<'a> {
    pub destination: &'a str,
    pub source: &'a str,
    pub routing_key: &'a str,
    pub nowait: bool,
    pub arguments: &'a [u8],
}

/// Of `exchange.declare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the specification")]
pub struct ExchangeFlags {
    pub passive: bool,
    pub durable: bool,
    pub auto_delete: bool,
    pub internal: bool,
    pub nowait: bool,
}

/// Of `queue.declare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the specification")]
pub struct QueueFlags {
    pub passive: bool,
    pub durable: bool,
    pub exclusive: bool,
    pub auto_delete: bool,
    pub nowait: bool,
}

/// Of `basic.consume`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the specification")]
pub struct ConsumeFlags {
    pub no_local: bool,
    pub no_ack: bool,
    pub exclusive: bool,
    pub nowait: bool,
}

fn bit(bits: u8, at: u8) -> bool {
    bits & (1 << at) != 0
}

impl<'a> Method<'a> {
    /// The method that a method frame's payload names.
    pub fn id(payload: &[u8]) -> Result<MethodId, SyntaxError> {
        let mut arguments = Arguments::new(payload);
        Ok(MethodId { class: arguments.short()?, method: arguments.short()? })
    }

    /// Reads a method frame's payload.
    pub fn read(payload: &'a [u8]) -> Result<Method<'a>, SyntaxError> {
        let mut arguments = Arguments::new(payload);
        let id = MethodId { class: arguments.short()?, method: arguments.short()? };
        let method = match id.class {
            10 => connection(id, &mut arguments),
            20 => channel(id, &mut arguments),
            30 if id.method == 10 => {
                arguments.shortstr()?;
                arguments.bits()?;
                Ok(Method::AccessRequest)
            }
            40 => exchange(id, &mut arguments),
            50 => queue(id, &mut arguments),
            60 => basic(id, &mut arguments),
            85 if id.method == 10 => Ok(Method::ConfirmSelect { nowait: bit(arguments.bits()?, 0) }),
            90 => match id.method {
                10 => Ok(Method::TxSelect),
                20 => Ok(Method::TxCommit),
                30 => Ok(Method::TxRollback),
                _ => Err(SyntaxError::Unknown(id)),
            },
            _ => Err(SyntaxError::Unknown(id)),
        }?;
        arguments.end()?;
        Ok(method)
    }
}

fn connection<'a>(id: MethodId, from: &mut Arguments<'a>) -> Result<Method<'a>, SyntaxError> {
    Ok(match id.method {
        11 => Method::StartOk {
            client_properties: from.table()?,
            mechanism: from.shortstr()?,
            response: from.longstr()?,
            locale: from.shortstr()?,
        },
        21 => Method::SecureOk { response: from.longstr()? },
        31 => {
            Method::TuneOk { channel_max: from.short()?, frame_max: from.long()?, heartbeat: from.short()? }
        }
        40 => {
            let vhost = from.shortstr()?;
            from.shortstr()?;
            from.bits()?;
            Method::ConnectionOpen { vhost }
        }
        50 => {
            let (code, text) = (from.short()?, from.shortstr_bytes()?);
            from.long()?;
            Method::ConnectionClose { code, text }
        }
        51 => Method::ConnectionCloseOk,
        70 => Method::UpdateSecret { secret: from.longstr()?, reason: from.shortstr()? },
        _ => return Err(SyntaxError::Unknown(id)),
    })
}

fn channel<'a>(id: MethodId, from: &mut Arguments<'a>) -> Result<Method<'a>, SyntaxError> {
    Ok(match id.method {
        10 => {
            from.shortstr_bytes()?;
            Method::ChannelOpen
        }
        20 => Method::Flow { active: bit(from.bits()?, 0) },
        21 => {
            from.bits()?;
            Method::FlowOk
        }
        40 => {
            let (code, text) = (from.short()?, from.shortstr_bytes()?);
            from.long()?;
            Method::ChannelClose { code, text }
        }
        41 => Method::ChannelCloseOk,
        _ => return Err(SyntaxError::Unknown(id)),
    })
}

fn exchange<'a>(id: MethodId, from: &mut Arguments<'a>) -> Result<Method<'a>, SyntaxError> {
    from.short()?;
    Ok(match id.method {
        10 => {
            let (exchange, kind, bits) = (from.shortstr()?, from.shortstr()?, from.bits()?);
            let flags = ExchangeFlags {
                passive: bit(bits, 0),
                durable: bit(bits, 1),
                auto_delete: bit(bits, 2),
                internal: bit(bits, 3),
                nowait: bit(bits, 4),
            };
            Method::ExchangeDeclare { exchange, kind, flags, arguments: from.table()? }
        }
        20 => {
            let (exchange, bits) = (from.shortstr()?, from.bits()?);
            Method::ExchangeDelete { exchange, if_unused: bit(bits, 0), nowait: bit(bits, 1) }
        }
        30 => Method::ExchangeBind(binding(from, true)?),
        40 => Method::ExchangeUnbind(binding(from, true)?),
        _ => return Err(SyntaxError::Unknown(id)),
    })
}

/// All but `queue.unbind` say whether they want an answer.
fn binding<'a>(from: &mut Arguments<'a>, says_nowait: bool) -> Result<Binding<'a>, SyntaxError> {
    let (destination, source, routing_key) = (from.shortstr()?, from.shortstr()?, from.shortstr()?);
    let nowait = says_nowait && bit(from.bits()?, 0);
    Ok(Binding { destination, source, routing_key, nowait, arguments: from.table()? })
}

fn queue<'a>(id: MethodId, from: &mut Arguments<'a>) -> Result<Method<'a>, SyntaxError> {
    from.short()?;
    Ok(match id.method {
        10 => {
            let (queue, bits) = (from.shortstr()?, from.bits()?);
            let flags = QueueFlags {
                passive: bit(bits, 0),
                durable: bit(bits, 1),
                exclusive: bit(bits, 2),
                auto_delete: bit(bits, 3),
                nowait: bit(bits, 4),
            };
            Method::QueueDeclare { queue, flags, arguments: from.table()? }
        }
        20 => Method::QueueBind(binding(from, true)?),
        30 => Method::QueuePurge { queue: from.shortstr()?, nowait: bit(from.bits()?, 0) },
        40 => {
            let (queue, bits) = (from.shortstr()?, from.bits()?);
            Method::QueueDelete {
                queue,
                if_unused: bit(bits, 0),
                if_empty: bit(bits, 1),
                nowait: bit(bits, 2),
            }
        }
        50 => Method::QueueUnbind(binding(from, false)?),
        _ => return Err(SyntaxError::Unknown(id)),
    })
}

fn basic<'a>(id: MethodId, from: &mut Arguments<'a>) -> Result<Method<'a>, SyntaxError> {
    Ok(match id.method {
        10 => Method::Qos {
            prefetch_size: from.long()?,
            prefetch_count: from.short()?,
            global: bit(from.bits()?, 0),
        },
        20 => {
            from.short()?;
            let (queue, tag, bits) = (from.shortstr()?, from.shortstr()?, from.bits()?);
            let flags = ConsumeFlags {
                no_local: bit(bits, 0),
                no_ack: bit(bits, 1),
                exclusive: bit(bits, 2),
                nowait: bit(bits, 3),
            };
            Method::Consume { queue, tag, flags, arguments: from.table()? }
        }
        30 => Method::Cancel { tag: from.shortstr()?, nowait: bit(from.bits()?, 0) },
        31 => {
            from.shortstr_bytes()?;
            Method::CancelOk
        }
        40 => {
            from.short()?;
            let (exchange, routing_key, bits) = (from.shortstr()?, from.shortstr()?, from.bits()?);
            Method::Publish { exchange, routing_key, mandatory: bit(bits, 0), immediate: bit(bits, 1) }
        }
        70 => {
            from.short()?;
            Method::Get { queue: from.shortstr()?, no_ack: bit(from.bits()?, 0) }
        }
        80 => Method::Ack { tag: from.longlong()?, multiple: bit(from.bits()?, 0) },
        90 => Method::Reject { tag: from.longlong()?, requeue: bit(from.bits()?, 0) },
        100 => Method::Recover { requeue: bit(from.bits()?, 0), answered: false },
        110 => Method::Recover { requeue: bit(from.bits()?, 0), answered: true },
        120 => {
            let (tag, bits) = (from.longlong()?, from.bits()?);
            Method::Nack { tag, multiple: bit(bits, 0), requeue: bit(bits, 1) }
        }
        _ => return Err(SyntaxError::Unknown(id)),
    })
}
