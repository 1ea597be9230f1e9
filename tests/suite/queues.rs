use std::collections::BTreeSet;

use blackbox::{Server, deadline, values};
use serde_json::{Value, json};

#[tokio::test]
async fn a_received_message_is_leased_until_it_is_acked() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let results = http.publish(&queue, json!([{"key": "k", "value": "one", "headers": {"h": "v"}}])).await;
    let messages = http.receive(&queue, 10).await;
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message["id"], results[0]["id"]);
    assert_eq!(message["value"], "one");
    assert_eq!(message["attempt"], 1);
    assert_eq!(message["redelivered"], false);
    assert!(message["lease"].is_string() && message["lease_expires_at"].is_i64(), "{message}");
    assert!(http.receive(&queue, 10).await.is_empty(), "a leased message is nobody else's");
    assert_eq!(http.queue_stats(&queue).await["leased"], 1);
    http.ack(message).await;
    let stats = http.queue_stats(&queue).await;
    assert_eq!((&stats["leased"], &stats["ready"], &stats["acked"]), (&json!(0), &json!(0), &json!(1)));
    let again = http.settle(json!({"ack": [message["lease"]]})).await;
    assert_eq!(again[0]["error"]["code"], "stale_lease");
    assert_eq!(again[0]["error"]["status"], 410);
}

#[tokio::test]
async fn nack_brings_it_back_now_or_later() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, ["one"]).await;
    let first = http.receive(&queue, 1).await;
    http.settle(json!({"nack": [{"lease": first[0]["lease"]}]})).await;
    let second = http.receive_soon(&queue, 1).await;
    assert_eq!((&second[0]["attempt"], &second[0]["redelivered"]), (&json!(2), &json!(true)));
    http.settle(json!({"nack": [{"lease": second[0]["lease"], "delay_ms": 1500}]})).await;
    http.publish_values(&queue, ["two"]).await;
    let next = http.receive_soon(&queue, 10).await;
    assert_eq!(values(&next), ["two"], "the nacked message waits");
    let third = http.receive_soon(&queue, 10).await;
    assert_eq!((values(&third), &third[0]["attempt"]), (vec!["one".to_owned()], &json!(3)));
}

#[tokio::test]
async fn a_lease_runs_out_unless_it_is_extended() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, ["kept", "let go"]).await;
    let messages = http.receive_with(&queue, json!({"max": 2, "lease_ms": 1500})).await;
    let extended = http.settle(json!({"extend": [{"lease": messages[0]["lease"], "lease_ms": 60000}]})).await;
    let expires = extended[0]["lease_expires_at"].as_i64().unwrap_or_default();
    assert!(expires > messages[0]["lease_expires_at"].as_i64().unwrap_or_default() + 30000, "{extended:?}");
    let again = http.receive_soon(&queue, 10).await;
    assert_eq!(values(&again), ["let go"]);
    assert_eq!(again[0]["redelivered"], true);
    let stale = http.settle(json!({"ack": [messages[1]["lease"]]})).await;
    assert_eq!(stale[0]["error"]["code"], "stale_lease");
    // The lease token stays valid through an extension, or the answer names its successor.
    let lease = extended[0].get("lease").filter(|lease| lease.is_string()).unwrap_or(&messages[0]["lease"]);
    let acked = http.settle(json!({ "ack": [lease] })).await;
    assert!(acked[0].get("error").is_none(), "{acked:?}");
}

#[tokio::test]
async fn settling_answers_every_lease_in_order_whatever_happened_to_the_others() {
    let server = Server::shared();
    let http = server.http();
    let (a, b) = (server.name("a"), server.name("b"));
    http.make_queue(&a, json!({})).await;
    http.make_queue(&b, json!({})).await;
    http.publish_values(&a, [1, 2, 3]).await;
    http.publish_values(&b, [4]).await;
    let mut held = http.receive(&a, 3).await;
    held.extend(http.receive(&b, 1).await);
    http.ack(&held[0]).await;
    let lease = |at: usize| held[at]["lease"].clone();
    let request = json!({
        "ack": [lease(0), lease(1)], "nack": [{"lease": lease(2)}], "reject": [lease(3)],
    });
    let results = http.settle(request).await;
    let failed: Vec<bool> = results.iter().map(|result| result.get("error").is_some()).collect();
    assert_eq!(failed, [true, false, false, false], "{results:?}");
    assert_eq!(values(&http.receive_soon(&a, 10).await), ["3"]);
    assert!(http.receive(&b, 10).await.is_empty());
}

#[tokio::test]
async fn rejected_messages_go_where_the_queue_says_with_their_history() {
    let server = Server::shared();
    let http = server.http();
    let (work, dead) = (server.name("work"), server.name("dead"));
    http.make_queue(&dead, json!({})).await;
    http.make_queue(&work, json!({"dead_letter_exchange": "", "dead_letter_routing_key": dead})).await;
    http.publish(&work, json!([{"value": "bad", "headers": {"trace": "t1"}}])).await;
    let taken = http.receive(&work, 1).await;
    http.settle(json!({"reject": [taken[0]["lease"]]})).await;
    let letter = http.receive_soon(&dead, 1).await.remove(0);
    assert_eq!(letter["value"], "bad");
    let deaths = header(&letter, "x-death");
    assert_eq!(deaths[0]["queue"], work.as_str(), "{letter}");
    assert_eq!(deaths[0]["reason"], "rejected", "{letter}");
    assert_eq!(deaths[0]["count"], 1, "{letter}");
    assert_eq!(header(&letter, "x-first-death-reason"), "rejected");
    assert_eq!(header(&letter, "trace"), "t1");
}

#[tokio::test]
async fn a_message_that_keeps_failing_is_dead_lettered_at_its_limit() {
    let server = Server::shared();
    let http = server.http();
    let (work, dead) = (server.name("work"), server.name("dead"));
    http.make_queue(&dead, json!({})).await;
    let settings = json!({"dead_letter_exchange": "", "dead_letter_routing_key": dead, "delivery_limit": 2});
    http.make_queue(&work, settings).await;
    http.publish_values(&work, ["poison"]).await;
    let mut attempts = 0;
    let letter = loop {
        let letters = http.receive(&dead, 1).await;
        if let Some(letter) = letters.into_iter().next() {
            break letter;
        }
        for message in http.receive(&work, 1).await {
            attempts += 1;
            assert!(attempts <= 10, "delivered again and again");
            http.settle(json!({"nack": [{"lease": message["lease"]}]})).await;
        }
    };
    assert!((2..=3).contains(&attempts), "a limit of 2 was {attempts} deliveries");
    assert_eq!(header(&letter, "x-death")[0]["reason"], "delivery_limit");
}

#[tokio::test]
async fn higher_priority_goes_first_and_arrival_decides_between_equals() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({"max_priority": 255})).await;
    let messages: Vec<Value> = [(0, "a"), (9, "b"), (255, "c"), (9, "d"), (1, "e"), (0, "f")]
        .map(|(priority, value)| json!({"value": value, "priority": priority}))
        .into();
    http.publish(&queue, json!(messages)).await;
    let taken = http.receive(&queue, 10).await;
    assert_eq!(values(&taken), ["c", "b", "d", "e", "a", "f"]);
    assert_eq!(taken[0]["priority"], 255);
}

#[tokio::test]
async fn a_waiting_receiver_is_served_as_soon_as_something_comes() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let waiting = tokio::spawn({
        let (http, queue) = (http.clone(), queue.clone());
        async move { http.receive_with(&queue, json!({"max": 5, "wait_ms": 30000})).await }
    });
    deadline::until("the receiver waits", async || {
        (http.queue_stats(&queue).await["consumers"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    http.publish_values(&queue, ["news"]).await;
    let messages = deadline::soon("the receiver is served", waiting).await.expect("no panic");
    assert_eq!(values(&messages), ["news"]);
}

#[tokio::test]
async fn consumers_share_a_queue_without_overlap() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, 0..200).await;
    let workers = (0..4).map(|_| {
        let (http, queue) = (http.clone(), queue.clone());
        tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let messages = http.receive(&queue, 7).await;
                if messages.is_empty() {
                    return seen;
                }
                for message in messages {
                    http.ack(&message).await;
                    seen.push(message["id"].as_u64().expect("an id"));
                }
            }
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.expect("no panic"));
    }
    assert_eq!(all.len(), 200);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 200, "nothing was handed out twice");
}

#[tokio::test]
async fn receiving_without_a_lease_takes_messages_for_good() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, ["gone"]).await;
    let messages = http.receive_with(&queue, json!({"max": 1, "auto_ack": true})).await;
    assert_eq!(values(&messages), ["gone"]);
    assert!(messages[0].get("lease").is_none(), "{messages:?}");
    let stats = http.queue_stats(&queue).await;
    assert_eq!((&stats["ready"], &stats["leased"]), (&json!(0), &json!(0)));
}

/// A header's value, whether headers are an object or a list.
pub fn header(message: &Value, name: &str) -> Value {
    match &message["headers"] {
        Value::Object(headers) => headers.get(name).cloned().unwrap_or(Value::Null),
        Value::Array(headers) => headers
            .iter()
            .find(|header| header["name"] == name)
            .map_or(Value::Null, |header| header["value"].clone()),
        _ => Value::Null,
    }
}
