//! Quotas as they are seen through every door: what is refused or held up, never for how long.

use blackbox::deadline::until;
use blackbox::http::{Answer, Http};
use blackbox::server::Server;
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

/// Everybody who comes from here.
pub fn here() -> Value {
    json!({"address": "127.0.0.1"})
}

pub async fn limit(http: &Http, entity: Value, limits: Value) -> String {
    let set = http.put("/v1/quotas", json!({"entity": entity, "limits": limits})).await;
    assert!([200, 201].contains(&set.status), "{}", set.text());
    set.value()["id"].as_str().unwrap().to_owned()
}

pub async fn lift(http: &Http, id: &str) {
    http.delete(&format!("/v1/quotas/{id}")).await.expect(204);
}

/// Asserts that an answer says which quota is used up and when to try again.
fn assert_used_up(answer: &Answer, quota: &str) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let problem = answer.value();
    assert_eq!(problem["code"], "quota_exceeded");
    assert!(problem["detail"].as_str().unwrap().contains(&format!("`{quota}`")), "{problem}");
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds >= 1);
}

/// How often a quota held somebody up, as the metrics tell.
pub async fn throttled(http: &Http, door: &str, quota: &str) -> u64 {
    let text = http.get("/metrics").await.text();
    let name = format!("sluice_quota_throttled_total{{door=\"{door}\",quota=\"{quota}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

pub async fn until_throttled(http: &Http, door: &str, quota: &str) {
    until("the quota holds it up", || async { (throttled(http, door, quota).await > 0).then_some(()) }).await;
}

#[tokio::test]
async fn quotas_are_set_read_listed_and_deleted_and_survive_kill_9() {
    let mut server = Server::start();
    let http = server.http();
    let body =
        json!({"entity": {"user": "alice", "client_id": "*"}, "limits": {"produce_bytes_per_s": 1000.0}});
    let made = http.put("/v1/quotas", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.value()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.headers["location"], format!("/v1/quotas/{id}"));
    let again = http
        .put("/v1/quotas", json!({"entity": body["entity"], "limits": {"connections": 0, "topics": 7}}))
        .await;
    assert_eq!((again.status, again.value()["id"].as_str()), (200, Some(id.as_str())));
    for address in ["::1", "10.0.0.1", "*"] {
        limit(&http, json!({"address": address}), json!({"requests_per_s": 1_000_000})).await;
    }
    server.crash();
    let http = server.http();
    let one = http.get(&format!("/v1/quotas/{id}")).await.expect(200);
    assert_eq!(one, json!({"id": id, "entity": body["entity"], "limits": {"connections": 0, "topics": 7}}));
    let first = http.get("/v1/quotas?limit=3").await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = http.get(&format!("/v1/quotas?limit=3&cursor={cursor}")).await.expect(200);
    let count = |page: &Value| page["quotas"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second), second.get("next_cursor")), (3, 1, None));
    lift(&http, &id).await;
    for gone in [http.get(&format!("/v1/quotas/{id}")).await, http.delete(&format!("/v1/quotas/{id}")).await]
    {
        assert_eq!((gone.status, gone.value()["code"].clone()), (404, json!("unknown_quota")));
    }
}

#[tokio::test]
async fn what_is_no_quota_is_refused_with_its_place() {
    let http = Server::shared().http();
    let limits = json!({"topics": 1});
    for (entity, limits, field) in [
        (json!({}), limits.clone(), "/entity"),
        (json!({"user": ""}), limits.clone(), "/entity/user"),
        (json!({"user": null}), limits.clone(), "/entity/user"),
        (json!({"user": "a", "address": "10.0.0.1"}), limits.clone(), "/entity/address"),
        (json!({"address": "localhost"}), limits.clone(), "/entity/address"),
        (json!({"group": "a"}), limits.clone(), "/entity/group"),
        (json!({"user": "a"}), json!({}), "/limits"),
        (json!({"user": "a"}), json!({"topics": null}), "/limits/topics"),
        (json!({"user": "a"}), json!({"topics": -1}), "/limits/topics"),
        (json!({"user": "a"}), json!({"requests_per_s": 0}), "/limits/requests_per_s"),
        (json!({"user": "a"}), json!({"requests_per_s": 1.5}), "/limits/requests_per_s"),
    ] {
        let refused = http.put("/v1/quotas", json!({"entity": entity, "limits": limits})).await;
        assert_eq!(
            (refused.status, refused.value()["field"].clone()),
            (400, json!(field)),
            "{}",
            refused.text()
        );
    }
    assert_eq!(http.put("/v1/quotas", json!({"entity": {"user": "a"}})).await.value()["field"], "/limits");
}

#[tokio::test]
async fn publishing_over_the_quota_is_refused_until_it_changes() {
    let server = Server::start();
    let http = server.http();
    http.make_queue("orders", json!({})).await;
    let id = limit(&http, here(), json!({"produce_bytes_per_s": 100})).await;
    let publish = || http.post_as("/v1/topics/orders/messages", "text/plain", vec![b'x'; 5000]);
    publish().await.expect(200);
    assert_used_up(&publish().await, "produce_bytes_per_s");
    // Reading is another matter, and so is a user with a quota of their own beside the address.
    assert_eq!(http.receive("orders", 10).await.len(), 1);
    limit(&http, here(), json!({"produce_bytes_per_s": 1_000_000_000})).await;
    publish().await.expect(200);
    lift(&http, &id).await;
    publish().await.expect(200);
    assert!(throttled(&http, "http", "produce_bytes_per_s").await >= 1);
}

#[tokio::test]
async fn reading_over_the_quota_is_refused_whatever_way_it_goes() {
    let server = Server::start();
    let http = server.http();
    http.make_queue("orders", json!({})).await;
    http.make_log("events", 1).await;
    let large = json!({"messages": [{"value": "x".repeat(5000)}]});
    for topic in ["orders", "events"] {
        http.post(&format!("/v1/topics/{topic}/messages"), large.clone()).await.expect(200);
    }
    let id = limit(&http, here(), json!({"consume_bytes_per_s": 10})).await;
    http.get("/v1/topics/orders/messages").await.expect(200);
    let group = json!({"topics": ["events"]});
    for answer in [
        http.get("/v1/topics/orders/messages").await,
        http.get("/v1/topics/orders/messages/1").await,
        http.post("/v1/topics/orders/receive", json!({})).await,
        http.get("/v1/topics/events/partitions/0/records").await,
        http.get("/v1/topics/events/events?offset=earliest").await,
        http.post("/v1/groups/readers/receive", group).await,
    ] {
        assert_used_up(&answer, "consume_bytes_per_s");
    }
    lift(&http, &id).await;
    assert_eq!(http.receive("orders", 10).await.len(), 1);
}

#[tokio::test]
async fn requests_over_the_quota_are_refused_and_quotas_can_still_be_changed() {
    let server = Server::start();
    let http = server.http();
    let id = limit(&http, json!({"user": "*"}), json!({"requests_per_s": 1})).await;
    let refused = until("the second request", || async {
        let answer = http.get("/v1/topics").await;
        (answer.status != 200).then_some(answer)
    });
    assert_used_up(&refused.await, "requests_per_s");
    lift(&http, &id).await;
    for _ in 0..20 {
        http.get("/v1/topics").await.expect(200);
    }
}

#[tokio::test]
async fn a_stream_of_lines_is_held_up_rather_than_refused() {
    let server = Server::start();
    let http = server.http();
    http.make_log("events", 1).await;
    let id = limit(&http, here(), json!({"produce_bytes_per_s": 1})).await;
    let headers = [("content-type", "application/x-ndjson")];
    let (lines, answer) = http.duplex(Method::POST, "/v1/topics/events/messages", &headers).await;
    let line = format!("{{\"value\":{:?}}}\n", "x".repeat(100_000));
    lines.send(Bytes::from(line.clone())).await.expect("the request is open");
    let mut answer = answer.await;
    lines.send(Bytes::from(line)).await.expect("the request is open");
    assert!(answer.line().await.is_some_and(|line| line.contains("offset")));
    until_throttled(&http, "http", "produce_bytes_per_s").await;
    lines.send(Bytes::from_static(b"{\"value\":\"last\"}\n")).await.expect("the request is open");
    drop(lines);
    lift(&http, &id).await;
    let mut reports = 1;
    while let Some(line) = answer.line().await {
        assert!(line.contains("offset"), "{line}");
        reports += 1;
    }
    assert_eq!(reports, 3, "nothing was lost");
}

#[tokio::test]
async fn an_event_stream_is_paced() {
    let server = Server::start();
    let http = server.http();
    http.make_log("events", 1).await;
    let messages = json!({"messages": [{"value": "x".repeat(100_000)}, {"value": "last"}]});
    http.post("/v1/topics/events/messages", messages).await.expect(200);
    let id = limit(&http, here(), json!({"consume_bytes_per_s": 1})).await;
    let mut stream =
        http.open(Method::GET, "/v1/topics/events/events?offset=earliest", &[], Bytes::new()).await;
    assert_eq!(stream.status, 200);
    until_throttled(&http, "http", "consume_bytes_per_s").await;
    lift(&http, &id).await;
    loop {
        let line = stream.line().await.expect("the stream goes on");
        if line.contains("last") {
            break;
        }
    }
}

#[tokio::test]
async fn topics_are_counted_for_whoever_made_them_over_kill_9() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("before", json!({})).await;
    limit(&http, here(), json!({"topics": 2})).await;
    http.make_log("second", 1).await;
    let make = |http: Http, name: &'static str| async move {
        http.put(&format!("/v1/topics/{name}"), json!({"model": "queue", "queue": {}})).await
    };
    assert_used_up(&make(http.clone(), "third").await, "topics");
    make(http.clone(), "before").await.expect(200);
    server.crash();
    let http = server.http();
    assert_used_up(&make(http.clone(), "third").await, "topics");
    http.delete("/v1/topics/second").await.expect(204);
    make(http.clone(), "third").await.expect(201);
    assert_used_up(&make(http.clone(), "fourth").await, "topics");
    server.crash();
    assert_used_up(&make(server.http(), "fourth").await, "topics");
}

#[tokio::test]
async fn connections_are_counted_over_those_that_are_open() {
    let server = Server::start();
    let holder = server.http();
    holder.make_log("events", 1).await;
    let stream = holder.open(Method::GET, "/v1/topics/events/events", &[], Bytes::new()).await;
    assert_eq!(stream.status, 200);
    let id = limit(&server.http(), here(), json!({"connections": 1})).await;
    assert_used_up(&server.http().get("/v1/topics").await, "connections");
    drop(stream);
    drop(holder);
    until("the place is free", || async {
        (server.http().get("/v1/topics").await.status == 200).then_some(())
    })
    .await;
    lift(&server.http(), &id).await;
}
