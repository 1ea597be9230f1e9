use std::collections::BTreeMap;

use blackbox::{Server, list, values};
use serde_json::json;

#[tokio::test]
async fn queues_come_back_as_they_were_acknowledged() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("queue", json!({"max_priority": 9})).await;
    http.publish(
        "queue",
        json!([{"value": "low", "priority": 1}, {"value": "high", "priority": 9}, {"value": "acked", "priority": 5},
               {"value": "held", "priority": 8}, {"value": "later", "delay_ms": 600000}]),
    )
    .await;
    let taken = http.receive("queue", 3).await;
    assert_eq!(values(&taken), ["high", "held", "acked"]);
    http.ack(&taken[2]).await;
    http.settle(json!({"nack": [{"lease": taken[0]["lease"]}]})).await;
    server.crash();
    let http = server.http();
    let back = http.drain_queue("queue").await;
    let seen: BTreeMap<String, bool> = back
        .iter()
        .map(|message| {
            (message["value"].as_str().unwrap_or_default().to_owned(), message["redelivered"] == true)
        })
        .collect();
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), ["held", "high", "low"]);
    assert_eq!(
        (seen["high"], seen["held"], seen["low"]),
        (true, true, false),
        "who was handed out before says so"
    );
    assert_eq!(http.queue_stats("queue").await["delayed"], 1, "the delayed one still waits");
}

#[tokio::test]
async fn it_comes_back_again_and_again() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    http.make_log("log", 2).await;
    for round in 0..6 {
        let http = server.http();
        http.publish_values("queue", [format!("q{round}")]).await;
        http.publish("log", json!([{"value": round, "partition": round % 2}])).await;
        if round % 2 == 0 {
            server.kill();
        } else {
            server.terminate();
            server.wait();
        }
        server.run();
    }
    let http = server.http();
    assert_eq!(values(&http.drain_queue("queue").await), ["q0", "q1", "q2", "q3", "q4", "q5"]);
    for partition in 0..2 {
        assert_eq!(list(&http.records("log", partition, "offset=0").await, "records").len(), 3);
    }
}

#[tokio::test]
async fn an_index_that_is_missing_or_damaged_is_made_again() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("log", 1).await;
    for batch in 0..40 {
        http.publish_values("log", (0..100).map(|n| format!("{}-{}", batch * 100 + n, "w".repeat(4000))))
            .await;
    }
    server.terminate();
    server.wait();
    let mut indexes = Vec::new();
    find_indexes(&server.data_dir(), &mut indexes);
    assert!(!indexes.is_empty(), "some of the log has settled into files with indexes");
    for (at, index) in indexes.iter().enumerate() {
        if at % 2 == 0 {
            std::fs::remove_file(index).expect("an index");
        } else {
            let len = std::fs::metadata(index).expect("an index").len();
            std::fs::write(index, vec![0xa5; len as usize]).expect("an index");
        }
    }
    server.run();
    let http = server.http();
    for offset in [0, 1, 777, 1999, 3999] {
        let page = http.records("log", 0, &format!("offset={offset}&limit=1")).await;
        let value = page["records"][0]["value"].as_str().unwrap_or_default().to_owned();
        assert!(value.starts_with(&format!("{offset}-")), "offset {offset} holds {value:.20}");
    }
}

fn find_indexes(dir: &std::path::Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find_indexes(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "index" || extension == "timeindex") {
            into.push(path);
        }
    }
    into.sort();
}
