//! What operators and their tools ask for: health, metrics, documents, the console.

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::request::Parts;
use message::ErrorCode;
use utoipa_axum::routes;

use super::endpoints::Endpoints;
use super::problem::Problem;
use super::server::Connections;
use super::{console, docs, health, login, metrics};
use crate::drain::Drain;
use crate::metrics::{HttpCounters, Snapshot};
use crate::refusal::Refusal;
use crate::shovel::Shovels;
use crate::tls::Tls;
use crate::topics::{Act, Topics};

/// Everything that health and metrics are read from. Cheap to clone.
#[derive(Clone)]
pub struct Operations(Arc<Inner>);

struct Inner {
    topics: OnceLock<Topics>,
    shovels: OnceLock<Shovels>,
    drain: Drain,
    connections: Arc<Connections>,
    counters: Arc<HttpCounters>,
    tls: Option<Tls>,
    started_at: f64,
}

impl Operations {
    /// Of a server that starts now and has not opened its data.
    #[must_use]
    pub fn new(
        drain: Drain,
        connections: Arc<Connections>,
        counters: Arc<HttpCounters>,
        tls: Option<Tls>,
    ) -> Operations {
        let started_at =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Operations(Arc::new(Inner {
            topics: OnceLock::new(),
            shovels: OnceLock::new(),
            drain,
            connections,
            counters,
            tls,
            started_at,
        }))
    }

    /// The data is open. Only the first call counts.
    pub fn open(&self, topics: Topics) {
        let _ = self.0.topics.set(topics);
    }

    /// There are shovels to be measured. Only the first call counts.
    pub fn measure(&self, shovels: Shovels) {
        let _ = self.0.shovels.set(shovels);
    }

    /// Whether requests can be served, or why not.
    pub fn readiness(&self) -> Result<(), Refusal> {
        if self.0.drain.has_begun() {
            return Err(Refusal::new(ErrorCode::ShuttingDown, "the server is going down"));
        }
        match self.0.topics.get() {
            Some(topics) => topics.readiness(),
            None => Err(Refusal::new(ErrorCode::ShuttingDown, "the server is still opening its data")
                .retry_after(1000)),
        }
    }

    /// Metrics are for those who may see the server itself, once anybody has to log in.
    pub async fn allow_metrics(&self, parts: &Parts) -> Result<(), Problem> {
        let Some(topics) = self.0.topics.get().filter(|topics| !topics.guard().settings().open_metrics)
        else {
            return Ok(());
        };
        let pass = login::pass_of(topics.guard(), parts).await?;
        Ok(topics.acting_for(pass).allow_on_server(Act::SeeServer)?)
    }

    /// What the seam has to measure, when it is open and not going down.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.0.topics.get()?.snapshot().await.ok()
    }

    /// What the process has to measure.
    #[must_use]
    pub fn process(&self) -> crate::metrics::Process<'_> {
        let inner = &self.0;
        crate::metrics::Process {
            http: &inner.counters,
            connections: &inner.connections,
            guard: inner.topics.get().map(Topics::guard),
            started_at: inner.started_at,
            logins: inner.topics.get().map(|topics| topics.guard().counts()),
            shovels: inner.shovels.get().map(Shovels::figures),
            certificate_ends_at: inner.tls.as_ref().map(Tls::ends_at),
        }
    }
}

/// Adds the endpoints.
pub fn endpoints<E: Endpoints<Operations>>(collection: E) -> E {
    collection
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(metrics::metrics_per_object))
        .routes(routes!(docs::openapi))
}

/// The endpoints and the pages for people.
pub fn router() -> Router<Operations> {
    endpoints(Router::new()).merge(docs::explorer()).merge(console::pages())
}
