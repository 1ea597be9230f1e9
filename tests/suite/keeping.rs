//! A queue bound to a log: what passed the queue is in the log, and can be replayed.

use blackbox::{Http, Server, Socket, deadline, list, values};
use serde_json::{Value, json};

async fn make(server: &Server, http: &Http) -> (String, String) {
    let (queue, log) = (server.name("queue"), server.name("past"));
    http.make_log(&log, 1).await;
    http.make_queue(&queue, json!({"keep_in": log})).await;
    (queue, log)
}

async fn past(http: &Http, log: &str) -> Vec<Value> {
    list(&http.records(log, 0, "offset=earliest&limit=1000").await, "records")
}

#[tokio::test]
async fn what_passed_a_queue_is_kept_and_can_be_replayed() {
    let server = Server::shared();
    let http = server.http();
    let (queue, log) = make(server, &http).await;
    assert_eq!(http.get(&format!("/v1/topics/{queue}")).await.expect(200)["queue"]["keep_in"], json!(log));
    let sent = json!([{"key": "k", "value": "over HTTP", "headers": {"n": 1}}, {"value": "later", "delay_ms": 3_600_000}]);
    http.publish(&queue, sent).await;
    let mut socket = Socket::open(server).await;
    socket.ask("publish", json!({"topic": queue, "messages": [{"value": "over a socket"}]})).await;
    let routed = json!({"messages": [{"value": "routed"}]});
    http.post(&format!("/v1/exchanges/amq.default/messages?routing_key={queue}"), routed).await.expect(200);
    http.drain_queue(&queue).await;
    let kept = past(&http, &log).await;
    assert_eq!(values(&kept), ["over HTTP", "later", "over a socket", "routed"]);
    assert_eq!((&kept[0]["key"], &kept[0]["headers"]), (&json!("k"), &json!([{"name": "n", "value": "1"}])));
    let again = server.name("again");
    http.make_queue(&again, json!({})).await;
    let replay = json!({"source": {"topic": log, "from": 1}, "destination": {"topic": again}});
    http.post("/v1/replays", replay).await.expect(202);
    deadline::until("the past is replayed", async || {
        (http.queue_stats(&again).await["ready"] == 3).then_some(())
    })
    .await;
    assert_eq!(values(&http.drain_queue(&again).await), ["later", "over a socket", "routed"]);
}

#[tokio::test]
async fn the_log_is_there_as_long_as_a_queue_keeps_in_it() {
    let server = Server::shared();
    let http = server.http();
    let (queue, log) = make(server, &http).await;
    http.delete(&format!("/v1/topics/{log}")).await.refused(409, "in_use");
    http.patch(&format!("/v1/topics/{queue}"), json!({"queue": {"keep_in": null}})).await.expect(200);
    http.publish_values(&queue, ["unseen"]).await;
    assert!(past(&http, &log).await.is_empty());
    http.patch(&format!("/v1/topics/{queue}"), json!({"queue": {"keep_in": log}})).await.expect(200);
    http.publish_values(&queue, ["seen"]).await;
    assert_eq!(values(&past(&http, &log).await), ["seen"]);
    http.delete(&format!("/v1/topics/{queue}")).await;
    assert_eq!(http.delete(&format!("/v1/topics/{log}")).await.status, 204);
    let settings = |log: &str| json!({"model": "queue", "queue": {"keep_in": log}});
    let path = format!("/v1/topics/{queue}");
    http.put(&path, settings(&log)).await.refused_in(404, "unknown_topic", "/queue/keep_in");
    let compacted = server.name("compacted");
    let log = json!({"model": "log", "log": {"config": {"cleanup.policy": "compact"}}});
    http.put(&format!("/v1/topics/{compacted}"), log).await.expect(201);
    http.put(&path, settings(&compacted)).await.refused_in(409, "conflicting_settings", "/queue/keep_in");
}

#[tokio::test]
async fn large_messages_and_transactions_are_kept_too() {
    let server = Server::shared();
    let http = server.http();
    let (queue, log) = (server.name("queue"), server.name("past"));
    let small = json!({"model": "log", "log": {"config": {"max.message.bytes": "1000"}}});
    http.put(&format!("/v1/topics/{log}"), small).await.expect(201);
    http.make_queue(&queue, json!({"keep_in": log})).await;
    http.publish_values(&queue, ["x".repeat(300_000), "y".repeat(300_000)]).await;
    let transaction = http.post("/v1/transactions", json!({})).await.expect(201)["id"].clone();
    let id = transaction.as_str().unwrap();
    let body = json!({"messages": [{"value": "in a transaction"}]}).to_string();
    let headers = [("content-type", "application/json"), ("sluice-transaction", id)];
    let staged = http
        .send("POST".parse().unwrap(), &format!("/v1/topics/{queue}/messages"), &headers, body.into())
        .await;
    staged.expect(200);
    assert_eq!(past(&http, &log).await.len(), 2, "nothing passes before the commit");
    http.post(&format!("/v1/transactions/{id}/commit"), json!({})).await.expect(200);
    let kept = past(&http, &log).await;
    assert_eq!(kept[2]["value"], "in a transaction");
    assert_eq!(kept[1]["value"].as_str().map(str::len), Some(300_000));
}

#[tokio::test]
async fn after_a_kill_the_log_holds_exactly_what_the_queue_got() {
    let mut server = Server::start();
    let http = server.http();
    let (queue, log) = make(&server, &http).await;
    let mut confirmed = 0;
    for round in 0..3 {
        let http = server.http();
        let publishing = (0..40).map(|n| {
            let (http, queue) = (server.http(), queue.clone());
            tokio::spawn(async move {
                let messages: Vec<_> = (0..5).map(|m| json!({"value": format!("{round}-{n}-{m}")})).collect();
                let body = json!({"messages": messages}).to_string();
                let headers = [("content-type", "application/json")];
                let path = format!("/v1/topics/{queue}/messages");
                http.try_send("POST".parse().unwrap(), &path, &headers, body.into()).await.is_ok()
            })
        });
        let publishing: Vec<_> = publishing.collect();
        deadline::until("some are in", async || {
            (http.queue_stats(&queue).await["ready"].as_u64() > Some(confirmed)).then_some(())
        })
        .await;
        server.crash();
        for one in publishing {
            one.await.unwrap();
        }
        let http = server.http();
        confirmed = http.queue_stats(&queue).await["ready"].as_u64().unwrap();
        let mut kept = values(&past(&http, &log).await);
        let mut page = http.get(&format!("/v1/topics/{queue}/messages?limit=1000")).await.expect(200);
        let mut held = values(&list(&page, "messages"));
        assert!(page.as_object_mut().unwrap().remove("next_cursor").is_none());
        kept.sort();
        held.sort();
        assert_eq!(kept, held, "one block has the message and its record");
    }
}
