use std::sync::Arc;

use message::ErrorCode;
use tokio::sync::{Semaphore, TryAcquireError, mpsc, oneshot};

use super::command::{Call, Command, Terms, Turn};
use crate::refusal::Refusal;
use crate::topics::Acks;

/// The way into the shard's inbox, for any number of connections.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    inbox: mpsc::UnboundedSender<Box<dyn Command>>,
    in_flight: Arc<Semaphore>,
    in_flight_bytes: u32,
}

impl ShardHandle {
    /// A handle and the inbox's other end. At most `in_flight_bytes` of commands are between a caller and its answer.
    pub(crate) fn new(in_flight_bytes: u32) -> (ShardHandle, mpsc::UnboundedReceiver<Box<dyn Command>>) {
        let (inbox, commands) = mpsc::unbounded_channel();
        let in_flight = Arc::new(Semaphore::new(in_flight_bytes as usize));
        (ShardHandle { inbox, in_flight, in_flight_bytes }, commands)
    }

    /// Has `work` applied by the owner and waits until its outcome may be told.
    ///
    /// The caller's future may be dropped: the work is then done all the same.
    pub(crate) async fn call<T, F>(&self, terms: Terms, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&mut Turn<'_>) -> T + Send + 'static,
    {
        let permit = self.permit(terms.weight).await?;
        let (reply, answer) = oneshot::channel();
        let call = Call::new(terms, work, Some(reply), Some(permit));
        self.inbox.send(Box::new(call)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Has `work` applied without waiting for it, as `acks=none` asks.
    pub(crate) async fn cast<F>(&self, weight: usize, room: super::Room, work: F) -> Result<(), Refusal>
    where
        F: FnOnce(&mut Turn<'_>) + Send + 'static,
    {
        let permit = self.permit(weight).await?;
        let terms = Terms { acks: Acks::None, weight, room };
        self.inbox.send(Box::new(Call::new(terms, work, None, Some(permit)))).map_err(|_| stopped())
    }

    /// Has small `work` applied without waiting and without a permit: credit, cancelling, what a drop must do.
    pub(crate) fn post<F>(&self, weight: usize, work: F)
    where
        F: FnOnce(&mut Turn<'_>) + Send + 'static,
    {
        let terms = Terms { acks: Acks::None, weight: 256 + weight, room: super::Room::Reserved };
        // Nobody to tell when the owner is gone: so is everything that the work would have changed.
        let _ = self.inbox.send(Box::new(Call::new(terms, work, None, None)));
    }

    /// Sends a command that `make` builds around its permit for `bytes`, and does not wait for it.
    pub(crate) async fn submit(
        &self,
        bytes: usize,
        make: impl FnOnce(tokio::sync::OwnedSemaphorePermit) -> Box<dyn Command>,
    ) -> Result<(), Refusal> {
        let permit = self.permit(bytes).await?;
        self.inbox.send(make(permit)).map_err(|_| stopped())
    }

    async fn permit(&self, weight: usize) -> Result<tokio::sync::OwnedSemaphorePermit, Refusal> {
        let bytes = u32::try_from(weight).unwrap_or(u32::MAX).min(self.in_flight_bytes);
        match Arc::clone(&self.in_flight).try_acquire_many_owned(bytes) {
            Ok(permit) => Ok(permit),
            Err(TryAcquireError::Closed) => Err(stopped()),
            Err(TryAcquireError::NoPermits) => {
                Arc::clone(&self.in_flight).acquire_many_owned(bytes).await.map_err(|_| stopped())
            }
        }
    }
}

fn stopped() -> Refusal {
    Refusal::new(ErrorCode::ShuttingDown, "the server is stopping; retry against it when it is back")
        .retry_after(1000)
}
