use blackbox::{Server, deadline, values};
use hyper::Method;
use rustix::process::Signal;
use serde_json::json;

#[tokio::test]
async fn sigterm_keeps_everything_returns_leases_and_exits_cleanly() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    http.make_log("log", 1).await;
    http.publish_values("queue", ["held", "ready"]).await;
    http.publish_values("log", ["kept"]).await;
    let held = http.receive_with("queue", json!({"max": 1, "lease_ms": 600000})).await;
    assert_eq!(values(&held), ["held"]);
    server.terminate();
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{status}: {}", server.log());
    server.run();
    let http = server.http();
    let mut back = http.drain_queue("queue").await;
    back.sort_by_key(|message| message["id"].as_u64());
    assert_eq!(values(&back), ["held", "ready"], "the lease was returned, long before its time");
    assert_eq!(back[0]["redelivered"], true);
    assert_eq!(http.records("log", 0, "offset=0").await["records"][0]["value"], "kept");
}

#[tokio::test]
async fn readiness_goes_first_and_open_streams_do_not_hold_it_up() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("log", 1).await;
    assert_eq!(http.get("/readyz").await.status, 200);
    let mut events = http.open(Method::GET, "/v1/topics/log/events", &[], "".into()).await;
    // A request under way keeps the process alive long enough to see it unready.
    let (lines, answer) = http
        .duplex(Method::POST, "/v1/topics/log/messages", &[("content-type", "application/x-ndjson")])
        .await;
    lines.send("{\"value\":1}\n".into()).await.expect("the request is open");
    let mut answer = answer.await;
    assert!(answer.line().await.is_some_and(|line| line.contains("offset")));
    let waiting = tokio::spawn({
        let http = http.clone();
        async move {
            let path = "/v1/topics/log/partitions/0/records?offset=latest&wait_ms=30000";
            http.try_send(Method::GET, path, &[], "".into()).await
        }
    });
    let probe = http.clone();
    server.terminate();
    let mut refused = false;
    while let Ok(ready) = probe.try_send(Method::GET, "/readyz", &[], "".into()).await {
        if ready.status == 503 {
            refused = true;
            break;
        }
    }
    drop(lines);
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{status}: {}", server.log());
    assert!(refused || server.log().contains("drain"), "readiness answered 503, or the door closed at once");
    while events.piece().await.is_some() {}
    let waited = deadline::soon("the waiting reader is let go", waiting).await.expect("no panic");
    assert!(waited.is_err() || waited.is_ok_and(|answer| matches!(answer.status, 200 | 503)));
}

#[tokio::test]
async fn an_interrupt_drains_too() {
    let mut server = Server::start();
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(0));
}
