use blackbox::{Server, values};
use hyper::Method;
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_repeated_request_has_one_effect_even_across_a_kill() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    http.make_log("log", 1).await;
    let body = |value: &str| json!({"messages": [{"value": value}]}).to_string();
    let mut first = Vec::new();
    for topic in ["queue", "log"] {
        let path = format!("/v1/topics/{topic}/messages");
        let headers = [JSON, ("idempotency-key", "order-17")];
        let answer = http.send(Method::POST, &path, &headers, body(topic).into()).await;
        first.push(answer.expect(200));
        let again = http.send(Method::POST, &path, &headers, body(topic).into()).await;
        assert_eq!(again.expect(200)["results"], first.last().expect("one")["results"]);
    }
    server.crash();
    let http = server.http();
    for (topic, first) in ["queue", "log"].iter().zip(&first) {
        let path = format!("/v1/topics/{topic}/messages");
        let headers = [JSON, ("idempotency-key", "order-17")];
        let again = http.send(Method::POST, &path, &headers, body(topic).into()).await;
        assert_eq!(again.expect(200)["results"], first["results"], "{topic}");
    }
    assert_eq!(values(&http.drain_queue("queue").await), ["queue"]);
    assert_eq!(http.records("log", 0, "offset=0").await["high_watermark"], 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let path = format!("/v1/topics/{queue}/messages");
    let key = server.name("key");
    let headers = [JSON, ("idempotency-key", key.as_str())];
    http.send(Method::POST, &path, &headers, "{\"messages\":[{\"value\":1}]}".into()).await.expect(200);
    let other = http.send(Method::POST, &path, &headers, "{\"messages\":[{\"value\":2}]}".into()).await;
    other.refused(422, "idempotency_mismatch");
    let long = "k".repeat(300);
    let headers = [JSON, ("idempotency-key", long.as_str())];
    let refused = http.send(Method::POST, &path, &headers, "{\"messages\":[{\"value\":1}]}".into()).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(values(&http.drain_queue(&queue).await), ["1"]);
}

#[tokio::test]
async fn requests_at_the_same_time_with_one_key_publish_once() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let path = format!("/v1/topics/{queue}/messages");
    let key = server.name("key");
    let requests = (0..8).map(|_| {
        let (http, path, key) = (http.clone(), path.clone(), key.clone());
        tokio::spawn(async move {
            let headers = [JSON, ("idempotency-key", key.as_str())];
            http.send(Method::POST, &path, &headers, "{\"messages\":[{\"value\":1}]}".into()).await
        })
    });
    for request in requests.collect::<Vec<_>>() {
        let answer = request.await.expect("no panic");
        assert!(
            answer.status == 200 || answer.value()["code"] == "idempotency_in_flight",
            "{}",
            answer.text()
        );
    }
    assert_eq!(values(&http.drain_queue(&queue).await), ["1"]);
}
