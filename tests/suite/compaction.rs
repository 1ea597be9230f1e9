use std::collections::BTreeMap;

use blackbox::{Launch, Server, deadline, list};
use serde_json::{Value, json};

/// Looks at logs often, so that a test need not wait for a second.
fn eager() -> Server {
    Server::launch(Launch::with_config("[log]\ncheck_interval_ms = 20\n"))
}

fn settings(more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "segment.ms": "50",
        "segment.bytes": "20000",
    });
    for (key, value) in more {
        config[*key] = json!(value);
    }
    json!({"model": "log", "log": {"config": config}})
}

/// Every record of a partition.
async fn all(server: &Server, log: &str) -> Vec<Value> {
    let (http, mut found, mut offset) = (server.http(), Vec::new(), 0);
    loop {
        let page = http.records(log, 0, &format!("offset={offset}&limit=1000")).await;
        found.extend(list(&page, "records"));
        let next = page["next_offset"].as_i64().expect("an offset");
        if next == offset {
            return found;
        }
        offset = next;
    }
}

/// Waits until compaction has left so many records, and answers them.
async fn compacted(server: &Server, log: &str, left: usize) -> Vec<Value> {
    deadline::until("the log is compacted", || async {
        Some(all(server, log).await).filter(|records| records.len() == left)
    })
    .await
}

#[tokio::test]
async fn user_profiles_are_compacted_to_one_email_per_user() {
    let mut server = eager();
    let http = server.http();
    http.put("/v1/topics/user-profiles", settings(&[])).await.expect(201);
    let mut last = BTreeMap::new();
    for round in 0..20 {
        let messages: Vec<Value> = (0..50)
            .map(|n| {
                let (user, email) =
                    (format!("user-{}", (n * 7 + round) % 30), format!("{round}.{n}@example.org"));
                last.insert(user.clone(), email.clone());
                json!({"key": user, "value": {"email": email}})
            })
            .collect();
        http.publish("user-profiles", json!(messages)).await;
    }
    // The last word of each user is there, once, in the order of publishing.
    let check = |records: &[Value]| {
        let found: BTreeMap<String, String> = records
            .iter()
            .map(|record| {
                let text = |value: &Value| value.as_str().expect("text").to_owned();
                (text(&record["key"]), text(&record["value"]["email"]))
            })
            .collect();
        assert_eq!(found, last);
        let offsets: Vec<i64> = records.iter().filter_map(|record| record["offset"].as_i64()).collect();
        assert!(offsets.is_sorted());
    };
    check(&compacted(&server, "user-profiles", 30).await);
    let described = http.get("/v1/topics/user-profiles").await.expect(200);
    assert_eq!(described["partitions"][0]["high_watermark"], 1000, "offsets never change");
    server.kill();
    server.run();
    check(&all(&server, "user-profiles").await);
    // A user who is deleted is gone once the tombstone's time has come.
    let http = server.http();
    let change = json!({"log": {"config": {"delete.retention.ms": "100"}}});
    http.patch("/v1/topics/user-profiles", change).await.expect(200);
    http.publish("user-profiles", json!([{"key": "user-3", "value": null}])).await;
    let left = compacted(&server, "user-profiles", 29).await;
    assert!(left.iter().all(|record| record["key"] != "user-3"));
}

#[tokio::test]
async fn a_record_without_a_key_is_refused_by_a_compacted_log_alone() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("profiles");
    http.put(&format!("/v1/topics/{log}"), settings(&[])).await.expect(201);
    let messages = json!({"messages": [{"key": "a", "value": 1}, {"value": 2}, {"key": "", "value": 3}]});
    let answer = http.post(&format!("/v1/topics/{log}/messages"), messages).await.expect(207);
    let results = list(&answer, "results");
    assert_eq!(results[1]["error"]["code"], "invalid_record", "{answer}");
    assert_eq!((&results[0]["offset"], &results[2]["offset"]), (&json!(0), &json!(1)));
    let change = json!({"log": {"config": {"cleanup.policy": "delete"}}});
    http.patch(&format!("/v1/topics/{log}"), change).await.expect(200);
    http.publish(&log, json!([{"value": 4}])).await;
}

#[tokio::test]
async fn the_policy_can_change_while_the_log_is_in_use() {
    let server = eager();
    let http = server.http();
    let config = json!({"segment.ms": "50", "min.cleanable.dirty.ratio": "0"});
    http.put("/v1/topics/log", json!({"model": "log", "log": {"config": config}})).await.expect(201);
    let messages: Vec<Value> = (0..100).map(|n| json!({"key": format!("k{}", n % 4), "value": n})).collect();
    http.publish("log", json!(messages)).await;
    assert_eq!(all(&server, "log").await.len(), 100);
    let change = json!({"log": {"config": {"cleanup.policy": "compact"}}});
    http.patch("/v1/topics/log", change).await.expect(200);
    let left = compacted(&server, "log", 4).await;
    assert_eq!(left.iter().map(|record| record["value"].clone()).collect::<Vec<_>>(), [96, 97, 98, 99]);
}

#[tokio::test]
async fn retention_by_bytes_and_by_time_removes_whole_segments() {
    let server = eager();
    let http = server.http();
    let log = |name: &str, config: Value| {
        (format!("/v1/topics/{name}"), json!({"model": "log", "log": {"config": config}}))
    };
    for (path, body) in [
        log("by-bytes", json!({"segment.bytes": "20000", "segment.ms": "50", "retention.bytes": "60000"})),
        log("by-time", json!({"segment.bytes": "20000", "segment.ms": "50", "retention.ms": "200"})),
    ] {
        http.put(&path, body).await.expect(201);
    }
    let value = "x".repeat(1000);
    for _ in 0..20 {
        let messages: Vec<Value> = (0..10).map(|_| json!({ "value": value })).collect();
        http.publish("by-bytes", json!(messages)).await;
        http.publish("by-time", json!(messages)).await;
    }
    let described =
        async |name: &str| http.get(&format!("/v1/topics/{name}")).await.expect(200)["partitions"][0].clone();
    let kept = deadline::until("the log is shorter", || async {
        Some(described("by-bytes").await).filter(|partition| partition["bytes"].as_u64() < Some(90_000))
    })
    .await;
    assert!(kept["bytes"].as_u64() >= Some(60_000), "{kept}");
    assert!(kept["log_start_offset"].as_i64() > Some(0));
    deadline::until("everything is too old", || async {
        Some(described("by-time").await).filter(|partition| partition["log_start_offset"] == 200)
    })
    .await;
    // A longer time holds from now on.
    let change = json!({"log": {"config": {"retention.ms": "-1"}}});
    http.patch("/v1/topics/by-time", change).await.expect(200);
    http.publish_values("by-time", ["stays"]).await;
    assert_eq!(list(&http.records("by-time", 0, "offset=earliest").await, "records").len(), 1);
}
