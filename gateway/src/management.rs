//! The management API of RabbitMQ, as far as its tools, client libraries and exporters use it: JSON below `/api` on the
//! HTTP listener.
//!
//! Shapes and fields are RabbitMQ's. What is changed goes the way of an AMQP client's requests ([`errand`]), so that
//! both doors refuse the same things in the same words.

mod bindings;
mod connections;
mod definitions;
mod errand;
mod exchanges;
mod failure;
mod grants;
mod health;
mod identity;
mod listing;
mod login;
mod messages;
mod nodes;
mod overview;
mod parameters;
mod password;
mod permissions;
mod policies;
mod queues;
mod rates;
mod requests;
mod shovels;
mod topic_permissions;
mod users;
mod vhosts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::routing::{delete, get, post, put};
use parking_lot::Mutex;
use tower_http::normalize_path::NormalizePath;

use crate::amqp::Roster;
use crate::auth::{Caller, GUEST};
use crate::http::BodyMemory;
use crate::refusal::Refusal;
use crate::shovel::Shovels;
use crate::topics::{Topics, VirtualHost};
use failure::Failure;
use permissions::Permissions;
use rates::Rates;
use topic_permissions::TopicPermissions;

/// The version of RabbitMQ whose API this is; clients choose their ways by it.
const COMPATIBLE_WITH: &str = "4.1.0";

/// What the endpoints work with, on behalf of whoever asks. Cheap to clone.
#[derive(Clone)]
pub struct Management(Arc<Inner>, Topics);

struct Inner {
    roster: Roster,
    shovels: Shovels,
    bodies: BodyMemory,
    body_bytes: usize,
    node: Node,
    rates: Mutex<Rates>,
}

/// The process, as a node of a cluster of one.
#[derive(Clone, Debug)]
pub struct Node {
    /// `sluice@` and the name of the machine.
    pub name: String,
    /// When it started.
    pub started: SystemTime,
    /// Where each protocol is spoken: `http`, `amqp`, `kafka`.
    pub listeners: Vec<(&'static str, SocketAddr)>,
    /// Where the data is.
    pub data_dir: String,
    /// How AMQP clients may log in.
    pub mechanisms: Vec<&'static str>,
    /// Most connections at a time, over all doors that count them.
    pub connections_max: usize,
    /// Bytes of memory from which on publishers wait.
    pub memory_high: u64,
    /// Bytes of free disk space below which they do.
    pub disk_free_limit: u64,
}

impl Node {
    /// What a node on this machine is called.
    #[must_use]
    pub fn name_here() -> String {
        let machine = rustix::system::uname();
        format!("sluice@{}", machine.nodename().to_str().unwrap_or("localhost"))
    }
}

impl Management {
    /// The API of a server whose data is open.
    #[must_use]
    pub fn new(
        topics: Topics,
        (roster, shovels): (Roster, Shovels),
        bodies: BodyMemory,
        body_bytes: usize,
        node: Node,
    ) -> Management {
        let rates = Mutex::new(Rates::default());
        Management(Arc::new(Inner { roster, shovels, bodies, body_bytes, node, rates }), topics)
    }

    fn topics(&self) -> &Topics {
        &self.1
    }

    /// Who asks, to be named in answers.
    fn user(&self) -> &str {
        self.topics().pass().caller().map_or(GUEST, Caller::user)
    }

    fn roster(&self) -> &Roster {
        &self.0.roster
    }

    fn shovels(&self) -> &Shovels {
        &self.0.shovels
    }

    fn node(&self) -> &Node {
        &self.0.node
    }

    /// A virtual host that a path names.
    fn host(&self, name: &str) -> Result<VirtualHost, Failure> {
        self.topics().virtual_host(name).map_err(|_: Refusal| Failure::NotFound)
    }
}

/// Everything below `/api`.
pub fn routes(management: Management) -> Router {
    let api = Router::new()
        .merge(looks())
        .merge(things())
        .merge(people())
        .fallback(async || Failure::NotFound)
        .layer(axum::middleware::from_fn_with_state(management.clone(), login::check))
        .with_state(management);
    // A slash at the end says nothing, as in RabbitMQ.
    Router::new().nest_service("/api", NormalizePath::trim_trailing_slash(api))
}

/// What is only looked at, and the health checks.
fn looks() -> Router<Management> {
    Router::new()
        .route("/overview", get(overview::overview))
        .route("/cluster-name", get(identity::cluster_name).put(identity::rename))
        .route("/nodes", get(nodes::list))
        .route("/nodes/{node}", get(nodes::one))
        .route("/nodes/{node}/memory", get(nodes::memory))
        .route("/extensions", get(identity::extensions))
        .route("/feature-flags", get(identity::feature_flags))
        .route("/deprecated-features", get(identity::feature_flags))
        .route("/deprecated-features/used", get(identity::feature_flags))
        .route("/whoami", get(identity::whoami))
        .route("/auth", get(identity::auth))
        .route("/connections", get(connections::list))
        .route("/connections/{name}", get(connections::one).delete(connections::close))
        .route("/connections/{name}/channels", get(connections::channels_of))
        .route("/connections/username/{user}", get(connections::of_user).delete(connections::close_user))
        .route("/vhosts/{vhost}/connections", get(connections::of_vhost))
        .route("/vhosts/{vhost}/channels", get(connections::channels_of_vhost))
        .route("/channels", get(connections::channels))
        .route("/channels/{name}", get(connections::channel))
        .route("/consumers", get(connections::consumers))
        .route("/consumers/{vhost}", get(connections::consumers_of))
        .route("/aliveness-test/{vhost}", get(health::aliveness))
        .route("/healthchecks/node", get(health::always))
        .route("/healthchecks/node/{node}", get(health::always))
        .route("/health/checks/alarms", get(health::alarms))
        .route("/health/checks/local-alarms", get(health::alarms))
        .route("/health/checks/ready-to-serve-clients", get(health::ready))
        .route("/health/checks/is-in-service", get(health::ready))
        .route("/health/checks/below-node-connection-limit", get(health::ready))
        .route("/health/checks/certificate-expiration/{within}/{unit}", get(health::certificates))
        .route("/health/checks/port-listener/{port}", get(health::port))
        .route("/health/checks/protocol-listener/{protocol}", get(health::protocol))
        .route("/health/checks/virtual-hosts", get(health::always))
        .route("/health/checks/node-is-mirror-sync-critical", get(health::single))
        .route("/health/checks/node-is-quorum-critical", get(health::single))
}

/// Exchanges, queues, bindings, policies and what goes through them.
fn things() -> Router<Management> {
    Router::new()
        .route("/vhosts", get(vhosts::list))
        .route("/vhosts/{vhost}", get(vhosts::one).put(vhosts::put).delete(vhosts::delete))
        .route("/exchanges", get(exchanges::list))
        .route("/exchanges/{vhost}", get(exchanges::of_vhost))
        .route("/exchanges/{vhost}/{name}", get(exchanges::one).put(exchanges::put).delete(exchanges::delete))
        .route("/exchanges/{vhost}/{name}/bindings/source", get(bindings::from_exchange))
        .route("/exchanges/{vhost}/{name}/bindings/destination", get(bindings::to_exchange))
        .route("/exchanges/{vhost}/{name}/publish", post(messages::publish))
        .route("/queues", get(queues::list))
        .route("/queues/{vhost}", get(queues::of_vhost))
        .route("/queues/{vhost}/{name}", get(queues::one).put(queues::put).delete(queues::delete))
        .route("/queues/{vhost}/{name}/bindings", get(bindings::to_queue))
        .route("/queues/{vhost}/{name}/contents", delete(queues::purge))
        .route("/queues/{vhost}/{name}/actions", post(queues::act))
        .route("/queues/{vhost}/{name}/get", post(messages::get))
        .route("/bindings", get(bindings::list))
        .route("/bindings/{vhost}", get(bindings::of_vhost))
        .route(
            "/bindings/{vhost}/e/{source}/{kind}/{destination}",
            get(bindings::between).post(bindings::bind),
        )
        .route(
            "/bindings/{vhost}/e/{source}/{kind}/{destination}/{key}",
            get(bindings::one).delete(bindings::unbind),
        )
        .route("/policies", get(policies::list))
        .route("/policies/{vhost}", get(policies::of_vhost))
        .route("/policies/{vhost}/{name}", get(policies::one).put(policies::put).delete(policies::delete))
        .route("/operator-policies", get(policies::operator_list))
        .route("/operator-policies/{vhost}", get(policies::operator_of_vhost))
        .route(
            "/operator-policies/{vhost}/{name}",
            get(policies::operator_one).put(policies::operator_put).delete(policies::operator_delete),
        )
        .route("/definitions", get(definitions::export).post(definitions::import))
        .route("/definitions/{vhost}", get(definitions::export_vhost).post(definitions::import_vhost))
        .route("/parameters", get(parameters::list))
        .route("/parameters/{component}", get(parameters::of_component))
        .route("/parameters/{component}/{vhost}", get(parameters::of_vhost))
        .route(
            "/parameters/{component}/{vhost}/{name}",
            put(parameters::put).get(parameters::one).delete(parameters::delete),
        )
        .route("/shovels", get(shovels::list))
        .route("/shovels/{vhost}", get(shovels::of_vhost))
        .route("/shovels/vhost/{vhost}/{name}", get(shovels::one).delete(shovels::delete))
        .route("/shovels/vhost/{vhost}/{name}/restart", delete(shovels::restart))
        .route("/global-parameters", get(parameters::empty))
        .route(
            "/global-parameters/{name}",
            put(parameters::put_global).get(parameters::none).delete(parameters::none),
        )
        .route("/vhost-limits", get(parameters::empty))
        .route("/vhost-limits/{vhost}", get(parameters::empty))
        .route("/vhost-limits/{vhost}/{name}", put(parameters::put_limit).delete(parameters::none))
        .route("/user-limits", get(parameters::empty))
        .route("/user-limits/{user}", get(parameters::empty))
        .route("/user-limits/{user}/{name}", put(parameters::put_limit).delete(parameters::none))
}

/// Users and what they may do.
fn people() -> Router<Management> {
    Router::new()
        .route("/users", get(users::list))
        .route("/users/without-permissions", get(users::without_permissions))
        .route("/users/bulk-delete", post(users::bulk_delete))
        .route("/users/{user}", get(users::one).put(users::put).delete(users::delete))
        .route("/users/{user}/permissions", get(grants::of_user::<Permissions>))
        .route("/users/{user}/topic-permissions", get(grants::of_user::<TopicPermissions>))
        .route("/vhosts/{vhost}/permissions", get(grants::of_vhost::<Permissions>))
        .route("/vhosts/{vhost}/topic-permissions", get(grants::of_vhost::<TopicPermissions>))
        .route("/permissions", get(grants::list::<Permissions>))
        .route(
            "/permissions/{vhost}/{user}",
            get(permissions::one).put(permissions::put).delete(permissions::delete),
        )
        .route("/topic-permissions", get(grants::list::<TopicPermissions>))
        .route(
            "/topic-permissions/{vhost}/{user}",
            get(topic_permissions::one).put(topic_permissions::put).delete(topic_permissions::delete),
        )
        .route("/topic-permissions/{vhost}/{user}/{exchange}", delete(topic_permissions::delete_one))
}
