use blackbox::{Server, http::Streaming};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

const NDJSON: &str = "application/x-ndjson";

async fn report(answer: &mut Streaming) -> Value {
    let line = answer.line().await.expect("a report line");
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("a report line is JSON: {line}"))
}

#[tokio::test]
async fn each_line_is_reported_while_the_next_ones_are_still_to_come() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    let path = format!("/v1/topics/{log}/messages");
    let (lines, answer) = http.duplex(Method::POST, &path, &[("content-type", NDJSON)]).await;
    lines.send(Bytes::from_static(b"{\"value\":\"a\"}\n")).await.expect("the request is open");
    let mut answer = answer.await;
    assert_eq!(answer.status, 200);
    assert_eq!(report(&mut answer).await["offset"], 0, "the first report comes while the request is open");
    lines.send(Bytes::from_static(b"{\"value\":\"b\"}\n{\"val")).await.expect("the request is open");
    assert_eq!(report(&mut answer).await["offset"], 1);
    lines.send(Bytes::from_static(b"ue\":\"c\"}")).await.expect("the request is open");
    drop(lines);
    assert_eq!(report(&mut answer).await["offset"], 2, "the last line needs no line feed");
    assert_eq!(answer.line().await, None);
}

#[tokio::test]
async fn a_bad_line_is_reported_in_its_place_and_the_rest_goes_on() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    let body = "{\"value\":1}\nnot json\n{\"valeu\":2}\n\n{\"value\":3}\n";
    let answer = http.post_as(&format!("/v1/topics/{queue}/messages"), NDJSON, body).await;
    assert_eq!(answer.status, 200);
    let reports: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    assert_eq!(reports.len(), 4, "blank lines do not count: {reports:?}");
    assert!(reports[0]["id"].is_u64() && reports[3]["id"].is_u64(), "{reports:?}");
    assert_eq!(reports[1]["error"]["code"], "invalid_request");
    assert!(
        reports[2]["error"]["field"].as_str().is_some_and(|field| field.contains("valeu")),
        "{}",
        reports[2]
    );
    assert_eq!(blackbox::values(&http.receive(&queue, 10).await), ["1", "3"]);
}

#[tokio::test]
async fn a_long_stream_passes_through_little_memory() {
    // A body may have 1 MiB as a whole; a stream of 24 MiB passes.
    let config = "[http]\nmax_body_bytes = \"1MiB\"\n[limits]\nmessage_bytes = \"64KiB\"\n";
    let server = Server::launch(blackbox::Launch::with_config(config));
    let http = server.http();
    http.make_log("log", 1).await;
    let (lines, answer) =
        http.duplex(Method::POST, "/v1/topics/log/messages?acks=leader", &[("content-type", NDJSON)]).await;
    let line = Bytes::from(format!("{{\"value\":\"{}\"}}\n", "z".repeat(8000)));
    let writer = tokio::spawn(async move {
        for _ in 0..3000 {
            lines.send(line.clone()).await.expect("the request is open");
        }
    });
    let mut answer = answer.await;
    for expected in 0..3000 {
        assert_eq!(report(&mut answer).await["offset"], expected);
    }
    assert_eq!(answer.line().await, None);
    writer.await.expect("no panic");
}

#[tokio::test]
async fn records_stream_out_as_lines() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    http.publish_values(&log, 0..2500).await;
    let path = format!("/v1/topics/{log}/partitions/0/records?offset=earliest&limit=2500&max_bytes=10000000");
    let mut answer = http.open(Method::GET, &path, &[("accept", NDJSON)], "".into()).await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().ok()), (200, Some(NDJSON)));
    let mut offsets = Vec::new();
    while let Some(line) = answer.line().await {
        let record: Value = serde_json::from_str(&line).expect("JSON lines");
        if let Some(offset) = record["offset"].as_i64() {
            offsets.push(offset);
        }
    }
    assert_eq!(offsets, (0..2500).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_sends_lines_and_reads_no_reports_is_not_buffered_without_end() {
    const CHUNKS: usize = 250;
    const LINES: usize = 500;
    let server = Server::start();
    let http = server.http();
    http.make_log("log", 1).await;
    let (lines, answer) =
        http.duplex(Method::POST, "/v1/topics/log/messages?acks=leader", &[("content-type", NDJSON)]).await;
    let before = server.resident_kib();
    // What is wrong is reported at length: several times what was sent.
    let chunk = Bytes::from("{\"valeu\":1}\n".repeat(LINES));
    let writer = tokio::spawn(async move {
        for _ in 0..CHUNKS {
            lines.send(chunk.clone()).await.expect("the request is open");
        }
    });
    let mut answer = answer.await;
    // Meanwhile others are served; the time that takes is the server's to run ahead.
    for number in 0..300 {
        http.publish_values("log", [number]).await;
    }
    let grown = server.resident_kib().saturating_sub(before);
    let mut told = 0;
    for _ in 0..CHUNKS * LINES {
        let line = answer.line().await.expect("a report line");
        assert!(line.contains("invalid_request"), "{line}");
        told += line.len() as u64;
    }
    assert_eq!(answer.line().await, None);
    let told = told / 1024;
    assert!(grown < told / 2, "{grown} KiB more for {told} KiB of reports that nobody reads");
    writer.await.expect("no panic");
}

#[tokio::test]
async fn who_reads_no_records_is_not_buffered_without_end() {
    let server = Server::start();
    let http = server.http();
    http.make_log("log", 1).await;
    for _ in 0..100 {
        http.publish_values("log", (0..10).map(|_| "y".repeat(10_000))).await;
    }
    // Once, so that what the server reads into is there.
    http.records("log", 0, "offset=earliest&limit=1").await;
    let before = server.resident_kib();
    let path = "/v1/topics/log/partitions/0/records?offset=earliest&limit=1000&max_bytes=10000000";
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut reader = http.open(Method::GET, path, &[("accept", NDJSON)], "".into()).await;
        reader.line().await.expect("the first record");
        readers.push(reader);
    }
    for number in 0..300 {
        http.publish_values("log", [number]).await;
    }
    let grown = server.resident_kib().saturating_sub(before);
    let mut told = 0;
    for mut reader in readers {
        while let Some(line) = reader.line().await {
            told += line.len() as u64;
        }
    }
    let told = told / 1024;
    assert!(
        told > 30_000 && grown < told / 2,
        "{grown} KiB more for {told} KiB of records that nobody reads"
    );
}
