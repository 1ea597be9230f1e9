//! Quotas at the doors that hold clients up instead of refusing them: Kafka, AMQP, WebSocket.

use std::time::Duration;

use blackbox::kafka::{Kafka, batch, record};
use blackbox::server::{Launch, Server};
use blackbox::socket::{JSON, Socket};
use futures_util::StreamExt as _;
use kafka_wire::RecordsIn;
use kafka_wire::messages::alter_client_quotas::{self, AlterClientQuotasRequest, EntryData, OpData};
use kafka_wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use kafka_wire::messages::describe_client_quotas::{ComponentData, DescribeClientQuotasRequest};
use kafka_wire::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use kafka_wire::messages::metadata::MetadataRequest;
use kafka_wire::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::lapin_client;
use crate::quotas::{here, lift, limit, throttled, until_throttled};

/// Long enough for an answer that is not held back, and far shorter than what quotas here make anybody wait.
const MOMENT: Duration = Duration::from_millis(200);

const POLICY_VIOLATION: i16 = 44;
const INVALID_REQUEST: i16 = 42;

fn produce(log: &str) -> ProduceRequest {
    let records = record(0, 0, None, &"x".repeat(40));
    let records = RecordsIn(Some(batch(0, 1, (0, 0), &records)));
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let topic = TopicProduceData { name: log.to_owned(), partition_data, ..TopicProduceData::default() };
    ProduceRequest { acks: 1, timeout_ms: 30_000, topic_data: vec![topic], ..ProduceRequest::default() }
}

fn fetch(log: &str) -> FetchRequest {
    let partition =
        FetchPartition { partition: 0, partition_max_bytes: 1 << 20, ..FetchPartition::default() };
    let topic = FetchTopic { topic: log.to_owned(), partitions: vec![partition], ..FetchTopic::default() };
    FetchRequest { max_wait_ms: 0, max_bytes: 1 << 20, topics: vec![topic], ..FetchRequest::default() }
}

#[tokio::test]
async fn a_kafka_producer_over_its_quota_is_told_and_held_up_until_the_quota_is_lifted() {
    let server = Server::start();
    let http = server.http();
    http.make_log("events", 1).await;
    // What every client of the bare client calls itself.
    let id = limit(&http, json!({"client_id": "blackbox"}), json!({"produce_bytes_per_s": 1})).await;
    let mut kafka = Kafka::connect(&server).await;
    let answer = kafka.ask(8, &produce("events")).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "what was sent is taken");
    assert!(answer.throttle_time_ms > 60_000, "{}", answer.throttle_time_ms);
    let asked = kafka.send(4, &MetadataRequest::default()).await;
    let early = tokio::time::timeout(MOMENT, kafka.receive::<MetadataRequest>(4, asked)).await;
    assert!(early.is_err(), "a client that is held up is not answered");
    lift(&http, &id).await;
    let metadata = kafka.receive::<MetadataRequest>(4, asked).await;
    assert_eq!(metadata.throttle_time_ms, 0);
    assert_eq!(kafka.ask(8, &produce("events")).await.throttle_time_ms, 0);
}

#[tokio::test]
async fn a_kafka_consumer_over_its_quota_gets_nothing_and_is_told_when_to_come_again() {
    let server = Server::start();
    let http = server.http();
    http.make_log("events", 1).await;
    let mut kafka = Kafka::connect(&server).await;
    kafka.ask(8, &produce("events")).await;
    limit(&http, here(), json!({"consume_bytes_per_s": 1})).await;
    let first = kafka.ask(11, &fetch("events")).await;
    let records = |answer: &kafka_wire::messages::fetch::FetchResponse| {
        answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|part| part.records.len())
            .sum::<usize>()
    };
    assert!(records(&first) > 0 && first.throttle_time_ms > 60_000, "{}", first.throttle_time_ms);
    // Another connection of the same address shares the quota.
    let second = Kafka::connect(&server).await.ask(11, &fetch("events")).await;
    assert_eq!((records(&second), second.error_code), (0, 0));
    assert!(second.throttle_time_ms > 60_000, "{}", second.throttle_time_ms);
    assert_eq!(throttled(&http, "kafka", "consume_bytes_per_s").await, 2, "each is counted");
}

#[tokio::test]
async fn requests_and_topics_of_kafka_clients_are_bounded() {
    let server = Server::start();
    let http = server.http();
    limit(&http, here(), json!({"requests_per_s": 1, "topics": 1})).await;
    let mut kafka = Kafka::connect(&server).await;
    let topic = |name: &str| CreatableTopic {
        name: name.to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let topics = vec![topic("one"), topic("two")];
    let made = kafka.ask(5, &CreateTopicsRequest { topics, ..CreateTopicsRequest::default() }).await;
    assert_eq!((made.topics[0].error_code, made.topics[1].error_code), (0, POLICY_VIOLATION));
    assert!(made.topics[1].error_message.as_deref().is_some_and(|why| why.contains("`topics`")));
    blackbox::deadline::until("requests are throttled", || async {
        let mut kafka = Kafka::connect(&server).await;
        (kafka.ask(4, &MetadataRequest::default()).await.throttle_time_ms > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn kafkas_quota_api_is_a_view_of_the_same_quotas() {
    let server = Server::start();
    let http = server.http();
    let mut kafka = Kafka::connect(&server).await;
    let part = |entity_type: &str, name: Option<&str>| alter_client_quotas::EntityData {
        entity_type: entity_type.into(),
        entity_name: name.map(Into::into),
    };
    let op = |key: &str, value: f64, remove| OpData { key: key.into(), value, remove };
    let entry = |entity, ops| EntryData { entity, ops };
    let entries = vec![
        entry(vec![part("user", Some("alice"))], vec![op("producer_byte_rate", 1000.0, false)]),
        entry(
            vec![part("user", None), part("client-id", None)],
            vec![op("consumer_byte_rate", 2000.0, false)],
        ),
        entry(vec![part("user", Some("alice"))], vec![op("request_percentage", 50.0, false)]),
        entry(vec![part("ip", Some("10.0.0.1"))], vec![op("connection_creation_rate", 5.0, false)]),
    ];
    let altered = kafka.ask(1, &AlterClientQuotasRequest { entries, validate_only: false }).await;
    let codes: Vec<i16> = altered.entries.iter().map(|entry| entry.error_code).collect();
    assert_eq!(codes, [0, 0, INVALID_REQUEST, INVALID_REQUEST]);
    assert!(altered.entries[3].error_message.as_deref().is_some_and(|why| why.contains("/v1/quotas")));
    // Limits that Kafka has no word for stay as they are beside those that it changes.
    let both = json!({"produce_bytes_per_s": 1000, "topics": 5});
    limit(&http, json!({"user": "alice"}), both).await;
    let remove = entry(vec![part("user", Some("alice"))], vec![op("producer_byte_rate", 0.0, true)]);
    kafka.ask(1, &AlterClientQuotasRequest { entries: vec![remove], validate_only: false }).await;
    let listed = http.get("/v1/quotas").await.expect(200);
    let mut limits: Vec<String> =
        listed["quotas"].as_array().unwrap().iter().map(|quota| quota["limits"].to_string()).collect();
    limits.sort();
    assert_eq!(limits, ["{\"consume_bytes_per_s\":2000}", "{\"topics\":5}"]);
    let all = kafka.ask(1, &DescribeClientQuotasRequest { components: Vec::new(), strict: false }).await;
    let entries = all.entries.unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    let value = &entries[0].values[0];
    assert_eq!((value.key.as_str(), value.value), ("consumer_byte_rate", 2000.0));
    let exact = ComponentData { entity_type: "user".into(), match_type: 0, matching: Some("bob".into()) };
    let none = kafka.ask(1, &DescribeClientQuotasRequest { components: vec![exact], strict: true }).await;
    assert_eq!(none.entries, Some(Vec::new()));
}

#[tokio::test]
async fn connections_beyond_the_quota_are_closed_or_refused_at_every_door() {
    let server = Server::start();
    let http = server.http();
    let mut kafka = Kafka::connect(&server).await;
    kafka.ask(4, &MetadataRequest::default()).await;
    let id = limit(&http, here(), json!({"connections": 1})).await;
    let mut second = TcpStream::connect(server.kafka()).await.unwrap();
    // ApiVersions, version 0, from nobody by name.
    second.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]).await.unwrap();
    let end = blackbox::deadline::soon("the connection ends", second.read_u8()).await;
    assert!(end.is_err(), "a connection too many is closed");
    let uri = format!("amqp://guest:guest@{}/%2f", server.amqp());
    let refused = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap_err().to_string();
    let text = "connection refused for address '127.0.0.1': address connection limit (1) is reached";
    assert!(refused.contains("NOT_ALLOWED") && refused.contains(text), "{refused}");
    let refused = Socket::try_open(server.address(), JSON, &[]).await;
    assert_eq!(refused.err().as_deref(), Some("status 429"));
    drop(kafka);
    blackbox::deadline::until("the place is free", || async {
        Connection::connect(&uri, ConnectionProperties::default()).await.ok()
    })
    .await;
    lift(&http, &id).await;
}

#[tokio::test]
async fn a_user_with_too_many_amqp_connections_hears_what_rabbitmq_says() {
    let server = Server::launch(Launch::with_config("[auth]\nfailure_delay_ms = 0\n"));
    let http = server.http();
    let limits = json!({"entity": {"user": "admin"}, "limits": {"connections": 1}});
    http.put("/v1/quotas", limits).await.expect(201);
    http.put("/v1/users/admin", json!({"password": "secret", "admin": true})).await.expect(201);
    let uri = format!("amqp://admin:secret@{}/%2f", server.amqp());
    let _first = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
    let refused = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap_err().to_string();
    let text = "NOT_ALLOWED - connection refused for user 'admin': user connection limit (1) is reached";
    assert!(refused.contains(text), "{refused}");
}

#[tokio::test]
async fn an_amqp_publisher_over_its_quota_is_not_read_until_it_is_lifted() {
    let server = Server::start();
    let http = server.http();
    let (_connection, channel) = lapin_client::connect(&server).await;
    lapin_client::declare(&channel, "orders", FieldTable::default()).await;
    let id = limit(&http, here(), json!({"produce_bytes_per_s": 1, "topics": 1})).await;
    let refused =
        channel.queue_declare("second".into(), QueueDeclareOptions::durable(), FieldTable::default()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("PRECONDITION_FAILED - cannot declare queue 'second' in vhost '/'"),
        "{refused}"
    );
    let (_connection, channel) = lapin_client::connect(&server).await;
    lapin_client::publish(&channel, ("", "orders"), &[b'x'; 1000], BasicProperties::default()).await;
    until_throttled(&http, "amqp", "produce_bytes_per_s").await;
    let publish = channel.basic_publish(
        "".into(),
        "orders".into(),
        BasicPublishOptions::default(),
        b"second",
        BasicProperties::default(),
    );
    let mut confirm = Box::pin(publish.await.unwrap());
    assert!(tokio::time::timeout(MOMENT, &mut confirm).await.is_err(), "nothing more is read of it");
    lift(&http, &id).await;
    blackbox::deadline::soon("the confirm", confirm).await.unwrap();
}

#[tokio::test]
async fn an_amqp_consumer_over_its_quota_gets_no_more_until_it_is_lifted() {
    let server = Server::start();
    let http = server.http();
    http.make_queue("orders", json!({})).await;
    http.publish_values("orders", (0..10).map(|_| "x".repeat(1000))).await;
    let id = limit(&http, here(), json!({"consume_bytes_per_s": 1})).await;
    let (connection, channel) = lapin_client::connect(&server).await;
    let mut consumer = lapin_client::consume(&channel, "orders").await;
    lapin_client::next(&mut consumer).await;
    until_throttled(&http, "amqp", "consume_bytes_per_s").await;
    assert!(tokio::time::timeout(MOMENT, consumer.next()).await.is_err(), "nothing more is delivered");
    lift(&http, &id).await;
    for _ in 0..9 {
        lapin_client::next(&mut consumer).await;
    }
    drop(consumer);
    connection.close(200, "done".into()).await.expect("a peaceful end");
}

#[tokio::test]
async fn a_socket_over_its_quota_is_held_up_and_paced() {
    let server = Server::start();
    let http = server.http();
    http.make_log("events", 1).await;
    let mut socket = Socket::open(&server).await;
    let id = limit(&http, here(), json!({"produce_bytes_per_s": 1, "consume_bytes_per_s": 1})).await;
    let publish = |text: &str| json!({"topic": "events", "messages": [{"value": text}]});
    socket.ask("publish", publish(&"x".repeat(1000))).await;
    until_throttled(&http, "ws", "produce_bytes_per_s").await;
    let second = socket.send("publish", publish("last")).await;
    let early = tokio::time::timeout(MOMENT, socket.frame()).await;
    assert!(early.is_err(), "no more commands are taken: {early:?}");
    // Another socket of the same address gets one message, and no more.
    let mut reader = Socket::open(&server).await;
    reader.ask("subscribe", json!({"topic": "events", "from": "earliest"})).await;
    assert_eq!(reader.frame().await.unwrap()["type"], "message");
    until_throttled(&http, "ws", "consume_bytes_per_s").await;
    lift(&http, &id).await;
    assert_eq!(socket.reply_to(&json!(second)).await["type"], "ok");
    let last = reader.frame().await.unwrap();
    assert_eq!(last["messages"][0]["value"], "last", "{last}");
}
