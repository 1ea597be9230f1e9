//! What sets queues apart: their type, who is served, when they go and when their consumers do.

use blackbox::{Server, Socket, deadline, values};
use serde_json::{Value, json};

async fn subscribe(socket: &mut Socket, queue: &str, more: Value) -> Result<Value, Value> {
    let mut fields = json!({"topic": queue, "credit": {"messages": 10}});
    fields.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    socket.try_ask("subscribe", fields).await.map(|reply| reply["subscription"].clone())
}

#[tokio::test]
async fn a_topic_says_which_type_of_queue_it_is_and_stays_that() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("quorum");
    let path = format!("/v1/topics/{queue}");
    let quorum = json!({"model": "queue", "queue": {"type": "quorum", "consumer_timeout_ms": 60000}});
    http.put(&path, quorum.clone()).await.expect(201);
    http.put(&path, quorum).await.expect(200);
    http.put(&path, json!({"model": "queue"})).await.refused(409, "already_exists");
    let settings = http.get(&path).await.expect(200)["queue"].clone();
    assert_eq!((&settings["type"], &settings["consumer_timeout_ms"]), (&json!("quorum"), &json!(60000)));
    http.patch(&path, json!({"queue": {"type": "classic"}})).await.refused(409, "conflicting_settings");
    http.patch(&path, json!({"queue": {"consumer_timeout_ms": null}})).await.expect(200);
    for (settings, field, status) in [
        (json!({"type": "quorum", "max_priority": 5}), "max_priority", 409),
        (json!({"type": "quorum", "durable": false}), "durable", 409),
        (json!({"type": "quorum", "auto_delete": true}), "auto_delete", 409),
        (json!({"consumer_timeout_ms": 5}), "consumer_timeout_ms", 409),
        (json!({"type": "stream"}), "type", 400),
    ] {
        let other = format!("/v1/topics/{}", server.name("refused"));
        let answer = http.put(&other, json!({"model": "queue", "queue": settings})).await;
        assert_eq!(answer.status, status, "{field}: {}", answer.text());
        assert!(answer.text().contains(field), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_quorum_queue_has_priorities_and_forgives_nacks() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("quorum");
    http.make_queue(&queue, json!({"type": "quorum", "delivery_limit": 1})).await;
    let messages =
        json!([{"value": "usual"}, {"value": "low", "priority": 1}, {"value": "high", "priority": 9}]);
    http.publish(&queue, messages).await;
    assert_eq!(values(&http.drain_queue(&queue).await), ["high", "usual", "low"]);
    http.publish_values(&queue, ["stubborn"]).await;
    for attempt in 1..=5 {
        let taken = http.receive_soon(&queue, 1).await;
        assert_eq!(taken[0]["attempt"], attempt);
        http.settle(json!({"nack": [{"lease": taken[0]["lease"]}]})).await;
    }
    // Two consumers that fall are one too many.
    for _ in 0..2 {
        let mut socket = Socket::open(server).await;
        subscribe(&mut socket, &queue, json!({})).await.expect("it is open to all");
        assert_eq!(values(&socket.messages(1).await), ["stubborn"]);
        drop(socket.into_tcp());
        deadline::until("it is let go", async || {
            (http.queue_stats(&queue).await["leased"] == 0).then_some(())
        })
        .await;
    }
    assert_eq!(http.queue_stats(&queue).await["ready"], 0);
}

#[tokio::test]
async fn one_of_several_consumers_is_active() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("single");
    http.make_queue(&queue, json!({"single_active_consumer": true})).await;
    let (mut first, mut second) = (Socket::open(server).await, Socket::open(server).await);
    let number = subscribe(&mut first, &queue, json!({})).await.expect("the first");
    subscribe(&mut second, &queue, json!({})).await.expect("the second waits");
    http.publish_values(&queue, ["a", "b"]).await;
    assert_eq!(values(&first.messages(2).await), ["a", "b"]);
    let receive = format!("/v1/topics/{queue}/receive");
    for wait_ms in [0, 5000] {
        http.post(&receive, json!({"max": 1, "wait_ms": wait_ms})).await.refused(423, "resource_locked");
    }
    let refused = subscribe(&mut Socket::open(server).await, &queue, json!({"exclusive": true})).await;
    assert_eq!(refused.expect_err("nobody is alone here")["code"], "exclusive_use");
    first.ask("unsubscribe", json!({"subscription": number})).await;
    assert_eq!(values(&second.messages(2).await), ["a", "b"], "the next takes over, in order");
}

#[tokio::test]
async fn consumers_of_higher_priority_are_served_first() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let (mut low, mut high) = (Socket::open(server).await, Socket::open(server).await);
    subscribe(&mut low, &queue, json!({"priority": -1})).await.expect("low");
    subscribe(&mut high, &queue, json!({"priority": 5, "credit": {"messages": 2}})).await.expect("high");
    http.publish_values(&queue, ["a", "b", "c"]).await;
    assert_eq!(values(&high.messages(2).await), ["a", "b"]);
    assert_eq!(values(&low.messages(1).await), ["c"]);
}

#[tokio::test]
async fn who_keeps_a_message_too_long_is_cancelled() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("quorum");
    http.make_queue(&queue, json!({"type": "quorum"})).await;
    http.publish_values(&queue, ["slow"]).await;
    let mut socket = Socket::open(server).await;
    let patient = json!({"until_settled": true, "consumer_timeout_ms": 200});
    let number = subscribe(&mut socket, &queue, patient).await.expect("it is open to all");
    let held = socket.messages(1).await;
    let closed = socket.frame_of("subscription_closed").await;
    assert_eq!((&closed["subscription"], &closed["error"]["code"]), (&number, &json!("timed_out")));
    let again = http.receive_soon(&queue, 1).await;
    assert_eq!((values(&again), &again[0]["attempt"]), (vec!["slow".to_owned()], &json!(2)));
    let stale = socket.ask("ack", json!({"leases": [held[0]["lease"]]})).await;
    assert_eq!(stale["results"][0]["error"]["code"], "stale_lease");
}

#[tokio::test]
async fn a_message_can_stay_until_it_is_settled() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({"lease_ms": 1})).await;
    http.publish_values(&queue, ["kept"]).await;
    let mut socket = Socket::open(server).await;
    subscribe(&mut socket, &queue, json!({"until_settled": true})).await.expect("it is open to all");
    let held = socket.messages(1).await;
    assert!(held[0]["lease"].is_string() && held[0].get("lease_expires_at").is_none(), "{held:?}");
    let looked = http.get(&format!("/v1/topics/{queue}/messages")).await.expect(200)["messages"][0].clone();
    assert_eq!((&looked["state"], looked.get("lease_expires_at")), (&json!("leased"), None));
    let acked = socket.ask("ack", json!({"leases": [held[0]["lease"]]})).await;
    assert_eq!(acked["results"], json!([{}]));
    for (wish, field) in [
        (json!({"until_settled": true, "lease_ms": 5}), "/lease_ms"),
        (json!({"consumer_timeout_ms": 5}), "/consumer_timeout_ms"),
        (json!({"until_settled": true, "ack": "auto"}), "/until_settled"),
    ] {
        let refused = subscribe(&mut socket, &queue, wish).await.expect_err("it makes no sense");
        assert_eq!(refused["field"], field);
    }
}

#[tokio::test]
async fn an_auto_delete_queue_goes_with_its_last_subscription() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("fleeting");
    http.make_queue(&queue, json!({"auto_delete": true})).await;
    http.publish_values(&queue, ["one"]).await;
    assert_eq!(http.receive_soon(&queue, 1).await.len(), 1, "a receive is no subscription");
    let (mut first, second) = (Socket::open(server).await, Socket::open(server).await);
    let number = subscribe(&mut first, &queue, json!({})).await.expect("the first");
    let mut second = second;
    subscribe(&mut second, &queue, json!({})).await.expect("the second");
    first.ask("unsubscribe", json!({"subscription": number})).await;
    assert_eq!(http.queue_stats(&queue).await["consumers"], 1);
    drop(second.into_tcp());
    let path = format!("/v1/topics/{queue}");
    deadline::until("it is gone", async || (http.get(&path).await.status == 404).then_some(())).await;
    http.make_queue(&queue, json!({})).await;
}
