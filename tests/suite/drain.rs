use std::io::{Read, Write};

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
    // A request that is still being sent keeps the process up.
    let mut sending = std::net::TcpStream::connect(server.address()).expect("the port is open");
    let head = "POST /v1/topics/log/messages HTTP/1.1\r\nhost: sluice\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    sending.write_all(head.as_bytes()).expect("the server reads");
    let mut go_on = [0; 12];
    sending.read_exact(&mut go_on).expect("the server waits for the body");
    assert_eq!(&go_on, b"HTTP/1.1 100");
    let waiting = tokio::spawn({
        let http = http.clone();
        async move {
            let path = "/v1/topics/log/partitions/0/records?offset=latest&wait_ms=30000";
            http.try_send(Method::GET, path, &[], "".into()).await
        }
    });
    server.terminate();
    // Meanwhile the port stays open: a load balancer connects anew each time. Only a connection that was accepted before
    // the drain and had asked nothing by then is closed without an answer.
    deadline::until("readiness answers 503", async || {
        let answer = server.http().try_send(Method::GET, "/readyz", &[], "".into()).await;
        answer.is_ok_and(|answer| answer.status == 503).then_some(())
    })
    .await;
    assert_eq!(server.http().get("/livez").await.status, 200);
    let late = server.http().put("/v1/topics/late", json!({"model": "queue"})).await;
    late.refused(503, "shutting_down");
    drop(sending);
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{status}: {}", server.log());
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
