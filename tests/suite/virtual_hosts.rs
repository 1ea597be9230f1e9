use blackbox::{Server, values};
use serde_json::json;

#[tokio::test]
async fn a_virtual_host_is_a_name_space_of_its_own() {
    let server = Server::shared();
    let http = server.http();
    let host = server.name("host");
    let path = format!("/v1/vhosts/{host}");
    assert_eq!(http.put(&path, json!({})).await.expect(201)["name"], host);
    http.put(&path, json!({})).await.expect(200);
    let queue = format!("{host}%2Fq");
    http.put(&format!("/v1/topics/{queue}"), json!({"model": "queue"})).await.expect(201);
    let own = format!("/v1/exchanges/{host}%2Famq.fanout");
    assert_eq!(http.get(&own).await.expect(200)["type"], "fanout");
    let inside = json!({"source": format!("{host}/amq.fanout"), "destination": format!("{host}/q"),
        "destination_type": "queue"});
    http.post("/v1/bindings", inside).await.expect(201);
    let listed = http.get(&format!("/v1/exchanges?vhost={host}")).await.expect(200);
    assert_eq!(listed["exchanges"].as_array().map(Vec::len), Some(5), "those that always exist: {listed}");
    let listed = http.get(&format!("/v1/bindings?vhost={host}")).await.expect(200);
    assert_eq!(listed["bindings"].as_array().map(Vec::len), Some(1), "{listed}");
    let across =
        json!({"source": "amq.fanout", "destination": format!("{host}/q"), "destination_type": "queue"});
    http.post("/v1/bindings", across).await.refused(400, "invalid_config");
    http.post(&format!("{own}/messages"), json!({"messages": [{"value": "hello"}]})).await.expect(200);
    assert_eq!(values(&http.receive(&queue, 9).await), ["hello"]);
    // Logs have the names that Kafka gives them.
    let log = json!({"model": "log", "log": {"partitions": 1}});
    http.put(&format!("/v1/topics/{host}%2Flog"), log).await.refused(400, "invalid_name");

    assert!(http.delete(&path).await.status < 300);
    http.get(&format!("/v1/topics/{queue}")).await.refused(404, "unknown_topic");
    http.get(&own).await.refused(404, "unknown_exchange");
    http.get(&path).await.refused(404, "unknown_virtual_host");
    http.delete("/v1/vhosts/%2F").await.refused(403, "reserved");
    assert_eq!(http.get("/v1/vhosts/%2F").await.expect(200)["name"], "/");
}
