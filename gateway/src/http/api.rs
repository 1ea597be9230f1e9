//! The endpoints below `/v1`, registered once for both the router and the description.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use utoipa::OpenApi;
use utoipa_axum::routes;

use super::body::BodyMemory;
use super::endpoints::Endpoints;
use super::problem::Problem;
use super::refusals::ProblemSchema;
use super::{
    api_keys, bindings, browse, definitions, events, exchanges, group_members, groups, login,
    message_changes, policies, problem, publish, quotas, receive, record_deletion, records, replays, rules,
    settle, tickets, topic_settings, topics, transactions, users, virtual_hosts,
};
use crate::auth::Usage;
use crate::auth::quota::Measure;
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

/// What the endpoints have in common. Cheap to clone: one reference count.
///
/// It gives nobody the topics: an endpoint takes an [`Api`], which knows on whose behalf.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// What an endpoint works with, on behalf of the client that asks: taking it is what logs the client in.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Inner>,
    topics: Topics,
}

struct Inner {
    topics: Topics,
    limits: HttpLimits,
    bodies: BodyMemory,
    drain: Drain,
    definitions: tokio::sync::Mutex<()>,
    origins: Vec<String>,
}

impl AppState {
    /// Of a server whose data is open.
    #[must_use]
    pub fn new(topics: Topics, limits: HttpLimits, drain: Drain) -> AppState {
        AppState::with_origins(topics, limits, drain, Vec::new())
    }

    /// The same for a server whose API pages of these origins may call.
    #[must_use]
    pub fn with_origins(topics: Topics, limits: HttpLimits, drain: Drain, origins: Vec<String>) -> AppState {
        let bodies = BodyMemory::new(limits.in_flight_bytes);
        let definitions = tokio::sync::Mutex::new(());
        AppState(Arc::new(Inner { topics, limits, bodies, drain, definitions, origins }))
    }
}

impl AppState {
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
}

impl FromRequestParts<AppState> for Api {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, AppState(shared): &AppState) -> Result<Api, Problem> {
        login::check_origin(shared.topics.guard(), parts, &shared.origins)?;
        let pass = login::pass_of(shared.topics.guard(), parts).await?;
        let usage = login::usage_of(shared.topics.guard(), &pass, parts)?;
        usage.admit(Measure::Requests, 1)?;
        let topics = shared.topics.acting_for(pass).measured_by(usage);
        Ok(Api { topics, shared: Arc::clone(shared) })
    }
}

impl Api {
    /// Refuses a page of another origin where even a GET changes something.
    pub fn check_page(&self, request: &Request) -> Result<(), Problem> {
        login::check_page(self.shared.topics.guard(), request, &self.shared.origins)
    }

    /// The seam, on behalf of the client.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// What the client's use is measured by.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        self.topics.usage()
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> &HttpLimits {
        &self.shared.limits
    }

    /// The memory for bodies.
    #[must_use]
    pub fn bodies(&self) -> &BodyMemory {
        &self.shared.bodies
    }

    /// Whether the server goes down.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.shared.drain
    }

    /// Held while a topic's version is compared and the topic changed.
    pub async fn definitions(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.definitions.lock().await
    }
}

/// What no endpoint names by itself.
#[derive(OpenApi)]
#[openapi(components(schemas(ProblemSchema)))]
pub(super) struct Description;

/// Adds the endpoints.
pub fn endpoints<E: Endpoints<AppState>>(collection: E) -> E {
    collection
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
        .routes(routes!(definitions::get, definitions::take))
        .routes(routes!(users::list))
        .routes(routes!(users::put, users::get, users::delete))
        .routes(routes!(users::me))
        .routes(routes!(tickets::give))
        .routes(routes!(api_keys::make))
        .routes(routes!(api_keys::delete))
        .routes(routes!(rules::list, rules::add, rules::remove))
        .routes(routes!(rules::get, rules::delete))
        .routes(routes!(quotas::list, quotas::put))
        .routes(routes!(quotas::get, quotas::delete))
        .routes(routes!(replays::list, replays::start))
        .routes(routes!(replays::get))
        .routes(routes!(replays::cancel))
        .routes(routes!(replays::redrive))
}

/// Gives a router, once all is merged into it, the answers to unknown paths and methods.
pub fn finish(router: Router) -> Router {
    router.method_not_allowed_fallback(problem::no_such_method).fallback(problem::no_such_path)
}
