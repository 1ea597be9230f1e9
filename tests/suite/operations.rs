use blackbox::Server;
use hyper::Method;
use serde_json::json;

#[tokio::test]
async fn health_metrics_and_documents_are_served() {
    let server = Server::shared();
    let http = server.http();
    assert_eq!(http.get("/livez").await.status, 200);
    assert_eq!(http.get("/readyz").await.status, 200);
    let spec = http.get("/openapi.json").await.expect(200);
    assert!(
        spec["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        spec["openapi"]
    );
    let written =
        std::fs::read_to_string(blackbox::checkout::root().join("openapi/openapi.json")).expect("the file");
    let written: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    assert_eq!(spec, written, "the served document is the one in openapi/openapi.json");
    for page in ["/", "/docs"] {
        let mut answer = http.get(page).await;
        if matches!(answer.status, 301..=308) {
            answer = http.get(answer.header("location")).await;
        }
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.header("content-type").starts_with("text/html"), "{page}");
        for remote in ["https://cdn", "http://cdn", "//unpkg.com", "//fonts.g", "//cdn."] {
            assert!(!answer.text().contains(remote), "{page} needs the internet: {remote}");
        }
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let server = Server::start();
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    http.make_log("log", 1).await;
    http.publish_values("queue", 0..5).await;
    http.publish_values("log", 0..7).await;
    let held = http.receive("queue", 2).await;
    http.ack(&held[0]).await;
    let answer = http.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain"), "{}", answer.header("content-type"));
    let text = answer.text();
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(samples.len() > 10, "{text}");
    for line in &samples {
        let number = line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
        assert!(number.is_some(), "a sample ends in a number: {line}");
    }
    let has = |text: &str, name: &str, value: f64| {
        text.lines().any(|line| {
            line.starts_with(name)
                && line.rsplit(' ').next().and_then(|number| number.parse().ok()) == Some(value)
        })
    };
    assert!(has(&text, "rabbitmq_queue_messages_ready", 3.0), "{text}");
    assert!(has(&text, "rabbitmq_queue_messages_unacked", 1.0), "{text}");
    assert!(has(&text, "kafka_topic_partitions", 1.0), "{text}");
    let each = http.get("/metrics/per-object").await.text();
    assert!(has(&each, "kafka_topic_partition_current_offset{topic=\"log\"", 7.0), "{each}");
    assert!(has(&each, "rabbitmq_queue_messages_ready{", 3.0), "{each}");
}

#[tokio::test]
async fn cross_origin_calls_are_off_unless_configured() {
    let preflight = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type"),
    ];
    let shared = Server::shared().http();
    let answer = shared.send(Method::OPTIONS, "/v1/topics/x", &preflight, "".into()).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let config = "[http]\ncors_origins = [\"https://example.org\"]\n";
    let server = Server::launch(blackbox::Launch::with_config(config));
    let http = server.http();
    let answer = http.send(Method::OPTIONS, "/v1/topics/x", &preflight, "".into()).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://example.org");
    let other = [("origin", "https://evil.example")];
    let answer = http.send(Method::GET, "/v1/topics", &other, "".into()).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
}
