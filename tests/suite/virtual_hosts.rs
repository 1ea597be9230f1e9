use blackbox::{Kafka, Server, values};
use kafka_wire::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::json;

use crate::lapin_client::{next, publish};

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
    // Logs keep Kafka's rule for names within their host, and know no other host.
    let log = json!({"model": "log", "log": {"partitions": 1}});
    for name in [format!("{host}%2Fa%20b"), format!("{host}%2Fno%2Fhost"), "no%2Fhost".to_owned()] {
        http.put(&format!("/v1/topics/{name}"), log.clone()).await.refused(400, "invalid_name");
    }

    assert!(http.delete(&path).await.status < 300);
    http.get(&format!("/v1/topics/{queue}")).await.refused(404, "unknown_topic");
    http.get(&own).await.refused(404, "unknown_exchange");
    http.get(&path).await.refused(404, "unknown_virtual_host");
    http.delete("/v1/vhosts/%2F").await.refused(403, "reserved");
    assert_eq!(http.get("/v1/vhosts/%2F").await.expect(200)["name"], "/");
}

fn table(name: &str, value: &str) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
    table
}

#[tokio::test]
async fn a_stream_of_a_virtual_host_is_a_log_of_it_for_every_door_and_goes_with_it() {
    let mut server = Server::start();
    server.http().put("/v1/vhosts/shop", json!({})).await.expect(201);
    let uri = |server: &Server| format!("amqp://guest:guest@{}/shop", server.amqp());
    let connection =
        Connection::connect(&uri(&server), ConnectionProperties::default()).await.expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(Default::default()).await.expect("confirms");
    let stream = table("x-queue-type", "stream");
    channel.queue_declare("events".into(), QueueDeclareOptions::durable(), stream).await.expect("a stream");
    let fanout = "amq.fanout".into();
    let no_key = "".into();
    channel
        .queue_bind("events".into(), fanout, no_key, Default::default(), FieldTable::default())
        .await
        .expect("a binding");
    publish(&channel, ("", "events"), b"one", BasicProperties::default()).await;
    publish(&channel, ("amq.fanout", ""), b"two", BasicProperties::default()).await;

    let read = "/v1/topics/shop%2Fevents/partitions/0/records?offset=earliest";
    let records = server.http().get(read).await.expect(200);
    assert_eq!(values(records["records"].as_array().expect("records")), ["one", "two"]);
    let mut kafka = Kafka::connect(&server).await;
    let partition = FetchPartition { partition_max_bytes: 1 << 20, ..FetchPartition::default() };
    let topics = vec![FetchTopic {
        topic: "shop/events".into(),
        partitions: vec![partition],
        ..FetchTopic::default()
    }];
    let answer = kafka.ask(11, &FetchRequest { max_wait_ms: 0, topics, ..FetchRequest::default() }).await;
    let fetched = &answer.responses[0].partitions[0];
    assert_eq!((fetched.error_code, fetched.high_watermark), (0, 2));

    server.kill();
    server.run();
    let connection =
        Connection::connect(&uri(&server), ConnectionProperties::default()).await.expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    channel.basic_qos(10, BasicQosOptions::default()).await.expect("a prefetch");
    let from = table("x-stream-offset", "first");
    let consumer =
        channel.basic_consume("events".into(), "".into(), BasicConsumeOptions::default(), from).await;
    let mut consumer = consumer.expect("a consumer");
    for body in [b"one", b"two"] {
        assert_eq!(next(&mut consumer).await.data, body);
    }

    assert!(server.http().delete("/v1/vhosts/shop").await.status < 300);
    server.http().get("/v1/topics/shop%2Fevents").await.refused(404, "unknown_topic");
    server.http().put("/v1/vhosts/shop", json!({})).await.expect(201);
    server.http().get("/v1/topics/shop%2Fevents").await.refused(404, "unknown_topic");
}
