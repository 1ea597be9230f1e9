use blackbox::{Server, Socket, values};
use serde_json::{Value, json};

fn keyed(key: &str, value: &str) -> Value {
    json!({"key": key, "value": value})
}

#[tokio::test]
async fn of_each_key_one_message_is_out_while_others_flow() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("ordered");
    http.make_queue(&queue, json!({"order_per_key": true})).await;
    http.publish(&queue, json!([keyed("a", "a1"), keyed("a", "a2"), keyed("b", "b1")])).await;
    let out = http.receive(&queue, 10).await;
    assert_eq!(values(&out), ["a1", "b1"]);
    http.settle(json!({"nack": [{"lease": out[0]["lease"]}]})).await;
    let again = http.receive_soon(&queue, 10).await;
    assert_eq!(values(&again), ["a1"], "what comes back goes first");
    http.ack(&again[0]).await;
    assert_eq!(values(&http.receive_soon(&queue, 10).await), ["a2"]);
}

#[tokio::test]
async fn order_begins_on_a_filled_queue_and_reaches_a_waiting_socket() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("ordered-later");
    http.make_queue(&queue, json!({})).await;
    http.publish(&queue, json!([keyed("a", "1"), keyed("a", "2"), keyed("a", "3")])).await;
    http.patch(&format!("/v1/topics/{queue}"), json!({"queue": {"order_per_key": true}})).await.expect(200);
    let mut socket = Socket::open(server).await;
    socket.ask("subscribe", json!({"topic": queue, "credit": {"messages": 10}})).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let messages = socket.messages(1).await;
        seen.extend(values(&messages));
        socket.ask("ack", json!({"leases": [messages[0]["lease"]]})).await;
    }
    assert_eq!(seen, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_failed_message_is_tried_again_and_dies_with_its_story() {
    let server = Server::shared();
    let http = server.http();
    let (queue, dead) = (server.name("retried"), server.name("dead"));
    http.make_queue(&dead, json!({})).await;
    let settings = json!({
        "retry": {"delays_ms": [1]}, "dead_letter_exchange": "", "dead_letter_routing_key": dead,
    });
    http.make_queue(&queue, settings.clone()).await;
    let shown = http.get(&format!("/v1/topics/{queue}")).await.expect(200);
    assert_eq!(shown["queue"]["retry"], settings["retry"]);
    http.publish_values(&queue, ["m"]).await;
    let first = http.receive_soon(&queue, 1).await;
    assert_eq!(first[0].get("failures"), None);
    http.settle(json!({"nack": [{"lease": first[0]["lease"]}]})).await;
    let second = http.receive_soon(&queue, 1).await;
    let failure = &second[0]["failures"][0];
    assert_eq!((&failure["attempt"], &failure["outcome"]), (&json!(1), &json!("returned")));
    assert_eq!(failure["retry_at"].as_i64().unwrap() - failure["at"].as_i64().unwrap(), 1);
    http.settle(json!({"nack": [{"lease": second[0]["lease"]}]})).await;
    let buried = http.receive_soon(&dead, 1).await;
    let headers = buried[0]["headers"].as_array().unwrap();
    let story = headers.iter().find(|header| header["name"] == "x-retry-history").unwrap();
    let outcomes: Vec<&Value> =
        story["value"].as_array().unwrap().iter().map(|entry| &entry["attempt"]).collect();
    assert_eq!(outcomes, [&json!(1), &json!(2)]);
}

#[tokio::test]
async fn impossible_settings_are_refused_by_name() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("impossible");
    for (settings, field) in [
        (json!({"retry": {"delays_ms": []}}), "/queue/retry/delays_ms"),
        (json!({"retry": {"initial_ms": 9, "max_ms": 1, "retries": 1}}), "/queue/retry/max_ms"),
        (json!({"retry": {"initial_ms": 1, "max_ms": 1, "retries": 1, "jitter": 2}}), "/queue/retry/jitter"),
        (json!({"retry": {"delay_ms": [1]}}), "/queue/retry/delay_ms"),
        (json!({"dedup_window_ms": 0}), "/queue/dedup_window_ms"),
        (json!({"dedup_max_ids": 0}), "/queue/dedup_max_ids"),
    ] {
        let answer =
            http.put(&format!("/v1/topics/{queue}"), json!({"model": "queue", "queue": settings})).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text());
        assert_eq!(answer.value()["field"], field, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_duplicate_is_answered_with_the_first_ones_id_by_every_door() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("once");
    http.make_queue(&queue, json!({"dedup_window_ms": 600_000})).await;
    let message = json!({"value": "v", "message_id": "order-1"});
    let first = http.publish(&queue, json!([message])).await;
    assert_eq!(first[0], json!({"id": first[0]["id"]}));
    let taken = http.receive_soon(&queue, 1).await;
    http.ack(&taken[0]).await;
    let told = json!({"id": first[0]["id"], "duplicate": true});
    assert_eq!(http.publish(&queue, json!([message])).await[0], told);
    let mut socket = Socket::open(server).await;
    let reply = socket.ask("publish", json!({"topic": queue, "messages": [message]})).await;
    assert_eq!(reply["results"][0], told);
    let through = json!({"messages": [message]});
    let bind = json!({"source": "amq.direct", "destination": queue, "destination_type": "queue", "routing_key": queue});
    http.post("/v1/bindings", bind).await;
    let routed = http.post(&format!("/v1/exchanges/amq.direct/messages?routing_key={queue}"), through).await;
    assert_eq!(routed.expect(200)["results"][0], json!({"queues": 1, "duplicates": 1, "logs": 0}));
    let stats = http.queue_stats(&queue).await;
    assert!(stats["duplicates"] == 3 && stats["ready"] == 0, "{stats}");
}

#[tokio::test]
async fn what_was_taken_is_known_after_a_restart() {
    let mut server = Server::start();
    let queue = "once";
    server.http().make_queue(queue, json!({"dedup_window_ms": 600_000})).await;
    let message = json!([{"value": "v", "message_id": "order-1"}]);
    let first = server.http().publish(queue, message.clone()).await;
    server.kill();
    server.run();
    let again = server.http().publish(queue, message).await;
    assert_eq!(again[0], json!({"id": first[0]["id"], "duplicate": true}));
}

#[tokio::test]
async fn a_message_may_be_due_at_a_moment() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("scheduled");
    http.make_queue(&queue, json!({})).await;
    let messages = json!([
        {"value": "far", "deliver_at": "2099-01-01T00:00:00Z"},
        {"value": "past", "deliver_at": 1_000_000_000_000_i64},
    ]);
    let results = http.publish(&queue, messages).await;
    assert_eq!(values(&http.receive_soon(&queue, 10).await), ["past"]);
    let far = http.get(&format!("/v1/topics/{queue}/messages/{}", results[0]["id"])).await.expect(200);
    assert_eq!((&far["state"], &far["ready_at"]), (&json!("delayed"), &json!(4_070_908_800_000_i64)));
    let both = json!({"messages": [{"value": "x", "deliver_at": 1, "delay_ms": 1}]});
    let refused = http.post(&format!("/v1/topics/{queue}/messages"), both).await;
    assert_eq!(refused.value()["field"], "/messages/0/deliver_at", "{}", refused.text());
}

#[tokio::test]
async fn a_failure_counts_by_either_door_and_a_nack_does_not() {
    let server = Server::shared();
    let http = server.http();
    let (queue, dead) = (server.name("limited"), server.name("dead"));
    http.make_queue(&dead, json!({})).await;
    let settings = json!({
        "type": "quorum", "delivery_limit": 1, "dead_letter_exchange": "", "dead_letter_routing_key": dead,
    });
    http.make_queue(&queue, settings).await;
    http.publish_values(&queue, ["m"]).await;
    for _ in 0..4 {
        let taken = http.receive_soon(&queue, 1).await;
        http.settle(json!({"nack": [{"lease": taken[0]["lease"]}]})).await;
    }
    let taken = http.receive_soon(&queue, 1).await;
    assert_eq!(http.settle(json!({"fail": [taken[0]["lease"]]})).await, [json!({})]);
    let taken = http.receive_soon(&queue, 1).await;
    let mut socket = Socket::open(server).await;
    let told = socket.ask("fail", json!({"leases": [taken[0]["lease"], taken[0]["lease"]]})).await;
    assert_eq!(
        (&told["results"][0], &told["results"][1]["error"]["code"]),
        (&json!({}), &json!("stale_lease"))
    );
    let buried = http.receive_soon(&dead, 1).await;
    assert!(buried[0]["headers"].to_string().contains("delivery_limit"), "{}", buried[0]);
}

#[tokio::test]
async fn rabbitmqs_delayed_retry_is_a_setting_too() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("delayed-retry");
    let retry = json!({"on": "failed", "min_ms": 3_600_000, "max_ms": 7_200_000});
    http.make_queue(&queue, json!({"type": "quorum", "retry": retry})).await;
    assert_eq!(http.get(&format!("/v1/topics/{queue}")).await.expect(200)["queue"]["retry"], retry);
    http.publish_values(&queue, ["m"]).await;
    let taken = http.receive_soon(&queue, 1).await;
    http.settle(json!({"nack": [{"lease": taken[0]["lease"]}]})).await;
    let taken = http.receive_soon(&queue, 1).await;
    http.settle(json!({"fail": [taken[0]["lease"]]})).await;
    assert_eq!(http.queue_stats(&queue).await["delayed"], 1, "a failure waits, a nack did not");
}
