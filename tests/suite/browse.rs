use blackbox::{Server, list, values};
use serde_json::json;

#[tokio::test]
async fn browsing_a_queue_takes_nothing() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, 0..5).await;
    let held = http.receive(&queue, 1).await;
    let path = format!("/v1/topics/{queue}/messages");
    let page = http.get(&path).await.expect(200);
    assert_eq!(values(&list(&page, "messages")), ["0", "1", "2", "3", "4"], "leased ones are shown too");
    assert!(page["messages"][1].get("lease").is_none(), "looking is not leasing: {page}");
    assert_eq!(http.queue_stats(&queue).await["ready"], 4);
    let first = http.get(&format!("{path}?limit=2")).await.expect(200);
    let next = first["next_cursor"].as_str().expect("more to see");
    let second = http.get(&format!("{path}?limit=2&cursor={next}")).await.expect(200);
    assert_eq!(values(&list(&second, "messages")), ["2", "3"]);
    http.ack(&held[0]).await;
}

#[tokio::test]
async fn one_message_is_read_and_deleted_by_its_id() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let results = http.publish_values(&queue, ["keep", "delete"]).await;
    let path = |at: usize| format!("/v1/topics/{queue}/messages/{}", results[at]["id"]);
    assert_eq!(http.get(&path(1)).await.expect(200)["value"], "delete");
    assert!(http.delete(&path(1)).await.status < 300);
    http.get(&path(1)).await.refused(404, "unknown_message");
    http.delete(&path(1)).await.refused(404, "unknown_message");
    assert_eq!(values(&http.drain_queue(&queue).await), ["keep"]);
    let unreadable = http.get(&format!("/v1/topics/{queue}/messages/first")).await;
    assert!(matches!(unreadable.status, 400 | 404), "{}", unreadable.text());
}

#[tokio::test]
async fn a_purge_empties_a_queue() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, 0..5).await;
    let answer = http.delete(&format!("/v1/topics/{queue}/messages")).await;
    assert!(answer.status < 300, "{}", answer.text());
    assert_eq!(http.queue_stats(&queue).await["ready"], 0);
}

#[tokio::test]
async fn a_log_is_browsed_across_its_partitions() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 3).await;
    let messages: Vec<_> = (0..9).map(|n| json!({"value": n, "partition": n % 3})).collect();
    http.publish(&log, json!(messages)).await;
    let path = format!("/v1/topics/{log}/messages");
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = http.get(&format!("{path}?limit=2{cursor}")).await.expect(200);
        seen.extend(values(&list(&page, "messages")));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
}
