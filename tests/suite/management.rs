//! RabbitMQ's management API towards those who are not its tools; those are in `tests/amqp`.

use blackbox::{Answer, Server};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

const GUEST: (&str, &str) = ("authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=");

async fn ask(server: &Server, method: &str, path: &str, body: Option<Vec<u8>>) -> Answer {
    let headers = [GUEST, ("content-type", "application/json")];
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    server.http().send(method, path, &headers, body.unwrap_or_default().into()).await
}

fn reason(answer: &Answer, status: u16, error: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let told: Value = answer.value();
    assert_eq!(told["error"], error, "{told}");
    told["reason"].to_string()
}

#[tokio::test]
async fn who_does_not_say_who_they_are_is_asked() {
    let server = Server::shared();
    for path in ["/api/overview", "/api/nothing"] {
        let answer = server.http().send(Method::GET, path, &[], Bytes::new()).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").starts_with("Basic "));
        let wrong = [("authorization", "Basic Z3Vlc3Q6eA==")];
        let answer = server.http().send(Method::GET, path, &wrong, Bytes::new()).await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(ask(server, "GET", "/api/whoami/", None).await.expect(200)["name"], "guest");
}

#[tokio::test]
async fn bad_requests_are_told_why_and_change_nothing() {
    let server = Server::shared();
    reason(&ask(server, "GET", "/api/nothing", None).await, 404, "Object Not Found");
    assert_eq!(ask(server, "PATCH", "/api/queues", None).await.status, 405);
    let name = server.name("management");
    let queue = format!("/api/queues/%2F/{name}");
    let put = |body: Value| ask(server, "PUT", &queue, Some(body.to_string().into_bytes()));
    for (body, why) in [
        (json!({"durable": 5}), "not_boolean"),
        (json!({"arguments": 5}), "arguments is an object"),
        (json!({"arguments": {"x-max-length": -1}}), "x-max-length"),
        (json!({"arguments": {"": 1}}), "name"),
        (json!({"arguments": {"x-queue-type": "none"}}), "x-queue-type"),
        (json!({"arguments": (0..100).fold(json!({}), |inner, _| json!({"deep": inner}))}), "deep"),
        (json!([1]), "not_json"),
    ] {
        let told = reason(&put(body.clone()).await, 400, "bad_request");
        assert!(told.contains(why), "{body}: {told}");
    }
    reason(&ask(server, "PUT", &queue, Some(b"\xff{".to_vec())).await, 400, "bad_request");
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    reason(&ask(server, "PUT", &queue, Some(deep)).await, 400, "bad_request");
    let long = format!("/api/queues/%2F/{}", "x".repeat(256));
    reason(&ask(server, "PUT", &long, Some(b"{}".to_vec())).await, 400, "bad_request");
    reason(&ask(server, "GET", &queue, None).await, 404, "Object Not Found");

    let binding = format!("/api/bindings/%2F/e/amq.topic/q/{name}");
    assert_eq!(put(json!({})).await.status, 201);
    let key = json!({"routing_key": "k".repeat(256)}).to_string().into_bytes();
    reason(&ask(server, "POST", &binding, Some(key)).await, 400, "bad_request");
    let publish = json!({"properties": {"headers": {"h": "x".repeat(70_000)}}, "routing_key": name,
        "payload": "", "payload_encoding": "string"});
    let exchange = "/api/exchanges/%2F/amq.default/publish";
    let told = ask(server, "POST", exchange, Some(publish.to_string().into_bytes())).await;
    assert!(reason(&told, 400, "bad_request").contains("headers"));
    let publish =
        json!({"properties": [], "routing_key": name, "payload": "%", "payload_encoding": "base64"});
    let told = ask(server, "POST", exchange, Some(publish.to_string().into_bytes())).await;
    assert!(reason(&told, 400, "bad_request").contains("base64"));
    assert_eq!(ask(server, "GET", &queue, None).await.expect(200)["messages"], 0);
    // What cannot be kept is refused before the rest is taken.
    let other = server.name("management-other");
    let definitions = json!({
        "users": [{"name": "somebody", "password_hash": "%", "tags": []}],
        "queues": [{"name": other, "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}],
    });
    let import = ask(server, "POST", "/api/definitions", Some(definitions.to_string().into_bytes())).await;
    assert!(reason(&import, 400, "bad_request").contains("not_base64"));
    reason(&ask(server, "GET", &format!("/api/queues/%2F/{other}"), None).await, 404, "Object Not Found");
    assert_eq!(ask(server, "DELETE", &queue, None).await.status, 204);
}

#[tokio::test]
async fn a_log_is_listed_as_a_stream() {
    let server = Server::shared();
    let name = server.name("management-log");
    let config = json!({"retention.bytes": "1000000"});
    let log = json!({"model": "log", "log": {"partitions": 1, "config": config}});
    server.http().put(&format!("/v1/topics/{name}"), log).await.expect(201);
    server.http().publish(&name, json!([{"value": "a"}, {"value": "b"}])).await;
    let stream = ask(server, "GET", &format!("/api/queues/%2F/{name}"), None).await.expect(200);
    assert_eq!((&stream["type"], &stream["messages"]), (&json!("stream"), &json!(2)), "{stream}");
    assert_eq!(stream["arguments"], json!({"x-queue-type": "stream", "x-max-length-bytes": 1_000_000}));
    let get = json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}).to_string();
    let path = format!("/api/queues/%2F/{name}/get");
    let told = ask(server, "POST", &path, Some(get.into_bytes())).await;
    assert!(reason(&told, 400, "bad_request").contains("not supported by stream queues"));
}

#[tokio::test]
async fn exchanges_count_what_is_published_to_them() {
    let server = Server::shared();
    let (exchange, queue) = (server.name("management-counted"), server.name("management-counting"));
    let put = |path: String, body: Value| async move {
        assert_eq!(ask(server, "PUT", &path, Some(body.to_string().into_bytes())).await.status, 201);
    };
    put(format!("/api/exchanges/%2F/{exchange}"), json!({"type": "fanout"})).await;
    put(format!("/api/queues/%2F/{queue}"), json!({})).await;
    let path = format!("/api/exchanges/%2F/{exchange}");
    let stats = async || ask(server, "GET", &path, None).await.expect(200)["message_stats"].clone();
    assert_eq!(stats().await, Value::Null, "nothing was published");
    let publish = async || {
        let body = json!({"properties": {}, "routing_key": "", "payload": "x", "payload_encoding": "string"});
        let told = ask(server, "POST", &format!("{path}/publish"), Some(body.to_string().into_bytes())).await;
        told.expect(200)
    };
    publish().await;
    let binding = format!("/api/bindings/%2F/e/{exchange}/q/{queue}");
    assert_eq!(ask(server, "POST", &binding, Some(b"{}".to_vec())).await.status, 201);
    publish().await;
    let counted = stats().await;
    assert_eq!((&counted["publish_in"], &counted["publish_out"]), (&json!(2), &json!(1)), "{counted}");
    for name in ["publish_in_details", "publish_out_details"] {
        assert!(counted[name]["rate"].is_number(), "{counted}");
    }
    for list in ["/api/exchanges", "/api/exchanges/%2F"] {
        let all = ask(server, "GET", list, None).await.expect(200);
        let found = all.as_array().unwrap().iter().find(|one| one["name"] == exchange.as_str()).unwrap();
        assert_eq!(found["message_stats"]["publish_in"], 2, "{found}");
    }
    let definitions = ask(server, "GET", "/api/definitions", None).await.expect(200);
    let is_ours = |one: &&Value| one["name"] == exchange.as_str();
    let kept = definitions["exchanges"].as_array().unwrap().iter().find(is_ours).unwrap();
    assert_eq!(kept.get("message_stats"), None, "definitions are what can be made anew");
    for path in [path.clone(), format!("/api/queues/%2F/{queue}")] {
        assert_eq!(ask(server, "DELETE", &path, None).await.status, 204);
    }
}
