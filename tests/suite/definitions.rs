//! Everything that is defined, taken from one server to another.

use blackbox::Server;
use serde_json::json;

#[tokio::test]
async fn what_one_server_has_is_made_on_another_and_repeating_it_changes_nothing() {
    let (from, to) = (Server::start(), Server::start());
    let http = from.http();
    http.put("/v1/vhosts/staging", json!({})).await.expect(201);
    http.put("/v1/exchanges/router", json!({"type": "topic", "auto_delete": true})).await.expect(201);
    http.put("/v1/exchanges/staging%2Frouter", json!({"type": "headers"})).await.expect(201);
    http.make_log("kept", 3).await;
    http.make_queue("a-queue", json!({"max_priority": 9, "keep_in": "kept"})).await;
    http.make_queue("staging%2Forders", json!({"type": "quorum", "delivery_limit": 5})).await;
    for binding in [
        json!({"source": "router", "destination": "a-queue", "destination_type": "queue", "routing_key": "a.#"}),
        json!({"source": "router", "destination": "kept", "destination_type": "log", "routing_key": "#"}),
        json!({"source": "staging/router", "destination": "staging/orders", "destination_type": "queue",
            "arguments": {"x-match": "any", "kind": "eu"}}),
    ] {
        http.post("/v1/bindings", binding).await.expect(201);
    }
    let policy = json!({"pattern": "^a", "apply_to": "queues", "definition": {"max_length": 100}});
    http.put("/v1/policies/short?vhost=staging", policy).await.expect(201);
    let bound = json!({"pattern": "", "definition": {"max_length": 1000}});
    http.put("/v1/operator-policies/bound", bound).await.expect(201);
    http.publish_values("a-queue", ["not", "taken", "along"]).await;

    let all = http.get("/v1/definitions").await.expect(200);
    let taken = to.http().post("/v1/definitions", all.clone()).await.expect(200);
    assert_eq!(to.http().get("/v1/definitions").await.expect(200), all);
    assert_eq!(taken["found"], 1, "the default virtual host: {taken}");
    assert_eq!(taken["made"].as_u64(), Some(1 + 2 + 3 + 3 + 2), "{taken}");
    assert_eq!(to.http().queue_stats("a-queue").await["ready"], 0);
    for again in [&from, &to] {
        let taken = again.http().post("/v1/definitions", all.clone()).await.expect(200);
        assert_eq!((taken["made"].as_u64(), taken["found"].as_u64()), (Some(0), Some(12)), "{taken}");
    }
}

#[tokio::test]
async fn a_fault_is_named_by_its_place_and_a_malformed_body_changes_nothing() {
    let server = Server::start();
    let http = server.http();
    for (part, field) in [
        (json!({"topic": {}}), "/topic"),
        (json!({"topics": []}), "/topics"),
        (
            json!({"topics": {"b": {"model": "queue", "queue": {"max_lenght": 1}}}}),
            "/topics/b/queue/max_lenght",
        ),
        (json!({"topics": {"b c": {"model": "log"}}}), "/topics/b c"),
        (json!({"topics": {"b": null}}), "/topics/b"),
        (json!({"exchanges": {"x/y": {"type": "pigeon"}}}), "/exchanges/x~1y/type"),
        (json!({"bindings": [{"source": "s"}]}), "/bindings/0/destination"),
        (
            json!({"policies": {"/": {"p": {"pattern": "", "definition": {"max": 1}}}}}),
            "/policies/~1/p/definition/max",
        ),
    ] {
        let mut body = json!({"topics": {"a": {"model": "queue"}}});
        for (name, value) in part.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        http.post("/v1/definitions", body).await.refused_in(400, refusal(&part), field);
    }
    assert_eq!(http.get("/v1/topics").await.expect(200)["topics"], json!([]));
    // What the state forbids ends it there.
    http.make_log("l", 3).await;
    let body = json!({"topics": {"k": {"model": "log"}, "l": {"model": "log", "log": {"partitions": 4}}},
        "exchanges": {"made": {"type": "fanout"}}});
    http.post("/v1/definitions", body).await.refused_in(409, "already_exists", "/topics/l/log/partitions");
    http.get("/v1/exchanges/made").await.expect(200);
    http.get("/v1/topics/k").await.expect(200);
}

fn refusal(part: &serde_json::Value) -> &'static str {
    if part["topics"]["b c"].is_object() { "invalid_name" } else { "invalid_request" }
}
