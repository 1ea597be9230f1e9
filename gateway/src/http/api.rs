//! The endpoints below `/v1`, registered once for both the router and the description.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::BodyMemory;
use super::refusals::ProblemSchema;
use super::{
    bindings, browse, events, exchanges, group_members, groups, message_changes, policies, problem, publish,
    receive, record_deletion, records, replays, settle, topic_settings, topics, transactions, virtual_hosts,
};
use crate::drain::Drain;
use crate::topics::Topics;

/// What bounds requests; each is a key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Largest body that is read as a whole, in bytes.
    pub body_bytes: usize,
    /// Most bytes of bodies in memory at a time, over all connections.
    pub in_flight_bytes: usize,
    /// Longest line of an NDJSON stream, in bytes.
    pub line_bytes: usize,
    /// Longest wait of a long poll; who asks for more is answered after this.
    pub wait: Duration,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            body_bytes: 32 << 20,
            in_flight_bytes: 256 << 20,
            line_bytes: 32 << 20,
            wait: Duration::from_secs(60),
        }
    }
}

/// What the endpoints work with. Cheap to clone: one reference count.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    topics: Topics,
    limits: HttpLimits,
    bodies: BodyMemory,
    drain: Drain,
    definitions: tokio::sync::Mutex<()>,
}

impl AppState {
    /// Of a server whose data is open.
    #[must_use]
    pub fn new(topics: Topics, limits: HttpLimits, drain: Drain) -> AppState {
        let bodies = BodyMemory::new(limits.in_flight_bytes);
        AppState(Arc::new(Inner { topics, limits, bodies, drain, definitions: tokio::sync::Mutex::new(()) }))
    }

    /// The seam.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.0.topics
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> &HttpLimits {
        &self.0.limits
    }

    /// The memory for bodies.
    #[must_use]
    pub fn bodies(&self) -> &BodyMemory {
        &self.0.bodies
    }

    /// Whether the server goes down.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// Held while a topic's version is compared and the topic changed.
    pub async fn definitions(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.definitions.lock().await
    }
}

/// What no endpoint names by itself.
#[derive(OpenApi)]
#[openapi(components(schemas(ProblemSchema)))]
struct Description;

/// The endpoints with their description.
pub fn endpoints() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(topics::list))
        .routes(routes!(topics::put, topics::get, topics::patch, topics::delete))
        .routes(routes!(publish::publish, browse::browse, browse::purge))
        .routes(routes!(browse::get, browse::delete, message_changes::change))
        .routes(routes!(message_changes::move_to))
        .routes(routes!(receive::receive))
        .routes(routes!(settle::settle))
        .routes(routes!(topic_settings::get))
        .routes(routes!(records::records, record_deletion::delete))
        .routes(routes!(events::events))
        .routes(routes!(groups::list))
        .routes(routes!(groups::get, groups::delete))
        .routes(routes!(groups::commit))
        .routes(routes!(groups::reset))
        .routes(routes!(groups::delete_offsets))
        .routes(routes!(group_members::receive))
        .routes(routes!(group_members::ack))
        .routes(routes!(group_members::pause))
        .routes(routes!(group_members::resume))
        .routes(routes!(group_members::leave))
        .routes(routes!(transactions::begin, transactions::list))
        .routes(routes!(transactions::get))
        .routes(routes!(transactions::offsets))
        .routes(routes!(transactions::commit))
        .routes(routes!(transactions::abort))
        .routes(routes!(exchanges::list))
        .routes(routes!(exchanges::put, exchanges::get, exchanges::delete))
        .routes(routes!(exchanges::publish))
        .routes(routes!(bindings::list, bindings::bind))
        .routes(routes!(bindings::get, bindings::unbind))
        .routes(routes!(virtual_hosts::list))
        .routes(routes!(virtual_hosts::put, virtual_hosts::get, virtual_hosts::delete))
        .routes(routes!(policies::list))
        .routes(routes!(policies::put, policies::get, policies::delete))
        .routes(routes!(policies::operator_list))
        .routes(routes!(policies::operator_put, policies::operator_get, policies::operator_delete))
        .routes(routes!(replays::list, replays::start))
        .routes(routes!(replays::get))
        .routes(routes!(replays::cancel))
        .routes(routes!(replays::redrive))
}

/// Gives a router, once all is merged into it, the answers to unknown paths and methods.
pub fn finish(router: Router) -> Router {
    router.method_not_allowed_fallback(problem::no_such_method).fallback(problem::no_such_path)
}
