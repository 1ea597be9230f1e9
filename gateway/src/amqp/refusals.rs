//! What the seam refuses, in RabbitMQ's words.

use message::ErrorCode;

use super::error::{AmqpError, ReplyCode};
use crate::refusal::Refusal;
use crate::topics::session::{BindTo, Binding, Fault, SessionError};

fn no_queue(queue: &str, vhost: &str) -> AmqpError {
    AmqpError::new(ReplyCode::NotFound, format!("no queue '{queue}' in vhost '{vhost}'"))
}

fn no_exchange(exchange: &str, vhost: &str) -> AmqpError {
    AmqpError::new(ReplyCode::NotFound, format!("no exchange '{exchange}' in vhost '{vhost}'"))
}

/// What was asked for when something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// To take one message.
    Get,
    /// To delete; if asked so, only what is empty.
    Delete {
        /// Whether it was.
        if_empty: bool,
    },
    /// Anything else.
    Other,
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    kind: &'static str,
    name: &'a str,
    task: Task,
}

impl<'a> Subject<'a> {
    pub(crate) fn queue(name: &'a str) -> Subject<'a> {
        Subject { kind: "queue", name, task: Task::Other }
    }

    pub(crate) fn exchange(name: &'a str) -> Subject<'a> {
        Subject { kind: "exchange", name, task: Task::Other }
    }

    /// A binding is refused over its destination.
    pub(crate) fn binding(binding: &'a Binding) -> Subject<'a> {
        match binding.to {
            BindTo::Queue => Subject::queue(&binding.destination),
            BindTo::Exchange => Subject::exchange(&binding.destination),
        }
    }

    pub(crate) fn to(self, task: Task) -> Subject<'a> {
        Subject { task, ..self }
    }
}

/// A request that was refused.
pub(crate) fn of_request(error: &SessionError, what: &Subject<'_>, vhost: &str) -> AmqpError {
    let name = what.name;
    if let Some(fault) = &error.fault {
        return AmqpError::new(ReplyCode::PreconditionFailed, faulty(fault, what, vhost));
    }
    match (error.refusal.code, what.task) {
        (ErrorCode::UnknownTopic, _) => no_queue(error.refusal.field.as_deref().unwrap_or(name), vhost),
        (ErrorCode::UnknownExchange, _) => no_exchange(error.refusal.field.as_deref().unwrap_or(name), vhost),
        (ErrorCode::ResourceLocked, Task::Get) if error.refusal.detail.contains("single_active") => {
            let text = format!(
                "cannot obtain access to locked queue '{name}' in vhost '{vhost}'. basic.get operations are not supported by quorum queues with single active consumer"
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
        (ErrorCode::InUse, Task::Delete { if_empty: true }) if error.refusal.detail.contains("empty") => {
            AmqpError::new(
                ReplyCode::PreconditionFailed,
                format!("queue '{name}' in vhost '{vhost}' not empty"),
            )
        }
        (ErrorCode::InUse, _) => {
            let text = format!("{} '{name}' in vhost '{vhost}' in use", what.kind);
            AmqpError::new(ReplyCode::PreconditionFailed, text)
        }
        (ErrorCode::Reserved, Task::Delete { .. }) => {
            let text = format!("deletion of system exchange '{name}' in vhost '{vhost}' not allowed");
            AmqpError::new(ReplyCode::AccessRefused, text)
        }
        (ErrorCode::Reserved, _) => reserved(what.kind, name),
        (ErrorCode::QuotaExceeded, _) => {
            let why = &error.refusal.detail;
            let text = format!("cannot declare {} '{name}' in vhost '{vhost}': {why}", what.kind);
            AmqpError::new(ReplyCode::PreconditionFailed, text)
        }
        _ => of_refusal(&error.refusal),
    }
}

/// A message that could not be routed at all.
pub(crate) fn of_publish(error: &SessionError, vhost: &str) -> AmqpError {
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

/// The error for a name that only the broker gives.
fn reserved(what: &str, name: &str) -> AmqpError {
    let text = format!("{what} name '{name}' contains reserved prefix 'amq.*'");
    AmqpError::new(ReplyCode::AccessRefused, text)
}
