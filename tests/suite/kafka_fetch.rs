//! Fetching from the Kafka door.

use blackbox::{Kafka, Server};
use kafka_wire::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use serde_json::json;

/// Requests sent ahead: more than are worked on at a time while an answer of this size waits to be written.
const AHEAD: usize = 40;

#[tokio::test]
async fn requests_that_were_sent_ahead_of_large_answers_are_all_answered() {
    let server = Server::start();
    let http = server.http();
    http.put("/v1/topics/log", json!({"model": "log", "log": {"partitions": 1}})).await.expect(201);
    for _ in 0..4 {
        http.publish_values("log", (0..5).map(|_| "x".repeat(100_000))).await;
    }
    let partition = FetchPartition { partition_max_bytes: 50 << 20, ..FetchPartition::default() };
    let topics =
        vec![FetchTopic { topic: "log".into(), partitions: vec![partition], ..FetchTopic::default() }];
    let fetch = FetchRequest { max_wait_ms: 0, topics, ..FetchRequest::default() };
    let mut kafka = Kafka::connect(&server).await;
    let mut sent = Vec::new();
    for _ in 0..AHEAD {
        sent.push(kafka.send(11, &fetch).await);
    }
    for id in sent {
        let answer = kafka.receive::<FetchRequest>(11, id).await;
        assert!(answer.responses[0].partitions[0].records.0.concat().len() > 2_000_000);
    }
}
