//! What operators and their tools ask for: health, metrics, documents, the console.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use message::ErrorCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::server::Connections;
use super::{console, docs, health, metrics};
use crate::drain::Drain;
use crate::metrics::{HttpCounters, Snapshot};
use crate::refusal::Refusal;
use crate::topics::Topics;

/// What the seam tells about itself.
pub trait Vitals: Send + Sync {
    /// Whether requests can be served, or why not.
    fn readiness(&self) -> Result<(), Refusal>;
    /// What there is to measure. It looks at every topic: not for the hot path.
    fn snapshot(&self) -> Pin<Box<dyn Future<Output = Result<Snapshot, Refusal>> + Send + '_>>;
}

impl Vitals for Topics {
    fn readiness(&self) -> Result<(), Refusal> {
        Topics::readiness(self)
    }

    fn snapshot(&self) -> Pin<Box<dyn Future<Output = Result<Snapshot, Refusal>> + Send + '_>> {
        Box::pin(Topics::snapshot(self))
    }
}

/// Everything that health and metrics are read from. Cheap to clone.
#[derive(Clone)]
pub struct Operations(Arc<Inner>);

struct Inner {
    vitals: OnceLock<Box<dyn Vitals>>,
    drain: Drain,
    connections: Arc<Connections>,
    counters: Arc<HttpCounters>,
    started_at: f64,
}

impl Operations {
    /// Of a server that starts now and has not opened its data.
    #[must_use]
    pub fn new(drain: Drain, connections: Arc<Connections>, counters: Arc<HttpCounters>) -> Operations {
        let started_at =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Operations(Arc::new(Inner { vitals: OnceLock::new(), drain, connections, counters, started_at }))
    }

    /// The data is open. Only the first call counts.
    pub fn open(&self, vitals: impl Vitals + 'static) {
        let _ = self.0.vitals.set(Box::new(vitals));
    }

    /// Whether requests can be served, or why not.
    pub fn readiness(&self) -> Result<(), Refusal> {
        if self.0.drain.has_begun() {
            return Err(Refusal::new(ErrorCode::ShuttingDown, "the server is going down"));
        }
        match self.0.vitals.get() {
            Some(vitals) => vitals.readiness(),
            None => Err(Refusal::new(ErrorCode::ShuttingDown, "the server is still opening its data")
                .retry_after(1000)),
        }
    }

    /// What the seam has to measure, when it is open and not going down.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.0.vitals.get()?.snapshot().await.ok()
    }

    /// What the process has to measure.
    #[must_use]
    pub fn process(&self) -> crate::metrics::Process<'_> {
        let inner = &self.0;
        crate::metrics::Process {
            http: &inner.counters,
            connections: &inner.connections,
            started_at: inner.started_at,
        }
    }
}

/// The endpoints with their description.
pub fn endpoints() -> OpenApiRouter<Operations> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(metrics::metrics_per_object))
        .routes(routes!(docs::openapi))
        .merge(docs::explorer().into())
        .merge(console::pages().into())
}
