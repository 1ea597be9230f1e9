use blackbox::{Server, values};
use serde_json::json;

#[tokio::test]
async fn policies_are_in_force_at_once_and_shown_where_they_work() {
    let server = Server::shared();
    let http = server.http();
    let (name, queue) = (server.name("policy"), server.name("bounded"));
    http.make_queue(&queue, json!({"max_length": 10})).await;
    let path = format!("/v1/policies/{name}");
    let policy =
        json!({"pattern": format!("^{queue}$"), "definition": {"max_length": 2, "message_ttl_ms": 60_000}});
    let made = http.put(&path, policy.clone()).await.expect(201);
    assert_eq!(
        (&made["vhost"], &made["apply_to"], &made["priority"]),
        (&json!("/"), &json!("all"), &json!(0))
    );
    http.put(&path, policy).await.expect(200);
    for n in 0..4 {
        http.publish(&queue, json!([{"value": n}])).await;
    }
    let topic = http.get(&format!("/v1/topics/{queue}")).await.expect(200);
    assert_eq!((&topic["policy"], &topic["queue"]["max_length"]), (&json!(name), &json!(10)));
    assert_eq!(topic["effective"]["max_length"], 2);
    assert_eq!(topic["effective"]["message_ttl_ms"], 60_000);
    assert_eq!(values(&http.receive(&queue, 9).await), ["2", "3"]);

    let cap = format!("/v1/operator-policies/{name}");
    let definition = json!({"pattern": queue, "definition": {"max_length": 1}});
    http.put(&cap, definition).await.expect(201);
    let topic = http.get(&format!("/v1/topics/{queue}")).await.expect(200);
    assert_eq!((&topic["operator_policy"], &topic["effective"]["max_length"]), (&json!(name), &json!(1)));
    let refused = json!({"pattern": queue, "definition": {"dead_letter_exchange": "x"}});
    http.put(&cap, refused).await.refused(400, "invalid_config");

    for path in [&path, &cap] {
        assert!(http.delete(path).await.status < 300);
        http.get(path).await.refused(404, "unknown_policy");
    }
    let topic = http.get(&format!("/v1/topics/{queue}")).await.expect(200);
    assert!(topic["effective"].is_null() && topic["policy"].is_null(), "{topic}");
}

#[tokio::test]
async fn policies_are_listed_by_virtual_host() {
    let server = Server::shared();
    let http = server.http();
    let host = server.name("host");
    http.put(&format!("/v1/vhosts/{host}"), json!(null)).await;
    for name in ["a", "b", "c"] {
        let policy = json!({"pattern": "x", "definition": {"max_length": 1}});
        http.put(&format!("/v1/policies/{name}?vhost={host}"), policy).await.expect(201);
    }
    let first = http.get(&format!("/v1/policies?vhost={host}&limit=2")).await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is more").to_owned();
    let second = http.get(&format!("/v1/policies?vhost={host}&limit=2&cursor={cursor}")).await.expect(200);
    let name =
        |page: &serde_json::Value, at: usize| page["policies"][at]["name"].as_str().unwrap_or("").to_owned();
    assert_eq!([name(&first, 0), name(&first, 1), name(&second, 0)], ["a", "b", "c"]);
    let nowhere = json!({"pattern": "x", "definition": {"max_length": 1}});
    http.put("/v1/policies/a?vhost=nowhere", nowhere).await.refused(404, "unknown_virtual_host");
    let inexact = json!({"pattern": "x", "definition": {"max_length": 1_u64 << 53}});
    http.put(&format!("/v1/policies/d?vhost={host}"), inexact).await.refused(400, "invalid_config");
    let small = json!({"pattern": "x", "definition": {"max_length": 1}});
    http.put(&format!("/v1/policies/%2E%2E?vhost={host}"), small).await.refused(400, "invalid_config");
}

#[tokio::test]
async fn an_exchange_shows_the_alternate_that_a_policy_gives() {
    let server = Server::shared();
    let http = server.http();
    let (x, queue, name) = (server.name("x"), server.name("strays"), server.name("ae"));
    http.put(&format!("/v1/exchanges/{x}"), json!({"type": "direct"})).await.expect(201);
    http.make_queue(&queue, json!({})).await;
    let binding = json!({"source": "amq.fanout", "destination": queue, "destination_type": "queue"});
    http.post("/v1/bindings", binding).await.expect(201);
    let policy =
        json!({"pattern": x, "apply_to": "exchanges", "definition": {"alternate_exchange": "amq.fanout"}});
    http.put(&format!("/v1/policies/{name}"), policy).await.expect(201);
    let shown = http.get(&format!("/v1/exchanges/{x}")).await.expect(200);
    assert_eq!(shown["effective"]["alternate_exchange"], "amq.fanout");
    let stray = json!({"messages": [{"value": "stray"}]});
    http.post(&format!("/v1/exchanges/{x}/messages?routing_key=k"), stray).await.expect(200);
    assert_eq!(values(&http.receive(&queue, 9).await), ["stray"]);
    http.delete(&format!("/v1/policies/{name}")).await;
}
