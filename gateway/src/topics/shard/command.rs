use message::Timestamp;
use segment_store::{Journal, StoreError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Engines;
use crate::refusal::Refusal;
use crate::topics::Acks;

/// What a command may use while it is applied: the state, the journal whose block its records go into, and the time.
pub(crate) struct Turn<'a> {
    pub engines: &'a mut Engines,
    pub journal: &'a mut Journal,
    pub now: Timestamp,
    /// Journal bytes of what the command is going to write last, into the block that holds its effect.
    pub tail: usize,
}

impl Turn<'_> {
    /// Makes sure that the current block has room for records of so many bytes, and for the command's tail. What logs get
    /// of the calls before goes into the block that holds those.
    pub(crate) fn ensure(&mut self, bytes: usize) -> Result<(), StoreError> {
        self.engines.append_passed(self.journal, self.now);
        self.journal.ensure(bytes + self.tail)
    }
}

/// Which disk space a command may use when little is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Brings new data: refused while the disk is full.
    Ordinary,
    /// Frees data or changes little (settling, committing, deleting): goes through to the last reserve.
    Reserved,
}

/// What the owner must know before it applies a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How durable the command must be before it is released.
    pub acks: Acks,
    /// At most this many journal bytes.
    pub weight: usize,
    pub room: Room,
}

/// One entry of the inbox: applied once, then released when the group it fell into is as durable as asked.
pub(crate) trait Command: Send {
    fn terms(&self) -> Terms;
    fn apply(&mut self, turn: &mut Turn<'_>);
    /// Answers with what `apply` found; only called after it.
    fn release(self: Box<Self>);
    /// Answers that it was not, or could not be shown to be, carried out.
    fn refuse(self: Box<Self>, refusal: Refusal);
}

/// A command made of a closure and a place for its answer: one allocation a request.
pub(crate) struct Call<F, T> {
    terms: Terms,
    work: Option<F>,
    outcome: Option<T>,
    reply: Option<oneshot::Sender<Result<T, Refusal>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<F, T> Call<F, T> {
    pub(crate) fn new(
        terms: Terms,
        work: F,
        reply: Option<oneshot::Sender<Result<T, Refusal>>>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Call { terms, work: Some(work), outcome: None, reply, _permit: permit }
    }
}

impl<F, T> Command for Call<F, T>
where
    F: FnOnce(&mut Turn<'_>) -> T + Send,
    T: Send,
{
    fn terms(&self) -> Terms {
        self.terms
    }

    fn apply(&mut self, turn: &mut Turn<'_>) {
        if let Some(work) = self.work.take() {
            self.outcome = Some(work(turn));
        }
    }

    fn release(self: Box<Self>) {
        if let (Some(reply), Some(outcome)) = (self.reply, self.outcome) {
            // A caller that went away does not want its answer.
            let _ = reply.send(Ok(outcome));
        }
    }

    fn refuse(self: Box<Self>, refusal: Refusal) {
        if let Some(reply) = self.reply {
            let _ = reply.send(Err(refusal));
        }
    }
}
