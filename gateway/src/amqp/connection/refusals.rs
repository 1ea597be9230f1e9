//! What the seam refuses, in RabbitMQ's words.

use message::ErrorCode;

use super::answers::Expect;
use super::topology::reserved;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::refusal::Refusal;
use crate::topics::session::{BindTo, Fault, SessionError};

fn no_queue(queue: &str, vhost: &str) -> AmqpError {
    AmqpError::new(ReplyCode::NotFound, format!("no queue '{queue}' in vhost '{vhost}'"))
}

fn no_exchange(exchange: &str, vhost: &str) -> AmqpError {
    AmqpError::new(ReplyCode::NotFound, format!("no exchange '{exchange}' in vhost '{vhost}'"))
}

/// A request that was refused.
pub(super) fn of_request(error: &SessionError, expect: &Expect, vhost: &str) -> AmqpError {
    let what = match expect {
        Expect::QueueDeclareOk { declaration, .. } => Subject::queue(&declaration.queue),
        Expect::QueuePurgeOk { queue, .. }
        | Expect::QueueDeleteOk { queue, .. }
        | Expect::ConsumeOk { queue, .. } => Subject::queue(queue),
        Expect::ExchangeDeclareOk { declaration, .. } => Subject::exchange(&declaration.exchange),
        Expect::ExchangeDeleteOk { exchange, .. } => Subject::exchange(exchange),
        Expect::QueueBindOk { binding, .. }
        | Expect::QueueUnbindOk { binding }
        | Expect::ExchangeBindOk { binding, .. }
        | Expect::ExchangeUnbindOk { binding, .. } => match binding.to {
            BindTo::Queue => Subject::queue(&binding.destination),
            BindTo::Exchange => Subject::exchange(&binding.destination),
        },
        Expect::Get { queue, .. } => Subject::queue(queue),
        Expect::CancelOk { .. } | Expect::TxCommitOk | Expect::QosOk => Subject::queue(""),
        Expect::Say(_) | Expect::Fail(_) => Subject::queue(""),
        Expect::ChannelCloseOk | Expect::ConnectionCloseOk => Subject::queue(""),
    };
    let name = what.name;
    if let Some(fault) = &error.fault {
        return AmqpError::new(ReplyCode::PreconditionFailed, faulty(fault, &what, vhost));
    }
    match (error.refusal.code, expect) {
        (ErrorCode::UnknownTopic, _) => no_queue(error.refusal.field.as_deref().unwrap_or(name), vhost),
        (ErrorCode::UnknownExchange, _) => no_exchange(error.refusal.field.as_deref().unwrap_or(name), vhost),
        (ErrorCode::ResourceLocked, Expect::Get { .. }) if error.refusal.detail.contains("single_active") => {
            let text = format!(
                "cannot obtain access to locked queue '{name}' in vhost '{vhost}'. basic.get operations are not supported by queues with single active consumer"
            );
            AmqpError::new(ReplyCode::ResourceLocked, text)
        }
        (ErrorCode::ResourceLocked, _) => {
            let text = format!(
                "cannot obtain exclusive access to locked queue '{name}' in vhost '{vhost}'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."
            );
            AmqpError::new(ReplyCode::ResourceLocked, text)
        }
        (ErrorCode::ExclusiveUse, _) => {
            let text = format!("queue '{name}' in vhost '{vhost}' in exclusive use");
            AmqpError::new(ReplyCode::AccessRefused, text)
        }
        (ErrorCode::WrongModel, _) => {
            let text = format!("{} queue '{name}' in vhost '{vhost}'", error.refusal.detail);
            AmqpError::new(ReplyCode::NotImplemented, text)
        }
        (ErrorCode::InUse, Expect::QueueDeleteOk { if_empty: true, .. })
            if error.refusal.detail.contains("empty") =>
        {
            AmqpError::new(
                ReplyCode::PreconditionFailed,
                format!("queue '{name}' in vhost '{vhost}' not empty"),
            )
        }
        (ErrorCode::InUse, _) => {
            let text = format!("{} '{name}' in vhost '{vhost}' in use", what.kind);
            AmqpError::new(ReplyCode::PreconditionFailed, text)
        }
        (ErrorCode::Reserved, Expect::ExchangeDeleteOk { .. }) => {
            let text = format!("deletion of system exchange '{name}' in vhost '{vhost}' not allowed");
            AmqpError::new(ReplyCode::AccessRefused, text)
        }
        (ErrorCode::Reserved, _) => reserved(what.kind, name),
        _ => of_refusal(&error.refusal),
    }
}

/// A message that could not be routed at all.
pub(super) fn of_publish(error: &SessionError, vhost: &str) -> AmqpError {
    let named = error.refusal.field.as_deref().unwrap_or_default();
    match error.refusal.code {
        ErrorCode::UnknownExchange => no_exchange(named, vhost),
        ErrorCode::Reserved => {
            let text = format!("cannot publish to internal exchange '{named}' in vhost '{vhost}'");
            AmqpError::new(ReplyCode::AccessRefused, text)
        }
        _ => of_refusal(&error.refusal),
    }
}

/// The store failed or refuses: the connection cannot go on.
pub(super) fn of_store(refusal: &Refusal) -> AmqpError {
    let code = match refusal.code {
        ErrorCode::ShuttingDown => ReplyCode::ConnectionForced,
        ErrorCode::DiskFull | ErrorCode::Overloaded => ReplyCode::ResourceError,
        _ => ReplyCode::InternalError,
    };
    AmqpError::new(code, &refusal.detail)
}

struct Subject<'a> {
    kind: &'static str,
    name: &'a str,
}

impl<'a> Subject<'a> {
    fn queue(name: &'a str) -> Subject<'a> {
        Subject { kind: "queue", name }
    }

    fn exchange(name: &'a str) -> Subject<'a> {
        Subject { kind: "exchange", name }
    }
}

/// What is wrong with a declaration.
fn faulty(fault: &Fault, what: &Subject<'_>, vhost: &str) -> String {
    let (kind, name) = (what.kind, what.name);
    match fault {
        Fault::Differs { field, received, current } => {
            format!(
                "inequivalent arg '{field}' for {kind} '{name}' in vhost '{vhost}': received {received} but current is {current}"
            )
        }
        Fault::Argument { argument, why } => {
            format!("invalid arg '{argument}' for {kind} '{name}' in vhost '{vhost}': {why}")
        }
    }
}

/// Everything else by the table that all doors share.
fn of_refusal(refusal: &Refusal) -> AmqpError {
    let code = match crate::errors::mapping(refusal.code).amqp {
        320 => ReplyCode::ConnectionForced,
        403 => ReplyCode::AccessRefused,
        404 => ReplyCode::NotFound,
        405 => ReplyCode::ResourceLocked,
        540 => ReplyCode::NotImplemented,
        541 => ReplyCode::InternalError,
        _ => ReplyCode::PreconditionFailed,
    };
    AmqpError::new(code, &refusal.detail)
}
