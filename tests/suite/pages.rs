//! What browsers are told of the pages, and what pages of other origins can do.

use blackbox::http::Answer;
use blackbox::server::{Launch, Server};
use blackbox::socket::{JSON, Socket};
use bytes::Bytes;
use hyper::Method;
use serde_json::json;

const EVIL: &str = "https://evil.example";

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn pages_run_only_what_this_server_serves_and_stand_in_no_frame() {
    let server = Server::start();
    for path in ["/", "/console.js", "/console.css", "/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js"]
    {
        let answer = server.http().get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = header(&answer, "content-security-policy");
        let rules: Vec<&str> = policy.split(';').map(str::trim).collect();
        for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(rules.contains(&rule), "{path}: {rule} is not in {policy}");
        }
        assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&answer, "referrer-policy"), "no-referrer", "{path}");
    }
    // Nothing that somebody else wrote comes back as a page.
    server.http().put("/v1/topics/t", json!({"model": "queue", "queue": {}})).await.expect(201);
    let html = [("content-type", "text/html")];
    let script = "<script>alert(1)</script>";
    server.http().send(Method::POST, "/v1/topics/t/messages", &html, script.into()).await.expect(200);
    for path in ["/v1/topics/t/messages", "/v1/topics/%3Cscript%3E", "/nothing/%3Cscript%3E", "/v1/topics"] {
        let answer = server.http().get(path).await;
        let kind = header(&answer, "content-type");
        assert!(kind.starts_with("application/"), "{path}: {kind}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_takes_no_messages() {
    let server = Server::start();
    server.http().put("/v1/topics/t", json!({"model": "queue", "queue": {}})).await.expect(201);
    server.http().post("/v1/topics/t/messages", json!({"messages": [{"value": "x"}]})).await.expect(200);
    let path = "/v1/topics/t/events";
    for said in [
        ("origin", EVIL),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let refused = server.http().send(Method::GET, path, &[said], Bytes::new()).await;
        assert_eq!(
            (refused.status, refused.value()["code"].clone()),
            (403, json!("origin_not_allowed")),
            "{said:?}"
        );
    }
    // Reading what stays where it is does no harm: browsers do not show the answer to such a page.
    let read = server.http().send(Method::GET, "/v1/topics/t", &[("origin", EVIL)], Bytes::new()).await;
    assert_eq!((read.status, header(&read, "access-control-allow-origin")), (200, ""));
    let taken = server.http().post("/v1/topics/t/receive", json!({"max": 1})).await.expect(200);
    assert_eq!(taken["messages"].as_array().map(Vec::len), Some(1), "nobody took it");
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_through_any_part_of_the_door() {
    let server = Server::start();
    let plain = [("origin", EVIL), ("content-type", "text/plain")];
    for (method, path, body) in [
        (Method::POST, "/v1/tickets", ""),
        (Method::POST, "/v1/topics/t/messages", "x"),
        (Method::PUT, "/v1/users/mallory", r#"{"password": "x", "admin": true}"#),
    ] {
        let refused = server.http().send(method, path, &plain, body.into()).await;
        assert_eq!(
            (refused.status, refused.value()["code"].clone()),
            (403, json!("origin_not_allowed")),
            "{path}"
        );
    }
    let guest = [("origin", EVIL), ("authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")];
    let refused = server.http().send(Method::PUT, "/api/vhosts/evil", &guest, "{}".into()).await;
    assert!((400..500).contains(&refused.status), "{}", refused.text());
    // Browsers ask before they send anything else; nobody is told that they may.
    let ask = [("origin", EVIL), ("access-control-request-method", "PUT")];
    let answer = server.http().send(Method::OPTIONS, "/v1/topics/t", &ask, Bytes::new()).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), "");
    for origin in [EVIL, "null"] {
        let refused = Socket::try_open(server.address(), JSON, &[("origin", origin)]).await;
        assert_eq!(refused.err().as_deref(), Some("status 403"), "{origin}");
    }
}

#[tokio::test]
async fn an_origin_that_is_allowed_may_call_without_what_the_browser_knows_of_the_user() {
    let config = format!("[http]\ncors_origins = [{EVIL:?}]\n[ws]\nallowed_origins = [{EVIL:?}]\n");
    let server = Server::launch(Launch::with_config(&config));
    let json = [("origin", EVIL), ("content-type", "application/json")];
    let body = json!({"model": "queue", "queue": {}}).to_string();
    let made = server.http().send(Method::PUT, "/v1/topics/t", &json, body.into()).await;
    assert_eq!((made.status, header(&made, "access-control-allow-origin")), (201, EVIL));
    assert_eq!(header(&made, "access-control-allow-credentials"), "");
    Socket::try_open(server.address(), JSON, &[("origin", EVIL)]).await.unwrap();
}
