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
async fn a_stretch_of_time_is_replayed_into_a_queue() {
    let server = Server::shared();
    let http = server.http();
    let (log, queue) = (server.name("log"), server.name("queue"));
    http.make_lasting_log(&log, 2).await;
    http.make_queue(&queue, json!({})).await;
    let records: Vec<_> = (0..20)
        .map(|n| json!({"value": n, "partition": n % 2, "timestamp": 1_700_000_000_000_i64 + n * 1000}))
        .collect();
    http.publish(&log, json!(records)).await;
    let replay = async |source: Value| {
        let body = json!({"source": source, "destination": {"topic": queue}});
        let started = http.post("/v1/replays", body).await.expect(202);
        let job = finished(&http, &job_path("replays", &started)).await;
        assert_eq!(job["state"], "done", "{job}");
        let messages = http.drain_queue(&queue).await;
        assert_eq!(job["moved"], messages.len(), "{job}");
        let mut replayed: Vec<i64> =
            messages.iter().filter_map(|message| message["value"].as_i64()).collect();
        replayed.sort_unstable();
        replayed
    };
    // From the first record of that moment or later, up to the first one of the other moment or later.
    let times = |from: &str, to: &str| json!({"topic": log, "from": from, "to": to});
    let span = |first: i64, end: i64| (first..end).collect::<Vec<_>>();
    assert_eq!(replay(times("@1700000005000", "@1700000009000")).await, span(5, 9));
    assert_eq!(replay(times("@1700000004001", "@1700000008001")).await, span(5, 9));
    assert_eq!(replay(times("@2023-11-14T22:13:25Z", "@2023-11-14T23:13:29+01:00")).await, span(5, 9));
    assert_eq!(replay(times("@1700000015000", "@4000000000000")).await, span(15, 20));
    assert_eq!(replay(times("@0", "@1700000003000")).await, span(0, 3));
    assert_eq!(replay(times("@4000000000000", "latest")).await, span(0, 0));
    assert_eq!(replay(json!({"topic": log, "from": "@1700000017000"})).await, span(17, 20));
    let odd = json!({"topic": log, "from": "@1700000005000", "to": "@1700000009000", "partitions": [1]});
    assert_eq!(replay(odd).await, [5, 7]);
    let soon = json!({"source": times("@soon", "latest"), "destination": {"topic": queue}});
    http.post("/v1/replays", soon).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_redrive_in_progress_is_cancelled_and_the_rest_stays() {
    let mut server = Server::start();
    let http = server.http();
    for queue in ["dead", "back"] {
        http.make_queue(queue, json!({})).await;
    }
    http.publish_values("dead", 0..100).await;
    let slow = json!({"destination": "back", "rate_per_s": 5});
    let path = job_path("replays", &http.post("/v1/topics/dead/redrive", slow).await.expect(202));
    in_the_midst(&http, &path).await;
    let cancelled = http.post(&format!("{path}/cancel"), json!({})).await.expect(202);
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    let moved = cancelled["moved"].as_u64().expect("a count");
    assert!(moved < 100, "{cancelled}");
    // Neither cancelling it again nor a restart makes it go on.
    assert_eq!(http.post(&format!("{path}/cancel"), json!({})).await.expect(202), cancelled);
    server.crash();
    let http = server.http();
    assert_eq!(http.get(&path).await.expect(200), cancelled);
    let (back, dead) = (values(&http.drain_queue("back").await), values(&http.drain_queue("dead").await));
    assert_eq!(back.len() as u64, moved);
    assert_eq!([back, dead].concat(), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
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

/// Waits until a job has moved some of its messages and is still at it.
async fn in_the_midst(http: &Http, path: &str) -> u64 {
    deadline::until("the job moves messages", async || {
        let job = http.get(path).await.expect(200);
        assert_eq!(job["state"], "running", "{job}");
        job["moved"].as_u64().filter(|moved| *moved > 0)
    })
    .await
}

#[tokio::test]
async fn jobs_go_on_after_a_crash_and_move_every_message_once() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("log", 2).await;
    for queue in ["copy", "routed", "back"] {
        http.make_queue(queue, json!({})).await;
    }
    http.make_queue("work", json!({"dead_letter_exchange": "", "dead_letter_routing_key": "dead"})).await;
    http.make_queue("dead", json!({})).await;
    let records: Vec<_> =
        (0..500).map(|n| json!({"key": "routed", "value": n, "partition": n % 2})).collect();
    http.publish("log", json!(records)).await;
    http.publish_values("work", 0..500).await;
    for _ in 0..5 {
        let leases: Vec<_> =
            http.receive("work", 100).await.iter().map(|message| message["lease"].clone()).collect();
        http.settle(json!({"reject": leases})).await;
    }
    let from_log = json!({"topic": "log", "from": "earliest", "to": "latest"});
    let mut paths = Vec::new();
    for destination in [json!({"topic": "copy"}), json!({"exchange": ""})] {
        let replay = json!({"source": from_log, "destination": destination, "rate_per_s": 100});
        paths.push(job_path("replays", &http.post("/v1/replays", replay).await.expect(202)));
    }
    let redrive =
        json!({"destination": "back", "rate_per_s": 100, "max": 480, "edit": {"set_headers": {"n": 7}}});
    paths.push(job_path("replays", &http.post("/v1/topics/dead/redrive", redrive).await.expect(202)));
    let mut before = Vec::new();
    for path in &paths {
        before.push(in_the_midst(&http, path).await);
    }
    server.crash();
    let http = server.http();
    for ((path, before), moved) in paths.iter().zip(before).zip([500, 500, 480]) {
        assert!(http.get(path).await.expect(200)["moved"].as_u64() >= Some(before), "progress is kept");
        let job = finished(&http, path).await;
        assert_eq!((&job["state"], &job["moved"]), (&json!("done"), &json!(moved)), "{job}");
    }
    for queue in ["copy", "routed"] {
        let mut values: Vec<i64> =
            http.drain_queue(queue).await.iter().filter_map(|message| message["value"].as_i64()).collect();
        values.sort_unstable();
        assert_eq!(values, (0..500).collect::<Vec<_>>(), "each record is once in {queue}");
    }
    let back = http.drain_queue("back").await;
    let edited = json!({"name": "n", "value": 7});
    let is_edited = |message: &Value| list(message, "headers").contains(&edited);
    assert!(back.iter().all(is_edited), "{}", back[0]);
    let mut all = values(&back);
    all.extend(values(&http.drain_queue("dead").await));
    all.sort_by_key(|value| value.parse::<u32>().ok());
    assert_eq!(back.len(), 480);
    assert_eq!(all, (0..500).map(|n| n.to_string()).collect::<Vec<_>>(), "each message is in one place");
}

#[tokio::test]
async fn jobs_that_a_stop_interrupts_go_on_and_cancelled_ones_do_not() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("log", 1).await;
    http.make_queue("queue", json!({})).await;
    http.publish_values("log", 0..100).await;
    let slow = json!({"source": {"topic": "log"}, "destination": {"topic": "queue"}, "rate_per_s": 1});
    let mut paths = Vec::new();
    for _ in 0..2 {
        let job = http.post("/v1/replays", slow.clone()).await.expect(202);
        paths.push(job_path("replays", &job));
    }
    in_the_midst(&http, &paths[0]).await;
    let cancelled = http.post(&format!("{}/cancel", paths[1]), json!({})).await.expect(202);
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    server.terminate();
    server.wait();
    server.run();
    let http = server.http();
    assert_eq!(http.get(&paths[0]).await.expect(200)["state"], "running");
    assert_eq!(http.get(&paths[1]).await.expect(200), cancelled);
    http.post(&format!("{}/cancel", paths[0]), json!({})).await.expect(202);
    server.crash();
    let http = server.http();
    for path in &paths {
        assert_eq!(http.get(path).await.expect(200)["state"], "cancelled");
    }
    let next = http.post("/v1/replays", slow).await.expect(202);
    assert!(!paths.contains(&job_path("replays", &next)), "ids are not given twice");
    let known = http.get("/v1/replays").await.expect(200);
    assert_eq!(list(&known, "jobs").len(), 3);
}
