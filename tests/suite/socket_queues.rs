use blackbox::{Server, Socket, deadline, list, values};
use serde_json::{Value, json};

async fn subscribe(socket: &mut Socket, topic: &str, more: Value) -> Value {
    let mut fields = json!({"topic": topic});
    fields.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    socket.ask("subscribe", fields).await
}

fn leases(messages: &[Value]) -> Vec<&Value> {
    messages.iter().map(|message| &message["lease"]).collect()
}

#[tokio::test]
async fn messages_are_pushed_and_acked() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, ["before"]).await;
    let mut socket = Socket::open(server).await;
    let subscribed = subscribe(&mut socket, &queue, json!({"credit": {"messages": 10}})).await;
    assert_eq!((&subscribed["model"], &subscribed["topic"]), (&json!("queue"), &json!(queue)));
    let first = socket.messages(1).await;
    assert_eq!(values(&first), ["before"]);
    let published =
        socket.ask("publish", json!({"topic": queue, "messages": [{"value": "over the socket"}]})).await;
    assert!(published["results"][0]["id"].is_u64(), "{published}");
    let second = socket.messages(1).await;
    assert_eq!(values(&second), ["over the socket"]);
    let both = [first, second].concat();
    let acked = socket.ask("ack", json!({ "leases": leases(&both) })).await;
    assert_eq!(acked["results"], json!([{}, {}]));
    let stats = http.queue_stats(&queue).await;
    assert_eq!((&stats["ready"], &stats["leased"], &stats["acked"]), (&json!(0), &json!(0), &json!(2)));
}

#[tokio::test]
async fn credit_bounds_what_is_under_way_in_messages_and_in_bytes() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, (0..20).map(|n| format!("{n:02}{}", "x".repeat(98)))).await;
    let mut socket = Socket::open(server).await;
    let number =
        subscribe(&mut socket, &queue, json!({"credit": {"messages": 3}})).await["subscription"].clone();
    socket.messages(3).await;
    assert_eq!(http.queue_stats(&queue).await["leased"], 3);
    assert!(socket.so_far().await.is_empty(), "nothing beyond the credit");
    socket.ask("credit", json!({"subscription": number, "messages": 2})).await;
    let more = socket.messages(2).await;
    assert_eq!(values(&more)[0].get(..2), Some("03"));
    socket.ask("unsubscribe", json!({"subscription": number})).await;
    let bytes = json!({"credit": {"messages": 100, "bytes": 450}});
    subscribe(&mut socket, &queue, bytes).await;
    // Deliveries come when they are committed, which a reply to a ping does not wait for.
    let leased = deadline::until("a credit of 450 bytes is used up by four or five of 100", async || {
        let leased = http.queue_stats(&queue).await["leased"].as_u64();
        leased.filter(|leased| *leased >= 4)
    })
    .await;
    assert!(leased <= 5, "{leased} of 100 bytes were handed out for a credit of 450");
    socket.messages(leased as usize).await;
}

#[tokio::test]
async fn nack_reject_and_extend_work_over_the_socket() {
    let server = Server::shared();
    let http = server.http();
    let (queue, dead) = (server.name("queue"), server.name("dead"));
    http.make_queue(&dead, json!({})).await;
    http.make_queue(&queue, json!({"dead_letter_exchange": "", "dead_letter_routing_key": dead})).await;
    http.publish_values(&queue, ["a", "b", "c"]).await;
    let mut socket = Socket::open(server).await;
    subscribe(&mut socket, &queue, json!({"credit": {"messages": 100}, "lease_ms": 60000})).await;
    let held = socket.messages(3).await;
    socket.ask("nack", json!({"leases": [held[0]["lease"]]})).await;
    let again = socket.messages(1).await;
    assert_eq!((&again[0]["value"], &again[0]["attempt"]), (&json!("a"), &json!(2)));
    socket.ask("reject", json!({"leases": [held[1]["lease"]]})).await;
    assert_eq!(values(&http.receive_soon(&dead, 1).await), ["b"]);
    let extended = socket.ask("extend", json!({"leases": [held[2]["lease"]], "lease_ms": 300000})).await;
    assert!(
        extended["results"][0]["lease_expires_at"].as_i64() > held[2]["lease_expires_at"].as_i64(),
        "{extended}"
    );
    // A lease that was handed out over a socket is settled over HTTP as well.
    http.ack(&held[2]).await;
    let stale = socket.ask("ack", json!({"leases": [held[2]["lease"]]})).await;
    assert_eq!(stale["results"][0]["error"]["code"], "stale_lease");
}

#[tokio::test]
async fn a_socket_that_vanishes_gives_back_what_it_held() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({"lease_ms": 3600000})).await;
    http.publish_values(&queue, ["one", "two"]).await;
    let mut socket = Socket::open(server).await;
    subscribe(&mut socket, &queue, json!({"credit": {"messages": 10}})).await;
    socket.messages(2).await;
    drop(socket.into_tcp());
    let mut back = http.receive_soon(&queue, 10).await;
    if back.len() < 2 {
        back.extend(http.receive_soon(&queue, 10).await);
    }
    assert!(back.iter().all(|message| message["redelivered"] == true), "{back:?}");
}

#[tokio::test]
async fn pause_holds_and_resume_goes_on() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let mut socket = Socket::open(server).await;
    let number =
        subscribe(&mut socket, &queue, json!({"credit": {"messages": 10}})).await["subscription"].clone();
    socket.ask("pause", json!({"subscription": number})).await;
    http.publish_values(&queue, ["held back"]).await;
    assert!(socket.so_far().await.is_empty());
    assert_eq!(http.queue_stats(&queue).await["ready"], 1);
    socket.ask("resume", json!({"subscription": number})).await;
    assert_eq!(values(&socket.messages(1).await), ["held back"]);
}

#[tokio::test]
async fn one_socket_carries_many_subscriptions_and_commands_out_of_step() {
    let server = Server::shared();
    let http = server.http();
    let mut socket = Socket::open(server).await;
    let mut numbers = Vec::new();
    let mut queues = Vec::new();
    for _ in 0..20 {
        let queue = server.name("queue");
        http.make_queue(&queue, json!({})).await;
        numbers.push(
            subscribe(&mut socket, &queue, json!({"credit": {"messages": 5}})).await["subscription"].clone(),
        );
        queues.push(queue);
    }
    let mut ids = Vec::new();
    for queue in &queues {
        ids.push(socket.send("publish", json!({"topic": queue, "messages": [{"value": queue}]})).await);
    }
    for id in ids {
        assert_eq!(socket.reply_to(&json!(id)).await["type"], "ok");
    }
    let mut seen = std::collections::BTreeMap::new();
    while seen.len() < 20 {
        let frame = socket.frame_of("message").await;
        for message in list(&frame, "messages") {
            seen.insert(frame["subscription"].to_string(), message["value"].clone());
        }
    }
    for (number, queue) in numbers.iter().zip(&queues) {
        assert_eq!(seen[&number.to_string()], queue.as_str());
    }
}

#[tokio::test]
async fn an_exclusive_subscription_is_the_only_one_and_auto_ack_settles_by_itself() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, ["taken"]).await;
    let mut socket = Socket::open(server).await;
    subscribe(&mut socket, &queue, json!({"credit": {"messages": 5}, "ack": "auto", "exclusive": true}))
        .await;
    let taken = socket.messages(1).await;
    assert!(taken[0].get("lease").is_none(), "{taken:?}");
    let mut other = Socket::open(server).await;
    let refused = other.try_ask("subscribe", json!({"topic": queue})).await.expect_err("exclusive");
    assert_eq!(refused["code"], "exclusive_use");
    deadline::until("it counts as acked", async || {
        let stats = http.queue_stats(&queue).await;
        (stats["ready"] == 0 && stats["leased"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_deleted_queue_ends_its_subscriptions() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let mut socket = Socket::open(server).await;
    let number =
        subscribe(&mut socket, &queue, json!({"credit": {"messages": 5}})).await["subscription"].clone();
    assert!(http.delete(&format!("/v1/topics/{queue}")).await.status < 300);
    let ended = socket.frame_of("subscription_closed").await;
    assert_eq!((&ended["subscription"], &ended["error"]["code"]), (&number, &json!("unknown_topic")));
    socket.ask("ping", json!({})).await;
}

#[tokio::test]
async fn publishing_goes_to_exchanges_too_and_repeats_are_one_effect() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let mut socket = Socket::open(server).await;
    let fields =
        json!({"exchange": "", "routing_key": queue, "messages": [{"value": 1}], "idempotency_key": queue});
    let first = socket.ask("publish", fields.clone()).await;
    assert_eq!(first["results"][0]["queues"], 1, "{first}");
    assert_eq!(socket.ask("publish", fields).await["results"], first["results"]);
    assert_eq!(http.queue_stats(&queue).await["ready"], 1);
}

#[tokio::test]
async fn a_draining_server_says_goodbye() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    http.publish_values("queue", ["held"]).await;
    let mut socket = Socket::open(&server).await;
    subscribe(&mut socket, "queue", json!({"credit": {"messages": 5}, "lease_ms": 3600000})).await;
    socket.messages(1).await;
    server.terminate();
    assert_eq!(socket.frame_of("goodbye").await["reason"], "shutting_down");
    assert_eq!(socket.closed().await.code, 1001);
    assert_eq!(server.wait().code(), Some(0));
    server.run();
    assert_eq!(values(&server.http().drain_queue("queue").await), ["held"]);
}
