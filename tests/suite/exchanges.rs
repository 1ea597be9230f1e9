use blackbox::{Http, Server, values};
use serde_json::{Value, json};

async fn exchange(http: &Http, name: &str, kind: &str) {
    http.put(&format!("/v1/exchanges/{name}"), json!({"type": kind})).await.expect(201);
}

async fn bind(http: &Http, source: &str, destination: &str, key: &str, arguments: Value) -> Value {
    let binding = json!({"source": source, "destination": destination, "destination_type": "queue",
        "routing_key": key, "arguments": arguments});
    http.post("/v1/bindings", binding).await.expect(201)
}

async fn route(http: &Http, exchange: &str, key: &str, message: Value) -> Value {
    let path = format!("/v1/exchanges/{exchange}/messages?routing_key={key}");
    let answer = http.post(&path, json!({"messages": [message]})).await.expect(200);
    answer["results"][0].clone()
}

#[tokio::test]
async fn direct_takes_the_key_literally() {
    let server = Server::shared();
    let http = server.http();
    let (x, a, b) = (server.name("direct"), server.name("a"), server.name("b"));
    exchange(&http, &x, "direct").await;
    http.make_queue(&a, json!({})).await;
    http.make_queue(&b, json!({})).await;
    bind(&http, &x, &a, "red", json!({})).await;
    bind(&http, &x, &b, "blue", json!({})).await;
    assert_eq!(route(&http, &x, "red", json!({"value": 1})).await["queues"], 1);
    assert_eq!(route(&http, &x, "green", json!({"value": 2})).await["queues"], 0);
    assert_eq!(values(&http.receive(&a, 9).await), ["1"]);
    assert!(http.receive(&b, 9).await.is_empty());
}

#[tokio::test]
async fn topic_patterns_match_words() {
    let server = Server::shared();
    let http = server.http();
    let x = server.name("topic");
    exchange(&http, &x, "topic").await;
    let patterns = ["#", "*.critical", "eu.#", "eu.*.low"];
    let mut queues = Vec::new();
    for pattern in patterns {
        let queue = server.name("pattern");
        http.make_queue(&queue, json!({})).await;
        bind(&http, &x, &queue, pattern, json!({})).await;
        queues.push(queue);
    }
    for key in ["eu.critical", "us.critical", "eu", "eu.db.low", "us.db.low"] {
        route(&http, &x, key, json!({"value": key})).await;
    }
    let expected: [&[&str]; 4] = [
        &["eu.critical", "us.critical", "eu", "eu.db.low", "us.db.low"],
        &["eu.critical", "us.critical"],
        &["eu.critical", "eu", "eu.db.low"],
        &["eu.db.low"],
    ];
    for (queue, expected) in queues.iter().zip(expected) {
        assert_eq!(values(&http.drain_queue(queue).await), expected);
    }
}

#[tokio::test]
async fn fanout_reaches_every_queue_once_and_headers_match_all_or_any() {
    let server = Server::shared();
    let http = server.http();
    let (fan, head) = (server.name("fanout"), server.name("headers"));
    exchange(&http, &fan, "fanout").await;
    exchange(&http, &head, "headers").await;
    let (a, b) = (server.name("a"), server.name("b"));
    http.make_queue(&a, json!({})).await;
    http.make_queue(&b, json!({})).await;
    for key in ["", "again"] {
        bind(&http, &fan, &a, key, json!({})).await;
    }
    bind(&http, &fan, &b, "", json!({})).await;
    assert_eq!(route(&http, &fan, "", json!({"value": "all"})).await["queues"], 2);
    assert_eq!(values(&http.drain_queue(&a).await), ["all"], "two bindings are still one copy");
    assert_eq!(values(&http.drain_queue(&b).await), ["all"]);

    bind(&http, &head, &a, "", json!({"x-match": "all", "kind": "report", "lang": "de"})).await;
    bind(&http, &head, &b, "", json!({"x-match": "any", "kind": "report", "lang": "de"})).await;
    route(&http, &head, "", json!({"value": 1, "headers": {"kind": "report", "lang": "fr"}})).await;
    route(&http, &head, "", json!({"value": 2, "headers": {"kind": "report", "lang": "de"}})).await;
    route(&http, &head, "", json!({"value": 3, "headers": {"other": "x"}})).await;
    assert_eq!(values(&http.drain_queue(&a).await), ["2"]);
    assert_eq!(values(&http.drain_queue(&b).await), ["1", "2"]);
}

#[tokio::test]
async fn exchanges_feed_exchanges_and_logs() {
    let server = Server::shared();
    let http = server.http();
    let (outer, inner) = (server.name("outer"), server.name("inner"));
    let (queue, log) = (server.name("queue"), server.name("log"));
    exchange(&http, &outer, "fanout").await;
    exchange(&http, &inner, "direct").await;
    http.make_queue(&queue, json!({})).await;
    http.make_log(&log, 2).await;
    let to = |destination: &str, kind: &str, source: &str| json!({"source": source, "destination": destination, "destination_type": kind, "routing_key": "k"});
    http.post("/v1/bindings", to(&inner, "exchange", &outer)).await.expect(201);
    http.post("/v1/bindings", to(&log, "log", &outer)).await.expect(201);
    http.post("/v1/bindings", to(&queue, "queue", &inner)).await.expect(201);
    let result = route(&http, &outer, "k", json!({"key": "id-1", "value": {"n": 1}})).await;
    assert_eq!((&result["queues"], &result["logs"]), (&json!(1), &json!(1)));
    assert_eq!(http.receive(&queue, 1).await[0]["value"], json!({"n": 1}));
    let mut records = Vec::new();
    for partition in 0..2 {
        records.extend(blackbox::list(&http.records(&log, partition, "offset=earliest").await, "records"));
    }
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0]["value"], &records[0]["key"]), (&json!({"n": 1}), &json!("id-1")));
}

#[tokio::test]
async fn what_nothing_takes_goes_to_the_alternate_exchange() {
    let server = Server::shared();
    let http = server.http();
    let (main, other, queue) = (server.name("main"), server.name("alternate"), server.name("lost-and-found"));
    exchange(&http, &other, "fanout").await;
    http.put(&format!("/v1/exchanges/{main}"), json!({"type": "direct", "alternate_exchange": other}))
        .await
        .expect(201);
    http.make_queue(&queue, json!({})).await;
    bind(&http, &other, &queue, "", json!({})).await;
    route(&http, &main, "nobody", json!({"value": "stray"})).await;
    assert_eq!(values(&http.receive(&queue, 1).await), ["stray"]);
}

#[tokio::test]
async fn declarations_are_idempotent_and_deletions_final() {
    let server = Server::shared();
    let http = server.http();
    let (x, queue) = (server.name("x"), server.name("q"));
    let path = format!("/v1/exchanges/{x}");
    http.put(&path, json!({"type": "direct"})).await.expect(201);
    http.put(&path, json!({"type": "direct"})).await.expect(200);
    http.put(&path, json!({"type": "fanout"})).await.refused(409, "already_exists");
    http.make_queue(&queue, json!({})).await;
    let made = bind(&http, &x, &queue, "k", json!({})).await;
    let binding = json!({"source": x, "destination": queue, "destination_type": "queue", "routing_key": "k"});
    assert_eq!(http.post("/v1/bindings", binding).await.expect(200)["id"], made["id"]);
    let id = made["id"].as_str().expect("a binding has an id").to_owned();
    http.delete(&format!("{path}?if_unused=true")).await.refused(409, "in_use");
    assert!(http.delete(&format!("/v1/bindings/{id}")).await.status < 300);
    http.delete(&format!("/v1/bindings/{id}")).await.refused(404, "unknown_binding");
    assert_eq!(route(&http, &x, "k", json!({"value": 1})).await["queues"], 0);
    assert!(http.delete(&path).await.status < 300);
    http.get(&path).await.refused(404, "unknown_exchange");
    let gone = format!("{path}/messages?routing_key=k");
    http.post(&gone, json!({"messages": [{"value": 1}]})).await.refused(404, "unknown_exchange");
}

#[tokio::test]
async fn the_broker_s_own_exchanges_cannot_be_changed() {
    let server = Server::shared();
    let http = server.http();
    let listed = http.get("/v1/exchanges?limit=100").await.expect(200).to_string();
    for name in ["amq.direct", "amq.topic", "amq.fanout", "amq.headers"] {
        assert!(listed.contains(name), "{name} is missing in {listed}");
        http.delete(&format!("/v1/exchanges/{name}")).await.refused(403, "reserved");
    }
    http.put("/v1/exchanges/amq.mine", json!({"type": "direct"})).await.refused(403, "reserved");
}
