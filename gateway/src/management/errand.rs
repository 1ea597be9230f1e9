//! Requests that are carried out as those of an AMQP client would be.

use std::time::Duration;

use super::failure::Failure;
use crate::amqp::refusals::{self, Subject};
use crate::refusal::Refusal;
use crate::topics::session::{
    Action, Answer, ChannelKey, Operation, Outcome, Publish, PublishFailure, Request, Session, SessionError,
    SessionEvent, Settlement,
};
use crate::topics::{Lease, Topics, VirtualHost};

/// What one errand does goes over one channel.
const CHANNEL: ChannelKey = ChannelKey(1);
/// How long an errand may take; the owner answers within its groups.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the seam for as long as one request of the API lasts. What it holds returns when it is dropped.
pub struct Errand {
    session: Session,
    host: VirtualHost,
}

/// Whether anything took a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// Something did.
    Taken,
    /// Nothing is bound for it.
    Nowhere,
    /// Something that it was routed to refused it.
    Full,
}

impl Errand {
    /// An errand in a virtual host.
    pub fn new(topics: &Topics, host: VirtualHost) -> Errand {
        let session = topics.open_session();
        session.enter(host.clone());
        Errand { session, host }
    }

    /// Asks for one thing; a refusal is told in the words of AMQP's door.
    pub async fn ask(&mut self, request: Request, about: Subject<'_>) -> Result<Answer, Failure> {
        match self.carry_out(Action::Ask(Box::new(request))).await? {
            Outcome::Asked(Ok(answer)) => Ok(answer),
            Outcome::Asked(Err(error)) => Err(refusals::of_request(&error, &about, self.host.name()).into()),
            _ => Err(unexpected()),
        }
    }

    /// Publishes one message and waits until it is as durable as it wants to be.
    pub async fn publish(&mut self, publish: Publish) -> Result<Routed, Box<SessionError>> {
        let publish = Publish { mandatory: true, ..publish };
        let outcome = self.carry_out(Action::Publish(publish)).await;
        let Outcome::Published(published) = outcome.map_err(|refusal| Box::new(refusal.into()))? else {
            return Ok(Routed::Full);
        };
        if let Some(error) = published.fatal {
            return Err(Box::new(error));
        }
        Ok(match published.exceptions.first() {
            None => Routed::Taken,
            Some((_, PublishFailure::Unroutable(_))) => Routed::Nowhere,
            Some((_, PublishFailure::Refused)) => Routed::Full,
        })
    }

    /// Settles what was taken, and waits until that is done.
    pub async fn settle(&mut self, settles: Vec<(Lease, Settlement)>) -> Result<(), Failure> {
        if settles.is_empty() {
            return Ok(());
        }
        let settle = Operation { channel: CHANNEL, action: Action::Settle(settles) };
        let barrier = Operation { channel: CHANNEL, action: Action::Ask(Box::new(Request::Barrier)) };
        self.session.submit(vec![settle, barrier]).await?;
        self.answered().await?;
        Ok(())
    }

    async fn carry_out(&mut self, action: Action) -> Result<Outcome, Refusal> {
        self.session.submit(vec![Operation { channel: CHANNEL, action }]).await?;
        let outcomes = self.answered().await?;
        let outcome = outcomes.into_iter().next();
        outcome.ok_or_else(|| Refusal::new(message::ErrorCode::Internal, "the owner said nothing"))
    }

    async fn answered(&mut self) -> Result<Vec<Outcome>, Refusal> {
        let answer = async {
            loop {
                match self.session.next().await {
                    SessionEvent::Done { outcomes } => {
                        return Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect());
                    }
                    SessionEvent::Failed(refusal) => return Err(refusal),
                    _ => {}
                }
            }
        };
        let late =
            |_| Refusal::new(message::ErrorCode::Overloaded, "the broker is too busy").retry_after(1000);
        tokio::time::timeout(PATIENCE, answer).await.map_err(late)?
    }
}

fn unexpected() -> Failure {
    Failure::Internal("the owner answered something else".to_owned())
}
