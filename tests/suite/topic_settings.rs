use blackbox::{Launch, Server, list, values};
use serde_json::{Value, json};

fn setting<'s>(settings: &'s [Value], name: &str) -> &'s Value {
    settings.iter().find(|setting| setting["name"] == name).unwrap_or_else(|| panic!("no setting {name}"))
}

#[tokio::test]
async fn every_setting_tells_its_value_and_where_it_comes_from() {
    let config = "[log]\ntopic_defaults = [\"retention.ms=86400000\"]\n";
    let server = Server::launch(Launch::with_config(config));
    let http = server.http();
    let config = json!({"segment.bytes": 100_000, "compression.type": "zstd"});
    let log = json!({"partitions": 2, "config": config});
    http.put("/v1/topics/log", json!({"model": "log", "log": log})).await.expect(201);
    let look = async || list(&http.get("/v1/topics/log/settings").await.expect(200), "settings");
    let settings = look().await;
    for (name, value, source) in [
        ("retention.ms", "86400000", "broker"),
        ("segment.bytes", "100000", "topic"),
        ("compression.type", "zstd", "topic"),
        ("segment.ms", "604800000", "default"),
        ("min.insync.replicas", "1", "default"),
    ] {
        let setting = setting(&settings, name);
        assert_eq!((&setting["value"], &setting["source"]), (&json!(value), &json!(source)), "{name}");
    }
    assert_eq!(setting(&settings, "min.insync.replicas")["fixed"], true);
    let change = json!({"log": {"config": {"retention.ms": "5000", "segment.bytes": null}}});
    http.patch("/v1/topics/log", change).await.expect(200);
    let settings = look().await;
    assert_eq!(setting(&settings, "retention.ms")["source"], "topic");
    assert_eq!(setting(&settings, "segment.bytes")["value"], "1073741824");
    for (key, value) in [("min.insync.replicas", "2"), ("compression.type", "brotli"), ("colour", "red")] {
        let change = json!({"log": {"config": {key: value}}});
        http.patch("/v1/topics/log", change).await.refused_in(400, "invalid_config", key);
    }
    let lags = json!({"min.compaction.lag.ms": 10, "max.compaction.lag.ms": 9});
    for change in [json!({"log": {"config": lags}}), json!({"log": {"partitions": 1}})] {
        http.patch("/v1/topics/log", change).await.refused(409, "conflicting_settings");
    }
}

#[tokio::test]
async fn compression_is_the_topics_business_and_readers_do_not_notice() {
    let server = Server::shared();
    let http = server.http();
    for codec in ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] {
        let log = server.name(codec);
        let config = json!({"compression.type": codec, "retention.ms": "-1"});
        http.put(&format!("/v1/topics/{log}"), json!({"model": "log", "log": {"config": config}}))
            .await
            .expect(201);
        let sent: Vec<Value> = (0..200)
            .map(
                |n| json!({"value": format!("{n} of the same text"), "timestamp": 1_700_000_000_000_i64 + n}),
            )
            .collect();
        http.publish(&log, json!(sent)).await;
        let page = http.records(&log, 0, "offset=@1700000000120&to=@1700000000125").await;
        let found = values(&list(&page, "records"));
        assert_eq!(found.len(), 5, "{codec}");
        assert_eq!(found[0], "120 of the same text", "{codec}");
        let bytes =
            http.get(&format!("/v1/topics/{log}")).await.expect(200)["partitions"][0]["bytes"].clone();
        let packed = !matches!(codec, "producer" | "uncompressed");
        assert_eq!(bytes.as_u64().is_some_and(|bytes| bytes < 4000), packed, "{codec}: {bytes} bytes");
    }
}

#[tokio::test]
async fn timestamps_out_of_bounds_are_refused_one_by_one() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    let config = json!({"message.timestamp.before.max.ms": "3600000"});
    http.put(&format!("/v1/topics/{log}"), json!({"model": "log", "log": {"config": config}}))
        .await
        .expect(201);
    let messages = json!({"messages": [
        {"value": "now"},
        {"value": "long ago", "timestamp": 1_000_000_000_000_i64},
        {"value": "far ahead", "timestamp": 9_000_000_000_000_i64},
    ]});
    let answer = http.post(&format!("/v1/topics/{log}/messages"), messages).await.expect(207);
    let results = list(&answer, "results");
    assert_eq!(results[0]["offset"], 0);
    for refused in &results[1..] {
        assert_eq!(refused["error"]["code"], "invalid_timestamp", "{refused}");
    }
    let own = json!({"log": {"config": {"message.timestamp.type": "LogAppendTime"}}});
    http.patch(&format!("/v1/topics/{log}"), own).await.expect(200);
    let results =
        http.publish(&log, json!([{"value": "long ago", "timestamp": 1_000_000_000_000_i64}])).await;
    assert!(results[0]["timestamp"].as_i64() > Some(1_700_000_000_000), "{results:?}");
}

#[tokio::test]
async fn records_before_a_place_are_removed_for_good() {
    let mut server = Server::start();
    let http = server.http();
    let config = json!({"retention.ms": "-1"});
    let log = json!({"partitions": 2, "config": config});
    http.put("/v1/topics/log", json!({"model": "log", "log": log})).await.expect(201);
    let at = |n: i64| 1_700_000_000_000_i64 + n * 1000;
    let messages: Vec<_> = (0..10).map(|n| json!({"value": n, "timestamp": at(n), "partition": 0})).collect();
    http.publish("log", json!(messages)).await;
    let delete = async |before: &str| {
        http.delete(&format!("/v1/topics/log/partitions/0/records?before={before}")).await
    };
    assert_eq!(delete("3").await.expect(200)["log_start_offset"], 3);
    assert_eq!(delete("1").await.expect(200)["log_start_offset"], 3, "what is gone is gone");
    assert_eq!(delete(&format!("@{}", at(5))).await.expect(200)["log_start_offset"], 5);
    delete("11").await.refused_in(416, "offset_out_of_range", "before");
    delete("soon").await.refused_in(400, "invalid_request", "before");
    http.delete("/v1/topics/log/partitions/0/records").await.refused_in(400, "invalid_request", "before");
    http.get("/v1/topics/log/partitions/0/records?offset=4").await.refused(416, "offset_out_of_range");
    server.kill();
    server.run();
    let http = server.http();
    let page = http.records("log", 0, "offset=earliest").await;
    assert_eq!(
        (values(&list(&page, "records")).join(","), &page["log_start_offset"]),
        ("5,6,7,8,9".into(), &json!(5))
    );
    let answer = http.delete("/v1/topics/log/partitions/0/records?before=latest").await.expect(200);
    assert_eq!(answer["log_start_offset"], 10);
    assert_eq!(list(&http.records("log", 0, "offset=earliest").await, "records"), Vec::<Value>::new());
    assert_eq!(http.publish("log", json!([{"value": "next", "partition": 0}])).await[0]["offset"], 10);
}

#[tokio::test]
async fn flush_messages_makes_every_answer_wait_for_the_disk() {
    let server = Server::start();
    let http = server.http();
    let config = json!({"flush.messages": "1"});
    http.put("/v1/topics/log", json!({"model": "log", "log": {"config": config}})).await.expect(201);
    let syncs = async || {
        let text = http.get("/metrics").await.text();
        let line = text.lines().find(|line| line.starts_with("sluice_journal_sync_seconds_count"));
        let count = line.and_then(|line| line.rsplit(' ').next());
        count.and_then(|count| count.parse::<f64>().ok()).expect("syncs are counted")
    };
    let before = syncs().await;
    for n in 0..20 {
        let messages = json!({"messages": [{"value": n}]});
        http.post("/v1/topics/log/messages?acks=leader", messages).await.expect(200);
    }
    let after = syncs().await;
    assert!(after >= before + 20.0, "{before} syncs, then {after}");
}
