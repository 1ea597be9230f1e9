use blackbox::{Server, deadline, values};
use serde_json::json;

use crate::queues::header;

#[tokio::test]
async fn a_full_queue_drops_its_oldest_refuses_or_dead_letters() {
    let server = Server::shared();
    let http = server.http();
    let dead = server.name("dead");
    http.make_queue(&dead, json!({})).await;
    let with_dead = |overflow: &str| json!({"max_length": 2, "overflow": overflow, "dead_letter_exchange": "", "dead_letter_routing_key": dead});

    let head = server.name("drop-head");
    http.make_queue(&head, with_dead("drop_head")).await;
    http.publish_values(&head, ["1", "2", "3"]).await;
    assert_eq!(values(&http.drain_queue(&head).await), ["2", "3"]);
    let letter = http.receive_soon(&dead, 1).await.remove(0);
    assert_eq!((&letter["value"], &header(&letter, "x-death")[0]["reason"]), (&json!("1"), &json!("maxlen")));
    http.ack(&letter).await;

    let refuse = server.name("reject");
    http.make_queue(&refuse, with_dead("reject_publish")).await;
    http.publish_values(&refuse, ["1", "2"]).await;
    let path = format!("/v1/topics/{refuse}/messages");
    let refused = http.post(&path, json!({"messages": [{"value": "3"}]})).await;
    assert!(refused.text().contains("queue_full"), "{}", refused.text());
    assert!(http.receive(&dead, 1).await.is_empty(), "a plain refusal dead-letters nothing");
    assert_eq!(values(&http.drain_queue(&refuse).await), ["1", "2"]);
    http.publish_values(&refuse, ["room again"]).await;

    let refuse = server.name("reject-dlx");
    http.make_queue(&refuse, with_dead("reject_publish_dlx")).await;
    http.publish_values(&refuse, ["1", "2"]).await;
    let refused =
        http.post(&format!("/v1/topics/{refuse}/messages"), json!({"messages": [{"value": "3"}]})).await;
    assert!(refused.text().contains("queue_full"), "{}", refused.text());
    assert_eq!(values(&http.receive_soon(&dead, 1).await), ["3"]);
}

#[tokio::test]
async fn bytes_are_a_limit_too() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("bytes");
    http.make_queue(&queue, json!({"max_length_bytes": 1000})).await;
    http.publish_values(&queue, (0..5).map(|n| format!("{n}{}", "x".repeat(400)))).await;
    let left = http.drain_queue(&queue).await;
    assert_eq!(left.len(), 2, "two of 401 bytes fit in 1000");
    assert!(values(&left)[1].starts_with('4'), "the youngest stay");
}

#[tokio::test]
async fn messages_expire_by_their_own_ttl_or_the_queues() {
    let server = Server::shared();
    let http = server.http();
    let (dead, queue, own) = (server.name("dead"), server.name("ttl"), server.name("own-ttl"));
    http.make_queue(&dead, json!({})).await;
    http.make_queue(
        &queue,
        json!({"message_ttl_ms": 300, "dead_letter_exchange": "", "dead_letter_routing_key": dead}),
    )
    .await;
    http.publish_values(&queue, ["by the queue"]).await;
    let letter = http.receive_soon(&dead, 1).await.remove(0);
    assert_eq!(letter["value"], "by the queue");
    assert_eq!(header(&letter, "x-death")[0]["reason"], "expired");
    assert_eq!(http.queue_stats(&queue).await["ready"], 0);

    http.make_queue(&own, json!({})).await;
    http.publish(&own, json!([{"value": "short", "ttl_ms": 200}, {"value": "long", "ttl_ms": 600000}])).await;
    deadline::until("the short one expires", async || {
        (http.queue_stats(&own).await["ready"] == 1).then_some(())
    })
    .await;
    assert_eq!(values(&http.drain_queue(&own).await), ["long"]);
}

#[tokio::test]
async fn a_delayed_message_waits_for_its_time() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("delayed");
    http.make_queue(&queue, json!({})).await;
    http.publish(&queue, json!([{"value": "later", "delay_ms": 1500}, {"value": "now"}])).await;
    assert_eq!(http.queue_stats(&queue).await["delayed"], 1);
    assert_eq!(values(&http.receive_soon(&queue, 10).await), ["now"]);
    assert_eq!(values(&http.receive_soon(&queue, 10).await), ["later"]);
}

#[tokio::test]
async fn an_unused_queue_goes_away_by_itself() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("expiring");
    http.make_queue(&queue, json!({"expires_ms": 300})).await;
    let path = format!("/v1/topics/{queue}");
    deadline::until("it expires", async || (http.get(&path).await.status == 404).then_some(())).await;
}

#[tokio::test]
async fn a_long_queue_keeps_everything_in_order_though_memory_holds_little_of_it() {
    // A queue may hold 64 KiB of bodies in memory; this one holds 8 MiB.
    let server = Server::launch(blackbox::Launch::with_config("[queue]\nloaded_bytes = \"64KiB\"\n"));
    let http = server.http();
    http.make_queue("long", json!({})).await;
    for batch in 0..16 {
        http.publish_values("long", (0..500).map(|n| format!("{:05}{}", batch * 500 + n, "x".repeat(1000))))
            .await;
    }
    let all = values(&http.drain_queue("long").await);
    assert_eq!(all.len(), 8000);
    for (at, value) in all.iter().enumerate() {
        assert_eq!(value.get(..5), Some(format!("{at:05}").as_str()));
        assert_eq!(value.len(), 1005);
    }
}
