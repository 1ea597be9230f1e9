//! Going down in order: readiness first, then no new work, then whoever still holds a connection is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by everything that lives as long as a connection. Cheap to clone.
///
/// A task that outlives its request (a WebSocket, an event stream) is spawned with [`Drain::track`], waits for
/// [`Drain::begun`] beside its other work, says goodbye and ends. [`Drain::finish`] waits for them.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    token: CancellationToken,
    tasks: TaskTracker,
    started: Arc<AtomicBool>,
}

impl Drain {
    /// Tells everyone.
    pub fn begin(&self) {
        self.started.store(true, Ordering::Release);
        self.token.cancel();
        self.tasks.close();
    }

    /// Whether the process is going down. One atomic load.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Resolves when the process begins to go down.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// The same as a token, for `select!` in a loop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Spawns a task that [`Drain::finish`] waits for.
    pub fn track<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// Waits until every tracked task has ended. Only after [`Drain::begin`].
    pub async fn finish(&self) {
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finishing_waits_for_tracked_tasks_that_were_told() {
        let drain = Drain::default();
        let told = drain.clone();
        let task = drain.track(async move {
            told.begun().await;
            told.has_begun()
        });
        assert!(!drain.has_begun());
        drain.begin();
        drain.finish().await;
        assert!(task.await.unwrap());
    }
}
