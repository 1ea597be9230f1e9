use blackbox::{Http, Server, deadline, list, values};
use serde_json::{Value, json};

/// Waits until a job is over and returns it.
async fn finished(http: &Http, path: &str) -> Value {
    deadline::until("the job ends", async || {
        let job = http.get(path).await.expect(200);
        (job["state"] != "running").then_some(job)
    })
    .await
}

fn job_path(kind: &str, job: &Value) -> String {
    format!("/v1/{kind}/{}", job["id"].as_str().expect("a job has an id"))
}

#[tokio::test]
async fn a_log_s_past_is_replayed_into_a_queue_or_another_log() {
    let server = Server::shared();
    let http = server.http();
    let (log, queue, copy) = (server.name("log"), server.name("queue"), server.name("copy"));
    http.make_log(&log, 2).await;
    http.make_queue(&queue, json!({})).await;
    http.make_log(&copy, 2).await;
    let messages: Vec<_> = (0..40)
        .map(|n| json!({"key": format!("k{n}"), "value": n, "partition": n % 2, "headers": {"n": "x"}}))
        .collect();
    http.publish(&log, json!(messages)).await;
    for destination in [&queue, &copy] {
        let replay = json!({"source": {"topic": log, "from": "earliest", "to": "latest"},
            "destination": {"topic": destination}});
        let started = http.post("/v1/replays", replay).await;
        assert!(matches!(started.status, 201 | 202), "{}", started.text());
        let job = finished(&http, &job_path("replays", &started.value())).await;
        assert_eq!((&job["state"], &job["moved"]), (&json!("done"), &json!(40)), "{job}");
    }
    let mut replayed: Vec<i64> =
        http.drain_queue(&queue).await.iter().filter_map(|message| message["value"].as_i64()).collect();
    replayed.sort_unstable();
    assert_eq!(replayed, (0..40).collect::<Vec<_>>());
    let mut copied = 0;
    for partition in 0..2 {
        copied += list(&http.records(&copy, partition, "offset=0").await, "records").len();
    }
    assert_eq!(copied, 40);
}

#[tokio::test]
async fn a_replay_can_be_limited_in_range_and_cancelled() {
    let server = Server::shared();
    let http = server.http();
    let (log, queue) = (server.name("log"), server.name("queue"));
    http.make_log(&log, 1).await;
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&log, 0..100).await;
    let part = json!({"source": {"topic": log, "from": 10, "to": 15}, "destination": {"topic": queue}});
    let started = http.post("/v1/replays", part).await.value();
    let job = finished(&http, &job_path("replays", &started)).await;
    assert_eq!(job["moved"], 5, "{job}");
    assert_eq!(values(&http.drain_queue(&queue).await), ["10", "11", "12", "13", "14"]);
    let slow = json!({"source": {"topic": log, "from": "earliest", "to": "latest"}, "destination": {"topic": queue},
        "rate_per_s": 2});
    let started = http.post("/v1/replays", slow).await.value();
    let path = job_path("replays", &started);
    assert_eq!(http.get(&path).await.expect(200)["state"], "running");
    assert!(http.post(&format!("{path}/cancel"), json!({})).await.status < 300);
    let job = finished(&http, &path).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    assert!(job["moved"].as_u64() < Some(100), "{job}");
}

#[tokio::test]
async fn dead_letters_go_back_to_where_they_came_from() {
    let server = Server::shared();
    let http = server.http();
    let (a, b, dead) = (server.name("a"), server.name("b"), server.name("dead"));
    http.make_queue(&dead, json!({})).await;
    for queue in [&a, &b] {
        http.make_queue(queue, json!({"dead_letter_exchange": "", "dead_letter_routing_key": dead})).await;
        http.publish_values(queue, [format!("{queue} 1"), format!("{queue} 2")]).await;
        for message in http.receive(queue, 10).await {
            http.settle(json!({"reject": [message["lease"]]})).await;
        }
    }
    deadline::until("all four are dead", async || {
        (http.queue_stats(&dead).await["ready"] == 4).then_some(())
    })
    .await;
    let started = http.post(&format!("/v1/topics/{dead}/redrive"), json!({})).await;
    assert!(matches!(started.status, 201 | 202), "{}", started.text());
    let job = finished(&http, &job_path("replays", &started.value())).await;
    assert_eq!((&job["state"], &job["moved"]), (&json!("done"), &json!(4)), "{job}");
    for queue in [&a, &b] {
        let mut back = values(&http.drain_queue(queue).await);
        back.sort();
        assert_eq!(back, [format!("{queue} 1"), format!("{queue} 2")]);
    }
    assert_eq!(http.queue_stats(&dead).await["ready"], 0);
}

#[tokio::test]
async fn a_job_that_cannot_be_is_refused_before_it_starts() {
    let server = Server::shared();
    let http = server.http();
    let (log, queue) = (server.name("log"), server.name("queue"));
    http.make_log(&log, 1).await;
    http.make_queue(&queue, json!({})).await;
    let from = |topic: &str, to: &str| json!({"source": {"topic": topic, "from": "earliest", "to": "latest"}, "destination": {"topic": to}});
    http.post("/v1/replays", from(&queue, &log)).await.refused(409, "wrong_model");
    http.post("/v1/replays", from("nowhere", &queue)).await.refused(404, "unknown_topic");
    http.post("/v1/replays", from(&log, "nowhere")).await.refused(404, "unknown_topic");
    http.post("/v1/replays", json!({"source": {"topic": log}})).await.refused_in(
        400,
        "invalid_request",
        "destination",
    );
    http.get("/v1/replays/no-such-job").await.refused(404, "unknown_job");
}
