use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use blackbox::{Server, list, values};
use serde_json::json;

#[tokio::test]
async fn json_carries_any_value_and_keeps_its_type() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    let raw = BASE64.encode([0xff, 0x00, 0xfe]);
    let results = http
        .publish(
            &log,
            json!([
                {"key": "k", "value": {"nested": [1, 2.5, null]}},
                {"value": "text"},
                {"value_base64": raw},
                {"value": 7, "headers": {"trace": "abc", "n": "1"}},
                {"key": "k", "value": null},
            ]),
        )
        .await;
    for (at, result) in results.iter().enumerate() {
        assert_eq!(result["partition"], 0);
        assert_eq!(result["offset"], at);
        assert!(result["timestamp"].as_i64().is_some_and(|ms| ms > 1_600_000_000_000), "{result}");
    }
    let records = http.records(&log, 0, "offset=earliest").await["records"].clone();
    assert_eq!(records[0]["key"], "k");
    assert_eq!(records[0]["value"], json!({"nested": [1, 2.5, null]}));
    assert_eq!(records[1]["value"], "text");
    assert_eq!(records[2]["value_base64"], raw.as_str());
    assert!(records[2].get("value").is_none(), "exactly one form of a value: {}", records[2]);
    assert_eq!(records[3]["value"], 7);
    let headers = records[3]["headers"].to_string();
    assert!(headers.contains("trace") && headers.contains("abc"), "{headers}");
}

#[tokio::test]
async fn any_other_content_type_is_one_raw_message() {
    let server = Server::shared();
    let http = server.http();
    for model in ["queue", "log"] {
        let name = server.name("raw");
        http.put(&format!("/v1/topics/{name}"), json!({"model": model})).await.expect(201);
        let path = format!("/v1/topics/{name}/messages");
        http.post_as(&path, "text/plain", "bonjour").await.expect(200);
        http.post_as(&path, "application/octet-stream", vec![0_u8, 159, 146, 150]).await.expect(200);
        http.post_as(&path, "image/png", "not really").await.expect(200);
        let messages = if model == "queue" {
            http.receive(&name, 10).await
        } else {
            list(&http.records(&name, 0, "offset=earliest").await, "records")
        };
        assert_eq!(messages.len(), 3);
        assert_eq!(messages[0]["value"], "bonjour");
        assert_eq!(messages[0]["content_type"], "text/plain");
        assert_eq!(messages[1]["value_base64"], BASE64.encode([0_u8, 159, 146, 150]));
        assert_eq!(messages[2]["content_type"], "image/png");
    }
}

#[tokio::test]
async fn the_reader_chooses_how_values_are_written() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    http.publish(&log, json!([{"value": {"a": 1}}])).await;
    let read = async |values: &str| {
        http.records(&log, 0, &format!("offset=0&values={values}")).await["records"][0].clone()
    };
    assert_eq!(read("json").await["value"], json!({"a": 1}));
    assert_eq!(read("text").await["value"], "{\"a\":1}");
    assert_eq!(read("base64").await["value_base64"], BASE64.encode("{\"a\":1}"));
}

#[tokio::test]
async fn results_come_in_the_order_sent_and_refusals_stand_among_them() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("full");
    http.make_queue(&queue, json!({"max_length": 2, "overflow": "reject_publish"})).await;
    let messages = json!([{"value": 1}, {"value": 2}, {"value": 3}]);
    let answer = http.post(&format!("/v1/topics/{queue}/messages"), json!({ "messages": messages })).await;
    let results = answer.expect(207)["results"].clone();
    assert!(results[0]["id"].is_u64() && results[1]["id"].is_u64(), "{results}");
    assert_eq!(results[2]["error"]["code"], "queue_full");
    assert_eq!(results[2]["error"]["retryable"], true);
    assert_eq!(values(&http.receive(&queue, 10).await), ["1", "2"]);
}

#[tokio::test]
async fn every_durability_can_be_asked_for() {
    let server = Server::shared();
    let http = server.http();
    for model in ["queue", "log"] {
        let name = server.name("acks");
        http.put(&format!("/v1/topics/{name}"), json!({"model": model})).await.expect(201);
        for acks in ["all", "leader", "none"] {
            let path = format!("/v1/topics/{name}/messages?acks={acks}");
            http.post(&path, json!({"messages": [{"value": acks}]})).await.expect(200);
        }
        // `none` is answered before it is applied, so it may take a moment to appear.
        let mut seen = Vec::new();
        if model == "queue" {
            while seen.len() < 3 {
                seen.extend(values(&http.receive_soon(&name, 10).await));
            }
        } else {
            while seen.len() < 3 {
                seen = values(&list(&http.records(&name, 0, "offset=0").await, "records"));
            }
        }
        assert_eq!(seen, ["all", "leader", "none"]);
        let wrong =
            http.post(&format!("/v1/topics/{name}/messages?acks=some"), json!({"messages": []})).await;
        wrong.refused_in(400, "invalid_request", "acks");
    }
}

#[tokio::test]
async fn keys_decide_the_partition_unless_the_message_does() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("keyed");
    http.make_log(&log, 4).await;
    let same: Vec<_> = (0..20).map(|n| json!({"key": "customer-1", "value": n})).collect();
    let results = http.publish(&log, json!(same)).await;
    assert!(results.iter().all(|result| result["partition"] == results[0]["partition"]), "{results:?}");
    let many: Vec<_> = (0..100).map(|n| json!({"key": format!("customer-{n}"), "value": n})).collect();
    let partitions: std::collections::BTreeSet<_> =
        http.publish(&log, json!(many)).await.iter().map(|result| result["partition"].as_u64()).collect();
    assert_eq!(partitions.len(), 4, "a hundred keys reach every partition");
    let placed = http.publish(&log, json!([{"key": "customer-1", "value": 0, "partition": 3}])).await;
    assert_eq!(placed[0]["partition"], 3);
    let nowhere = http
        .post(&format!("/v1/topics/{log}/messages"), json!({"messages": [{"value": 0, "partition": 9}]}))
        .await;
    let problem =
        if nowhere.status == 207 { nowhere.value()["results"][0]["error"].clone() } else { nowhere.value() };
    assert_eq!(problem["code"], "unknown_partition", "{}", nowhere.text());
}
