use utoipa::OpenApi as _;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, ServerBuilder, tag::TagBuilder};
use utoipa_axum::router::OpenApiRouter;

use super::{api, operations};

const ABOUT: &str = "\
A broker in which every topic is a queue or a log.

A **queue** leases messages to consumers, who settle them one by one; a **log** keeps records, which consumers read by \
offset. Errors are problem documents (RFC 9457) with a stable `code`; lists page by an opaque cursor. What one door \
publishes, every other door can consume: WebSockets are described in `openapi/asyncapi.yaml`.";

const TAGS: [(&str, &str); 11] = [
    ("topics", "Queues and logs: made, read, changed, deleted"),
    ("messages", "Publishing, receiving, settling, reading, looking"),
    ("groups", "Consumer groups of logs: members, offsets, lag"),
    ("transactions", "Messages on several topics, offsets and settlements, all or nothing"),
    ("exchanges", "Exchanges, and bindings from them to queues, logs and other exchanges"),
    ("vhosts", "Virtual hosts: name spaces of queues and exchanges"),
    ("policies", "Settings for every queue and exchange whose name matches"),
    ("definitions", "Everything that is made, but for what it holds: out and in again"),
    ("security", "Users, API keys and permission rules"),
    ("jobs", "Replays of logs and redrives of dead letters"),
    ("operations", "Health, metrics, this description"),
];

/// The description of all endpoints.
#[must_use]
pub fn specification() -> OpenApi {
    let mut api = api::endpoints(OpenApiRouter::with_openapi(api::Description::openapi())).into_openapi();
    api.merge(operations::endpoints(OpenApiRouter::new()).into_openapi());
    api.info = InfoBuilder::new()
        .title("Sluice")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    api.servers = Some(vec![ServerBuilder::new().url("/").description(Some("This server")).build()]);
    let tag = |(name, about)| TagBuilder::new().name(name).description(Some(about)).build();
    // Only where users are configured: an empty requirement says that a login may be left out.
    let schemes = [
        ("basic", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Basic).build())),
        ("bearer", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build())),
    ];
    let components = api.components.get_or_insert_with(Default::default);
    for (name, scheme) in schemes {
        components.add_security_scheme(name, scheme);
    }
    let none: [&str; 0] = [];
    api.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new("basic", none),
        SecurityRequirement::new("bearer", none),
    ]);
    api.tags = Some(TAGS.into_iter().map(tag).collect());
    api
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::route::{Route, route};

    #[test]
    fn every_described_path_is_counted_as_a_route_of_its_own_and_there_are_no_others() {
        let api = specification();
        for path in api.paths.paths.keys() {
            let found = route(path);
            assert_ne!(found, Route::Other, "{path} has no route to be counted by");
            assert_eq!(found.label(), path, "{path}");
        }
        let apart = [Route::Other, Route::Console, Route::Docs, Route::Management, Route::WebSocket];
        for route in Route::ALL.iter().filter(|route| !apart.contains(route)) {
            assert!(
                api.paths.paths.contains_key(route.label()),
                "{} is counted but not described",
                route.label()
            );
        }
    }

    #[test]
    fn every_tag_is_explained() {
        let api = serde_json::to_value(specification()).unwrap();
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let tag = operation["tags"][0].as_str().unwrap_or_default();
                assert!(TAGS.iter().any(|(name, _)| *name == tag), "{method} {path}: tag {tag:?}");
                assert!(operation["operationId"].is_string(), "{method} {path} has no operationId");
            }
        }
    }
}
