//! Which endpoint a path belongs to, so that a request can be counted without looking up a label.

use axum::http::Method;

macro_rules! routes {
    ($($route:ident = $label:literal),+ $(,)?) => {
        /// An endpoint, as requests are counted by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Route {
            $(#[doc = $label] $route),+
        }

        impl Route {
            /// Every route, in the order of their numbers.
            pub const ALL: &'static [Route] = &[$(Route::$route),+];

            /// Its path, as the API description writes it.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self {
                    $(Route::$route => $label),+
                }
            }
        }
    };
}

routes! {
    Other = "other",
    Console = "/",
    Docs = "/docs",
    OpenApi = "/openapi.json",
    Live = "/livez",
    Ready = "/readyz",
    Metrics = "/metrics",
    MetricsPerObject = "/metrics/per-object",
    Management = "/api",
    Topics = "/v1/topics",
    Topic = "/v1/topics/{topic}",
    TopicSettings = "/v1/topics/{topic}/settings",
    Messages = "/v1/topics/{topic}/messages",
    Message = "/v1/topics/{topic}/messages/{id}",
    MessageMove = "/v1/topics/{topic}/messages/{id}/move",
    Receive = "/v1/topics/{topic}/receive",
    Records = "/v1/topics/{topic}/partitions/{partition}/records",
    Events = "/v1/topics/{topic}/events",
    Redrive = "/v1/topics/{topic}/redrive",
    Settle = "/v1/settle",
    Exchanges = "/v1/exchanges",
    Exchange = "/v1/exchanges/{exchange}",
    ExchangeMessages = "/v1/exchanges/{exchange}/messages",
    Bindings = "/v1/bindings",
    Binding = "/v1/bindings/{id}",
    VirtualHosts = "/v1/vhosts",
    VirtualHost = "/v1/vhosts/{vhost}",
    Policies = "/v1/policies",
    Policy = "/v1/policies/{policy}",
    OperatorPolicies = "/v1/operator-policies",
    OperatorPolicy = "/v1/operator-policies/{policy}",
    Definitions = "/v1/definitions",
    Groups = "/v1/groups",
    Group = "/v1/groups/{group}",
    GroupReceive = "/v1/groups/{group}/receive",
    GroupCommit = "/v1/groups/{group}/commit",
    GroupAck = "/v1/groups/{group}/ack",
    GroupOffsets = "/v1/groups/{group}/offsets",
    GroupReset = "/v1/groups/{group}/reset",
    GroupMember = "/v1/groups/{group}/members/{member}",
    GroupMemberPause = "/v1/groups/{group}/members/{member}/pause",
    GroupMemberResume = "/v1/groups/{group}/members/{member}/resume",
    Transactions = "/v1/transactions",
    Transaction = "/v1/transactions/{id}",
    TransactionOffsets = "/v1/transactions/{id}/offsets",
    TransactionCommit = "/v1/transactions/{id}/commit",
    TransactionAbort = "/v1/transactions/{id}/abort",
    Users = "/v1/users",
    User = "/v1/users/{user}",
    ApiKeys = "/v1/users/{user}/keys",
    ApiKey = "/v1/users/{user}/keys/{id}",
    Me = "/v1/me",
    Tickets = "/v1/tickets",
    Rules = "/v1/acls",
    Rule = "/v1/acls/{rule}",
    Quotas = "/v1/quotas",
    Quota = "/v1/quotas/{quota}",
    Replays = "/v1/replays",
    Replay = "/v1/replays/{id}",
    ReplayCancel = "/v1/replays/{id}/cancel",
    WebSocket = "/v1/ws",
}

/// The route of a path; [`Route::Other`] when there is none.
#[must_use]
pub fn route(path: &str) -> Route {
    let Some(rest) = path.strip_prefix("/v1/") else {
        return match path {
            "/" => Route::Console,
            _ if path.starts_with("/console") => Route::Console,
            "/openapi.json" => Route::OpenApi,
            "/livez" => Route::Live,
            "/readyz" => Route::Ready,
            "/metrics" => Route::Metrics,
            "/metrics/per-object" => Route::MetricsPerObject,
            _ if path == "/api" || path.starts_with("/api/") => Route::Management,
            _ if path == "/docs" || path.starts_with("/docs/") => Route::Docs,
            _ => Route::Other,
        };
    };
    let mut segments = rest.split('/');
    let mut next = || segments.next();
    let path = (next(), next(), next(), next(), next(), next());
    let (Some(kind), first, second, third, fourth, None) = path else { return Route::Other };
    match (kind, first, second, third, fourth) {
        ("topics", None, ..) => Route::Topics,
        ("topics", Some(_), None, ..) => Route::Topic,
        ("topics", Some(_), Some(part), None, _) => match part {
            "settings" => Route::TopicSettings,
            "messages" => Route::Messages,
            "receive" => Route::Receive,
            "events" => Route::Events,
            "redrive" => Route::Redrive,
            _ => Route::Other,
        },
        ("topics", Some(_), Some("messages"), Some(_), None) => Route::Message,
        ("topics", Some(_), Some("messages"), Some(_), Some("move")) => Route::MessageMove,
        ("topics", Some(_), Some("partitions"), Some(_), Some("records")) => Route::Records,
        ("settle", None, ..) => Route::Settle,
        ("ws", None, ..) => Route::WebSocket,
        ("exchanges", None, ..) => Route::Exchanges,
        ("exchanges", Some(_), None, ..) => Route::Exchange,
        ("exchanges", Some(_), Some("messages"), None, _) => Route::ExchangeMessages,
        ("bindings", None, ..) => Route::Bindings,
        ("bindings", Some(_), None, ..) => Route::Binding,
        ("vhosts", None, ..) => Route::VirtualHosts,
        ("vhosts", Some(_), None, ..) => Route::VirtualHost,
        ("policies", None, ..) => Route::Policies,
        ("policies", Some(_), None, ..) => Route::Policy,
        ("operator-policies", None, ..) => Route::OperatorPolicies,
        ("operator-policies", Some(_), None, ..) => Route::OperatorPolicy,
        ("definitions", None, ..) => Route::Definitions,
        ("groups", None, ..) => Route::Groups,
        ("groups", Some(_), None, ..) => Route::Group,
        ("groups", Some(_), Some(part), None, _) => match part {
            "receive" => Route::GroupReceive,
            "commit" => Route::GroupCommit,
            "ack" => Route::GroupAck,
            "offsets" => Route::GroupOffsets,
            "reset" => Route::GroupReset,
            _ => Route::Other,
        },
        ("groups", Some(_), Some("members"), Some(_), None) => Route::GroupMember,
        ("groups", Some(_), Some("members"), Some(_), Some("pause")) => Route::GroupMemberPause,
        ("groups", Some(_), Some("members"), Some(_), Some("resume")) => Route::GroupMemberResume,
        ("transactions", None, ..) => Route::Transactions,
        ("transactions", Some(_), None, ..) => Route::Transaction,
        ("transactions", Some(_), Some(part), None, _) => match part {
            "offsets" => Route::TransactionOffsets,
            "commit" => Route::TransactionCommit,
            "abort" => Route::TransactionAbort,
            _ => Route::Other,
        },
        ("users", None, ..) => Route::Users,
        ("users", Some(_), None, ..) => Route::User,
        ("users", Some(_), Some("keys"), None, _) => Route::ApiKeys,
        ("users", Some(_), Some("keys"), Some(_), None) => Route::ApiKey,
        ("me", None, ..) => Route::Me,
        ("tickets", None, ..) => Route::Tickets,
        ("acls", None, ..) => Route::Rules,
        ("acls", Some(_), None, ..) => Route::Rule,
        ("quotas", None, ..) => Route::Quotas,
        ("quotas", Some(_), None, ..) => Route::Quota,
        ("replays", None, ..) => Route::Replays,
        ("replays", Some(_), None, ..) => Route::Replay,
        ("replays", Some(_), Some("cancel"), None, _) => Route::ReplayCancel,
        _ => Route::Other,
    }
}

/// Methods that are counted apart; all others are `other`.
pub const METHODS: [&str; 8] = ["other", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The place of a method in [`METHODS`].
#[must_use]
pub fn method(method: &Method) -> usize {
    match *method {
        Method::GET => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::HEAD => 6,
        Method::OPTIONS => 7,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_label() {
        for &expected in Route::ALL {
            assert_eq!(route(expected.label()), expected);
        }
    }

    #[test]
    fn what_nobody_serves_is_other() {
        for path in
            ["", "/v1", "/v1/", "/v2/topics", "/v1/topics/a/b/c/d/e", "/v1/topics/a/nothing", "/docsx"]
        {
            assert_eq!(route(path), Route::Other, "{path}");
        }
    }
}
