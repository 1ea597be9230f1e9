//! What a session's operations need, in RabbitMQ's words: configure, write and read.

use message::{ErrorCode, HeaderTable, HeaderValue};

use super::names::Names;
use super::operation::{Action, BindTo, Operation, Publish, Request};
use super::outcome::SessionError;
use super::replies::{REPLY_TO, ReplyBook};
use crate::auth::Pass;
use crate::auth::routing_keys::KeyUse;
use crate::refusal::Refusal;
use crate::topics::authorization::{Act, DEFAULT_EXCHANGE};

impl Names<'_> {
    fn needs(&self, act: Act, full: &str) -> Result<(), SessionError> {
        self.topics.allow(act, full).map_err(|refusal| self.in_rabbit_words(refusal, act, full))
    }

    fn in_rabbit_words(&self, mut refusal: Refusal, act: Act, full: &str) -> SessionError {
        let Some(caller) = self.topics.pass().caller() else { return refusal.into() };
        let (operation, kind) = act.needs();
        if matches!(refusal.code, ErrorCode::AccessDenied) {
            let operation = match operation.as_str() {
                read_or_write @ ("read" | "write") => read_or_write,
                _ => "configure",
            };
            let kind = if kind.as_str() == "topic" { "queue" } else { "exchange" };
            let (name, vhost, user) = (self.local(full), self.host.name(), caller.user());
            let name = if name.is_empty() { DEFAULT_EXCHANGE } else { name };
            refusal.detail =
                format!("{operation} access to {kind} '{name}' in vhost '{vhost}' refused for user '{user}'");
        }
        refusal.into()
    }

    /// Whether a request, with full names, is allowed.
    pub(super) fn allow_request(&self, request: &Request) -> Result<(), SessionError> {
        if let Pass::Open = self.topics.pass() {
            return Ok(());
        }
        match request {
            Request::DeclareQueue(queue) if queue.passive => self.needs(Act::SeeTopic, &queue.queue),
            Request::DeclareQueue(queue) => {
                self.needs(Act::MakeTopic, &queue.queue)?;
                if let Some(exchange) = text(&queue.arguments, "x-dead-letter-exchange") {
                    self.needs(Act::Consume, &queue.queue)?;
                    self.needs(Act::PublishThrough, &self.exchange(&exchange)?)?;
                }
                Ok(())
            }
            Request::DeleteQueue { queue, .. } => self.needs(Act::DeleteTopic, queue),
            Request::PurgeQueue { queue } => self.needs(Act::Purge, queue),
            Request::Bind(binding) | Request::Unbind(binding) => {
                match binding.to {
                    BindTo::Queue => self.needs(Act::BindToTopic, &binding.destination)?,
                    BindTo::Exchange => self.needs(Act::BindToExchange, &binding.destination)?,
                }
                self.needs(Act::BindFrom, &binding.source)?;
                let key = Some(&*binding.routing_key);
                Ok(self.topics.allow_routing_key(KeyUse::Bind, &binding.source, key)?)
            }
            Request::DeclareExchange(exchange) if exchange.passive => {
                self.needs(Act::SeeExchange, &exchange.exchange)
            }
            Request::DeclareExchange(exchange) => {
                self.needs(Act::MakeExchange, &exchange.exchange)?;
                if let Some(alternate) = text(&exchange.arguments, "alternate-exchange") {
                    self.needs(Act::BindFrom, &exchange.exchange)?;
                    self.needs(Act::PublishThrough, &self.exchange(&alternate)?)?;
                }
                Ok(())
            }
            Request::DeleteExchange { exchange, .. } => self.needs(Act::DeleteExchange, exchange),
            Request::Consume(consume) => self.needs_consuming(&consume.queue),
            Request::Get { queue, .. } => self.needs_consuming(queue),
            Request::Cancel { .. }
            | Request::LimitChannel { .. }
            | Request::TakeReplies { .. }
            | Request::LeaveReplies
            | Request::EndOwner
            | Request::Barrier => Ok(()),
        }
    }

    fn needs_consuming(&self, queue: &str) -> Result<(), SessionError> {
        if queue == REPLY_TO { Ok(()) } else { self.needs(Act::Consume, queue) }
    }

    /// Whether a message may be published so. Replies go to whoever gave out the address.
    ///
    /// Topic permissions are asked for `CC` and `BCC`, too: a key is used, whatever names it.
    pub(super) fn allow_publish(&self, publish: &Publish) -> Result<(), SessionError> {
        let Publish { exchange, routing_key, headers, .. } = publish;
        if exchange.is_empty() && ReplyBook::is_address(routing_key) {
            return Ok(());
        }
        let full = self.exchange(exchange)?;
        let allowed = self.topics.allow_publish_through(&full, routing_key);
        allowed.map_err(|refusal| self.in_rabbit_words(refusal, Act::PublishThrough, &full))?;
        // Headers that cannot be read are refused where the message is routed.
        let copies = queue_engine::carbon_copies(headers).unwrap_or_default();
        let keys = std::iter::once(&**routing_key).chain(copies.iter().map(String::as_str));
        for key in keys {
            self.topics.allow_routing_key(KeyUse::Publish, &full, Some(key))?;
        }
        Ok(())
    }

    /// Replaces publishes that are not allowed. Those in a row that go the same way are asked for once.
    pub(super) fn refuse_publishes(&self, operations: &mut [Operation]) {
        let by_key = match self.topics.pass() {
            Pass::Open => return,
            Pass::Nobody => false,
            Pass::As(caller) => caller.has_topic_permissions(),
        };
        let mut last: Option<(std::sync::Arc<str>, std::sync::Arc<str>)> = None;
        for operation in operations {
            let Action::Publish(publish) = &operation.action else { continue };
            let is_as_last = last.as_ref().is_some_and(|(exchange, key)| {
                *exchange == publish.exchange && (!exchange.is_empty() || *key == publish.routing_key)
            });
            if is_as_last && !by_key {
                continue;
            }
            match self.allow_publish(publish) {
                Ok(()) => last = Some((publish.exchange.clone(), publish.routing_key.clone())),
                Err(error) => operation.action = Action::RefusedPublish(Box::new(error)),
            }
        }
    }
}

fn text(arguments: &HeaderTable, name: &str) -> Option<String> {
    match arguments.get(name) {
        Some(HeaderValue::Text(text)) => Some(text),
        _ => None,
    }
}
