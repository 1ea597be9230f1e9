use blackbox::{Http, Server, values};
use serde_json::{Value, json};

async fn bound(server: &Server, http: &Http, exchange: &Value, keys: &[&str]) -> (String, Vec<String>) {
    let x = server.name("x");
    http.put(&format!("/v1/exchanges/{x}"), exchange.clone()).await.expect(201);
    let mut queues = Vec::new();
    for key in keys {
        let queue = server.name("q");
        http.make_queue(&queue, json!({})).await;
        bind(http, &x, &queue, key).await;
        queues.push(queue);
    }
    (x, queues)
}

async fn bind(http: &Http, source: &str, queue: &str, key: &str) {
    let binding =
        json!({"source": source, "destination": queue, "destination_type": "queue", "routing_key": key});
    http.post("/v1/bindings", binding).await.expect(201);
}

async fn publish(http: &Http, exchange: &str, key: &str, messages: Value) -> Value {
    let path = format!("/v1/exchanges/{exchange}/messages?routing_key={key}");
    http.post(&path, json!({"messages": messages})).await.expect(200)["results"].clone()
}

#[tokio::test]
async fn hash_exchanges_keep_what_belongs_together_in_one_queue() {
    let server = Server::shared();
    let http = server.http();
    let by_user = json!({"type": "consistent-hash", "hash_header": "user"});
    let (x, queues) = bound(server, &http, &by_user, &["1", "1"]).await;
    let messages: Vec<Value> =
        (0..40).map(|n| json!({"value": n % 8, "headers": {"user": format!("user {}", n % 8)}})).collect();
    publish(&http, &x, "any", json!(messages)).await;
    let first = values(&http.drain_queue(&queues[0]).await);
    let second = values(&http.drain_queue(&queues[1]).await);
    assert_eq!(first.len() + second.len(), 40);
    assert!(!first.iter().any(|value| second.contains(value)), "{first:?} {second:?}");
    let bad =
        json!({"source": x, "destination": queues[0], "destination_type": "queue", "routing_key": "much"});
    http.post("/v1/bindings", bad).await.refused(400, "invalid_config");
    assert_eq!(http.get(&format!("/v1/exchanges/{x}")).await.expect(200)["hash_header"], "user");
}

#[tokio::test]
async fn random_exchanges_take_one_queue() {
    let server = Server::shared();
    let http = server.http();
    for kind in ["random", "x-local-random", "modulus-hash"] {
        let (x, queues) = bound(server, &http, &json!({"type": kind}), &["", ""]).await;
        let results = publish(&http, &x, "k", json!([{"value": 1}, {"value": 2}])).await;
        assert!(results.as_array().unwrap().iter().all(|result| result["queues"] == 1), "{results}");
        let mut all = http.drain_queue(&queues[0]).await;
        all.extend(http.drain_queue(&queues[1]).await);
        assert_eq!(all.len(), 2);
    }
}

#[tokio::test]
async fn a_late_binding_hears_what_was_said() {
    let server = Server::shared();
    let http = server.http();
    let history = json!({"type": "recent-history", "history_length": 2});
    let (x, _) = bound(server, &http, &history, &[]).await;
    publish(&http, &x, "", json!([{"value": "a"}, {"value": "b"}, {"value": "c"}])).await;
    let late = server.name("late");
    http.make_queue(&late, json!({})).await;
    bind(&http, &x, &late, "").await;
    assert_eq!(values(&http.drain_queue(&late).await), ["b", "c"]);
}

#[tokio::test]
async fn a_delayed_message_arrives_after_its_delay() {
    let server = Server::shared();
    let http = server.http();
    let delayed = json!({"type": "delayed-message", "delayed_type": "direct"});
    let (x, queues) = bound(server, &http, &delayed, &["k"]).await;
    let messages = json!([{"value": "late", "headers": {"x-delay": 300}}, {"value": "now"}]);
    let results = publish(&http, &x, "k", messages).await;
    assert_eq!(results[0], json!({"queues": 0, "logs": 0, "held": true}), "it is not lost, only late");
    assert_eq!(results[1], json!({"queues": 1, "logs": 0}));
    assert_eq!(values(&http.receive(&queues[0], 9).await), ["now"]);
    let ask = json!({"max": 1, "wait_ms": 20_000});
    let late = http.post(&format!("/v1/topics/{}/receive", queues[0]), ask).await.expect(200);
    assert_eq!(late["messages"][0]["value"], "late");
    http.put(&format!("/v1/exchanges/{}", server.name("bad")), json!({"type": "delayed-message"}))
        .await
        .refused(400, "invalid_config");
}

#[tokio::test]
async fn copies_go_to_every_key_and_blind_ones_unseen() {
    let server = Server::shared();
    let http = server.http();
    let names = ["a", "b", "c"].map(|name| server.name(name));
    for name in &names {
        http.make_queue(name, json!({})).await;
    }
    let letter = json!({"value": "x", "headers": {"CC": [names[1]], "BCC": [names[2]]}});
    let results = publish(&http, "amq.default", &names[0], json!([letter])).await;
    assert_eq!(results[0]["queues"], 3);
    for name in &names {
        let message = http.receive(name, 1).await[0].clone();
        let shown = message["headers"].to_string();
        assert!(shown.contains("\"CC\"") && !shown.contains("\"BCC\""), "{shown}");
    }
    let wrong = json!({"messages": [{"value": "x", "headers": {"CC": "text"}}]});
    let path = format!("/v1/exchanges/amq.default/messages?routing_key={}", names[0]);
    http.post(&path, wrong).await.refused(400, "invalid_request");
}
