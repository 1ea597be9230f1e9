use blackbox::{Server, deadline, list, values};
use serde_json::json;

#[tokio::test]
async fn reading_starts_at_an_offset_the_ends_or_a_time() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_lasting_log(&log, 1).await;
    let messages: Vec<_> =
        (0..10).map(|n| json!({"value": n, "timestamp": 1_700_000_000_000_i64 + n * 1000})).collect();
    http.publish(&log, json!(messages)).await;
    let read = async |offset: &str| {
        let page = http.records(&log, 0, &format!("offset={offset}")).await;
        (values(&list(&page, "records")).first().cloned(), page["next_offset"].as_i64())
    };
    assert_eq!(read("earliest").await, (Some("0".into()), Some(10)));
    assert_eq!(read("4").await, (Some("4".into()), Some(10)));
    assert_eq!(read("latest").await, (None, Some(10)));
    assert_eq!(read("@1700000003000").await, (Some("3".into()), Some(10)));
    assert_eq!(read("@1700000003001").await, (Some("4".into()), Some(10)));
    assert_eq!(read("@2023-11-14T22:13:25Z").await, (Some("5".into()), Some(10)));
    assert_eq!(read("@4000000000000").await, (None, Some(10)));
    let page = http.records(&log, 0, "offset=2&limit=3").await;
    assert_eq!(values(&list(&page, "records")), ["2", "3", "4"]);
    assert_eq!(
        (&page["next_offset"], &page["high_watermark"], &page["log_start_offset"]),
        (&json!(5), &json!(10), &json!(0))
    );
    let record = &page["records"][0];
    assert_eq!((&record["partition"], &record["offset"]), (&json!(0), &json!(2)));
    assert_eq!(record["timestamp"], 1_700_000_002_000_i64);
}

#[tokio::test]
async fn an_offset_beyond_the_end_or_a_missing_partition_is_refused() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 2).await;
    let records =
        |partition: u32, query: &str| format!("/v1/topics/{log}/partitions/{partition}/records?{query}");
    http.get(&records(0, "offset=5")).await.refused(416, "offset_out_of_range");
    http.get(&records(2, "offset=0")).await.refused(404, "unknown_partition");
    http.get(&records(0, "offset=-1")).await.refused_in(400, "invalid_request", "offset");
    http.get(&records(0, "offset=soon")).await.refused_in(400, "invalid_request", "offset");
    http.get(&records(0, "offset=@yesterday")).await.refused_in(400, "invalid_request", "offset");
    http.get(&records(0, "offset=0&isolation=strict")).await.refused_in(400, "invalid_request", "isolation");
    http.get(&records(0, "offset=0&color=red")).await.refused_in(400, "invalid_request", "color");
    for isolation in ["read_committed", "read_uncommitted"] {
        http.get(&records(0, &format!("offset=0&isolation={isolation}"))).await.expect(200);
    }
}

#[tokio::test]
async fn a_reader_that_waits_is_answered_when_something_comes() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    let path = format!("/v1/topics/{log}/partitions/0/records?offset=0&wait_ms=1");
    assert_eq!(http.get(&path).await.expect(200)["records"], json!([]), "the wait ends without an error");
    let waiting = tokio::spawn({
        let (http, log) = (http.clone(), log.clone());
        async move { http.records(&log, 0, "offset=0&wait_ms=30000").await }
    });
    http.publish_values(&log, ["news"]).await;
    let page = deadline::soon("the reader is answered", waiting).await.expect("no panic");
    assert_eq!(values(&list(&page, "records")), ["news"]);
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes_but_never_empty_for_a_large_record() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    for n in 0..5 {
        http.publish_values(&log, [format!("{n}{}", "x".repeat(50_000))]).await;
    }
    let mut offset = 0;
    let mut pages = 0;
    while offset < 5 {
        let page = http.records(&log, 0, &format!("offset={offset}&max_bytes=1000")).await;
        let next = page["next_offset"].as_i64().expect("an offset");
        assert!(next > offset, "a record larger than max_bytes must not stall the reader");
        assert!(list(&page, "records").len() <= 2, "max_bytes was ignored");
        offset = next;
        pages += 1;
    }
    assert!(pages >= 3);
}

#[tokio::test]
async fn order_within_a_partition_is_the_order_of_publishing() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 3).await;
    for batch in 0..20 {
        let messages: Vec<_> =
            (0..50).map(|n| json!({"key": format!("k{}", n % 7), "value": batch * 50 + n})).collect();
        http.publish(&log, json!(messages)).await;
    }
    let mut total = 0;
    for partition in 0..3 {
        let mut last = std::collections::BTreeMap::new();
        let mut offset = 0;
        loop {
            let page = http.records(&log, partition, &format!("offset={offset}&limit=64")).await;
            let records = list(&page, "records");
            if records.is_empty() {
                break;
            }
            for record in records {
                assert_eq!(record["offset"], offset, "offsets have no gaps");
                offset += 1;
                let value = record["value"].as_i64().expect("a number");
                let before = last.insert(record["key"].to_string(), value);
                assert!(before < Some(value), "key {} went back from {before:?} to {value}", record["key"]);
                total += 1;
            }
        }
    }
    assert_eq!(total, 1000);
}

#[tokio::test]
async fn retention_by_bytes_moves_the_start() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    let config = json!({"retention.bytes": "200000", "segment.bytes": "100000"});
    let settings = json!({"model": "log", "log": {"partitions": 1, "config": config}});
    http.put(&format!("/v1/topics/{log}"), settings).await.expect(201);
    for _ in 0..40 {
        http.publish_values(&log, ["x".repeat(50_000)]).await;
    }
    let start = deadline::until("old records go", async || {
        let start = http.records(&log, 0, "offset=latest").await["log_start_offset"].as_i64()?;
        (start > 0).then_some(start)
    })
    .await;
    let page = http.records(&log, 0, "offset=earliest&limit=1").await;
    assert!(page["records"][0]["offset"].as_i64() >= Some(start));
    http.get(&format!("/v1/topics/{log}/partitions/0/records?offset=0"))
        .await
        .refused(416, "offset_out_of_range");
}

#[tokio::test]
async fn records_are_read_as_a_binary_batch_too() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    http.publish_values(&log, ["first", "second"]).await;
    let path = format!("/v1/topics/{log}/partitions/0/records?offset=0");
    let answer =
        http.send(hyper::Method::GET, &path, &[("accept", "application/vnd.sluice.batch")], "".into()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/vnd.sluice.batch"));
    let bytes = answer.body.clone();
    for value in [&b"first"[..], b"second"] {
        assert!(bytes.windows(value.len()).any(|window| window == value), "values travel as they are");
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_wherever_it_lay() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("log", 2).await;
    // More than one journal segment, so that some of it has settled into the partition's own files.
    for batch in 0..24 {
        let messages: Vec<_> = (0..100)
            .map(
                |n| json!({"value": format!("{}-{}", batch * 100 + n, "y".repeat(4000)), "partition": n % 2}),
            )
            .collect();
        http.publish("log", json!(messages)).await;
    }
    server.crash();
    let http = server.http();
    for partition in 0..2 {
        let mut offset = 0;
        while offset < 1200 {
            let page = http.records("log", partition, &format!("offset={offset}")).await;
            for record in list(&page, "records") {
                let number = (offset / 50) * 100 + (offset % 50) * 2 + i64::from(partition);
                let value = record["value"].as_str().expect("text");
                assert!(value.starts_with(&format!("{number}-")), "offset {offset} holds {:.20}", value);
                offset += 1;
            }
        }
        assert_eq!(
            http.publish("log", json!([{"value": "next", "partition": partition}])).await[0]["offset"],
            1200
        );
    }
}
