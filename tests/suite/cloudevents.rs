use blackbox::{Server, list};
use hyper::Method;
use serde_json::{Value, json};

fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/sensors/7", "type": "org.example.reading",
        "datacontenttype": "application/json", "data": {"celsius": 21.5}})
}

#[tokio::test]
async fn structured_batch_and_binary_events_become_the_same_message() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("events");
    http.make_log(&log, 1).await;
    let path = format!("/v1/topics/{log}/messages");
    http.post_as(&path, "application/cloudevents+json", event("1").to_string()).await.expect(200);
    let batch = json!([event("2"), event("3")]).to_string();
    let results = http.post_as(&path, "application/cloudevents-batch+json", batch).await.expect(200);
    assert_eq!(list(&results, "results").len(), 2);
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "4"),
        ("ce-source", "/sensors/7"),
        ("ce-type", "org.example.reading"),
        ("ce-place", "caf%C3%A9"),
    ];
    http.send(Method::POST, &path, &headers, "{\"celsius\":21.5}".into()).await.expect(200);
    let records = list(&http.records(&log, 0, "offset=0").await, "records");
    assert_eq!(records.len(), 4);
    for (at, record) in records.iter().enumerate() {
        let text = record.to_string();
        assert!(text.contains("org.example.reading") && text.contains("/sensors/7"), "{text}");
        assert!(text.contains(&format!("\"{}\"", at + 1)), "the event's id travels: {text}");
        assert_eq!(record["value"], json!({"celsius": 21.5}), "{text}");
    }
    assert!(records[3].to_string().contains("café"), "attribute values are percent-decoded: {}", records[3]);
}

#[tokio::test]
async fn an_incomplete_event_is_refused_by_the_name_of_what_it_lacks() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("events");
    http.make_log(&log, 1).await;
    let path = format!("/v1/topics/{log}/messages");
    for attribute in ["id", "source", "type", "specversion"] {
        let mut incomplete = event("1");
        incomplete.as_object_mut().expect("an object").remove(attribute);
        let structured = http.post_as(&path, "application/cloudevents+json", incomplete.to_string()).await;
        structured.refused_in(400, "invalid_request", attribute);
    }
    let headers =
        [("content-type", "text/plain"), ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-type", "t")];
    http.send(Method::POST, &path, &headers, "x".into()).await.refused_in(400, "invalid_request", "source");
    http.post_as(&path, "application/cloudevents+json", "[]").await.refused(400, "invalid_request");
}
