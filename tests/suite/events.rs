use blackbox::{Server, http::Streaming};
use hyper::Method;
use serde_json::json;

async fn open(server: &Server, path: &str, headers: &[(&str, &str)]) -> Streaming {
    let mut headers = headers.to_vec();
    headers.push(("accept", "text/event-stream"));
    let stream = server.http().open(Method::GET, path, &headers, "".into()).await;
    assert_eq!(stream.status, 200);
    assert!(stream.headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/event-stream")));
    stream
}

#[tokio::test]
async fn a_log_streams_its_past_and_then_what_comes() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    http.publish_values(&log, ["past"]).await;
    let mut stream = open(server, &format!("/v1/topics/{log}/events?offset=earliest"), &[]).await;
    let event = stream.event().await.expect("an event");
    assert_eq!((&event.json()["value"], &event.json()["offset"]), (&json!("past"), &json!(0)));
    assert!(!event.id.is_empty(), "an event without an id cannot be resumed");
    http.publish_values(&log, ["present"]).await;
    assert_eq!(stream.event().await.expect("an event").json()["value"], "present");
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_and_repeats_nothing() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 3).await;
    let publish = async |from: u32, to: u32| {
        let messages: Vec<_> = (from..to).map(|n| json!({"value": n, "partition": n % 3})).collect();
        http.publish(&log, json!(messages)).await;
    };
    publish(0, 30).await;
    let path = format!("/v1/topics/{log}/events?offset=earliest");
    let mut seen = Vec::new();
    let mut last = String::new();
    {
        let mut stream = open(server, &path, &[]).await;
        for _ in 0..11 {
            let event = stream.event().await.expect("an event");
            seen.push(event.json()["value"].as_u64().expect("a number"));
            last = event.id;
        }
    }
    publish(30, 45).await;
    let mut stream = open(server, &path, &[("last-event-id", &last)]).await;
    while seen.len() < 45 {
        seen.push(stream.event().await.expect("an event").json()["value"].as_u64().expect("a number"));
    }
    for partition in 0..3 {
        let mine: Vec<_> = seen.iter().copied().filter(|n| n % 3 == partition).collect();
        assert_eq!(mine, (0..45).filter(|n| n % 3 == partition).collect::<Vec<_>>(), "partition {partition}");
    }
}

#[tokio::test]
async fn a_queue_s_events_are_taken_as_they_are_sent() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, ["one"]).await;
    let mut stream = open(server, &format!("/v1/topics/{queue}/events"), &[]).await;
    assert_eq!(stream.event().await.expect("an event").json()["value"], "one");
    http.publish_values(&queue, ["two"]).await;
    assert_eq!(stream.event().await.expect("an event").json()["value"], "two");
    drop(stream);
    blackbox::deadline::until("nothing stays behind", async || {
        let stats = http.queue_stats(&queue).await;
        (stats["ready"] == 0 && stats["leased"] == 0 && stats["consumers"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_bad_place_to_resume_is_refused() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    let path = format!("/v1/topics/{log}/events");
    let bad = http.send(Method::GET, &path, &[("last-event-id", "no such place")], "".into()).await;
    assert_eq!(bad.status, 400, "{}", bad.text());
    http.get("/v1/topics/nowhere/events").await.refused(404, "unknown_topic");
}
