use blackbox::Server;
use serde_json::json;

#[tokio::test]
async fn putting_a_topic_twice_makes_it_once() {
    let server = Server::shared();
    let http = server.http();
    let name = server.name("orders");
    let path = format!("/v1/topics/{name}");
    let queue = json!({"model": "queue", "queue": {"max_length": 10, "overflow": "reject_publish"}});
    http.put(&path, queue.clone()).await.expect(201);
    http.put(&path, queue).await.expect(200);
    http.put(&path, json!({"model": "queue", "queue": {"max_length": 11}}))
        .await
        .refused(409, "already_exists");
    http.put(&path, json!({"model": "log"})).await.refused(409, "already_exists");
    let described = http.get(&path).await.expect(200);
    assert_eq!(described["name"], name.as_str());
    assert_eq!(described["model"], "queue");
    assert_eq!(described["queue"]["max_length"], 10);
    assert_eq!(described["queue_stats"]["ready"], 0);
}

#[tokio::test]
async fn a_log_has_partitions_and_kafkas_settings() {
    let server = Server::shared();
    let http = server.http();
    let name = server.name("events");
    let path = format!("/v1/topics/{name}");
    let log = json!({"model": "log", "log": {"partitions": 3, "config": {"retention.ms": "60000"}}});
    http.put(&path, log.clone()).await.expect(201);
    http.put(&path, log).await.expect(200);
    let described = http.get(&path).await.expect(200);
    assert_eq!(described["log"]["partitions"], 3);
    assert_eq!(described["log"]["config"]["retention.ms"], "60000");
    assert_eq!(described["partitions"].as_array().map(Vec::len), Some(3));
    assert_eq!(described["partitions"][2]["high_watermark"], 0);
    let unknown = json!({"model": "log", "log": {"config": {"retention.mss": "1"}}});
    let problem =
        http.put(&format!("{path}-x"), unknown).await.refused_in(400, "invalid_config", "retention.mss");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("retention.ms")), "{problem}");
}

#[tokio::test]
async fn settings_change_where_that_is_possible() {
    let server = Server::shared();
    let http = server.http();
    let (queue, log) = (server.name("queue"), server.name("log"));
    http.make_queue(&queue, json!({"max_length": 5})).await;
    http.make_log(&log, 2).await;
    let changed =
        http.patch(&format!("/v1/topics/{queue}"), json!({"queue": {"max_length": 7}})).await.expect(200);
    assert_eq!(changed["queue"]["max_length"], 7);
    let path = format!("/v1/topics/{log}");
    let changed =
        http.patch(&path, json!({"log": {"partitions": 4, "config": {"retention.bytes": "1000000"}}})).await;
    assert_eq!(changed.expect(200)["log"]["partitions"], 4);
    let described = http.get(&path).await.expect(200);
    assert_eq!(described["partitions"].as_array().map(Vec::len), Some(4));
    assert_eq!(described["log"]["config"]["retention.bytes"], "1000000");
    let fewer = http.patch(&path, json!({"log": {"partitions": 1}})).await;
    assert!((400..500).contains(&fewer.status), "{}", fewer.text());
    let back = http.patch(&path, json!({"log": {"config": {"retention.bytes": null}}})).await.expect(200);
    assert!(back["log"]["config"].get("retention.bytes").is_none(), "{back}");
    http.patch(&path, json!({"queue": {"max_length": 7}})).await.refused(409, "wrong_model");
}

#[tokio::test]
async fn a_deleted_topic_is_gone_with_what_it_held() {
    let server = Server::shared();
    let http = server.http();
    for model in ["queue", "log"] {
        let name = server.name("short-lived");
        let path = format!("/v1/topics/{name}");
        http.put(&path, json!({"model": model})).await.expect(201);
        http.publish_values(&name, ["one", "two"]).await;
        assert!(http.delete(&path).await.status < 300);
        http.get(&path).await.refused(404, "unknown_topic");
        http.delete(&path).await.refused(404, "unknown_topic");
        http.put(&path, json!({"model": "queue"})).await.expect(201);
        assert!(http.receive(&name, 10).await.is_empty(), "a new topic of the same name starts empty");
    }
}

#[tokio::test]
async fn a_topic_of_the_other_model_says_so() {
    let server = Server::shared();
    let http = server.http();
    let (queue, log) = (server.name("queue"), server.name("log"));
    http.make_queue(&queue, json!({})).await;
    http.make_log(&log, 1).await;
    http.post(&format!("/v1/topics/{log}/receive"), json!({})).await.refused(409, "wrong_model");
    http.get(&format!("/v1/topics/{queue}/partitions/0/records?offset=earliest"))
        .await
        .refused(409, "wrong_model");
    http.post(&format!("/v1/topics/{log}/redrive"), json!({})).await.refused(409, "wrong_model");
    http.delete(&format!("/v1/topics/{log}/messages/1")).await.refused(409, "wrong_model");
    let group = server.name("group");
    http.post(&format!("/v1/groups/{group}/receive"), json!({"topics": [queue]}))
        .await
        .refused(409, "wrong_model");
}

#[tokio::test]
async fn definitions_survive_a_kill() {
    let mut server = Server::start();
    let http = server.http();
    let settings = json!({"max_length": 9, "overflow": "reject_publish_dlx", "dead_letter_exchange": "dead",
        "delivery_limit": 3, "message_ttl_ms": 100000, "lease_ms": 5000, "max_priority": 10});
    http.make_queue("jobs", settings.clone()).await;
    http.make_queue("passing", json!({"durable": false})).await;
    http.make_log("events", 5).await;
    http.put("/v1/exchanges/router", json!({"type": "topic"})).await.expect(201);
    let binding =
        json!({"source": "router", "destination": "jobs", "destination_type": "queue", "routing_key": "a.#"});
    http.post("/v1/bindings", binding).await.expect(201);
    server.crash();
    let http = server.http();
    let described = http.get("/v1/topics/jobs").await.expect(200);
    for (name, value) in settings.as_object().into_iter().flatten() {
        assert_eq!(&described["queue"][name], value, "{name}");
    }
    assert_eq!(http.get("/v1/topics/events").await.expect(200)["log"]["partitions"], 5);
    http.get("/v1/topics/passing").await.refused(404, "unknown_topic");
    assert_eq!(http.get("/v1/exchanges/router").await.expect(200)["type"], "topic");
    let listed = http.get("/v1/bindings?source=router").await.expect(200);
    assert!(listed.to_string().contains("a.#"), "{listed}");
}
