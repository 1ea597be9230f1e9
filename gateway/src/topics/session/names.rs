use std::borrow::Cow;

use super::operation::{BindTo, Request};
use super::replies::{REPLY_TO, ReplyBook};
use crate::refusal::Refusal;
use crate::topics::{Topics, VirtualHost};

/// What a session's names mean: those of its virtual host, and no other's.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) topics: &'a Topics,
    pub(super) host: &'a VirtualHost,
}

impl Names<'_> {
    /// The full name of an exchange; the empty one is the host's default exchange.
    pub(super) fn exchange<'n>(&self, local: &'n str) -> Result<Cow<'n, str>, Refusal> {
        if !local.contains('/') {
            return Ok(self.host.full(local));
        }
        self.topics.name_in(self.host, local).map(Cow::Owned)
    }

    /// What the full name is called in the session's virtual host.
    pub(super) fn local<'n>(&self, full: &'n str) -> &'n str {
        self.host.local(full)
    }

    /// The request with full names for the local ones.
    pub(super) fn localize(&self, mut request: Request) -> Result<Request, Refusal> {
        let full = |name: &mut String| {
            if name != REPLY_TO && !ReplyBook::is_address(name) {
                *name = self.topics.name_in(self.host, name)?;
            }
            Ok::<(), Refusal>(())
        };
        match &mut request {
            Request::DeclareQueue(declaration) => full(&mut declaration.queue)?,
            Request::DeleteQueue { queue, .. }
            | Request::PurgeQueue { queue }
            | Request::Get { queue, .. } => {
                full(queue)?;
            }
            Request::Bind(binding) | Request::Unbind(binding) => {
                full(&mut binding.source)?;
                match binding.to {
                    BindTo::Queue | BindTo::Exchange => full(&mut binding.destination)?,
                }
            }
            Request::DeclareExchange(declaration) => full(&mut declaration.exchange)?,
            Request::DeleteExchange { exchange, .. } => full(exchange)?,
            Request::Consume(consume) => full(&mut consume.queue)?,
            Request::Cancel { .. }
            | Request::LimitChannel { .. }
            | Request::TakeReplies { .. }
            | Request::LeaveReplies
            | Request::EndOwner
            | Request::Barrier => {}
        }
        Ok(request)
    }
}
