//! One topic through several doors: what one publishes, another consumes and settles.

use blackbox::{Server, Socket, deadline, list, values};
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, ExchangeDeclareOptions, QueueBindOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, ExchangeKind};
use serde_json::json;

use crate::lapin_client::{connect, consume, declare, next, publish};

fn properties() -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("k".into(), AMQPValue::LongString(LongString::from("v")));
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_correlation_id("c1".into())
        .with_delivery_mode(2)
        .with_headers(headers)
}

/// The next message of a queue, as soon as there is one.
async fn get(channel: &Channel, queue: &str) -> lapin::message::BasicGetMessage {
    let take = async || channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("an answer");
    deadline::until("a message for basic.get", take).await
}

#[tokio::test]
async fn one_message_passes_amqp_websocket_and_http() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("doors");
    let (_connection, channel) = connect(server).await;
    declare(&channel, &queue, FieldTable::default()).await;
    publish(&channel, ("", &queue), br#"{"by":"amqp"}"#, properties()).await;

    let mut socket = Socket::open(server).await;
    let credit = json!({"topic": queue, "credit": {"messages": 1}});
    let subscription = socket.ask("subscribe", credit).await["subscription"].clone();
    let first = socket.messages(1).await;
    assert_eq!((&first[0]["value"], &first[0]["attempt"]), (&json!({"by": "amqp"}), &json!(1)), "{first:?}");
    assert_eq!(first[0]["correlation_id"], "c1");
    socket.ask("pause", json!({ "subscription": subscription })).await;
    // Returned over the socket, it reaches AMQP as it was published.
    socket.ask("nack", json!({"leases": [first[0]["lease"]]})).await;
    let again = get(&channel, &queue).await;
    assert!(again.redelivered && again.data == br#"{"by":"amqp"}"#);
    assert_eq!(again.properties, properties());
    again.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await.expect("returned");
    // Leased over HTTP, it is settled over the socket.
    let leased = http.receive_soon(&queue, 1).await;
    assert_eq!(leased[0]["attempt"], 3);
    let settled = socket.ask("ack", json!({"leases": [leased[0]["lease"]]})).await;
    assert_eq!(settled["results"], json!([{}]));
    let stats = http.queue_stats(&queue).await;
    assert_eq!((&stats["ready"], &stats["leased"]), (&json!(0), &json!(0)));

    // And the reverse: published by the socket and by HTTP, settled over AMQP.
    socket
        .ask("publish", json!({"topic": queue, "messages": [{"value": "by socket", "headers": {"h": "1"}}]}))
        .await;
    http.publish_values(&queue, ["by http"]).await;
    let mut consumer = consume(&channel, &queue).await;
    for expected in ["by socket", "by http"] {
        let delivery = next(&mut consumer).await;
        assert_eq!(String::from_utf8_lossy(&delivery.data), expected);
        let held = http.get(&format!("/v1/topics/{queue}/messages?state=leased")).await.expect(200);
        let holder = held["messages"][0]["held_by"].as_str().expect("a holder").to_owned();
        let connection = holder.strip_prefix("a consumer of AMQP connection ").expect(&holder);
        let listed = server.http().logged_in("guest", "guest").get("/api/connections").await.expect(200);
        let is_listed = listed.as_array().is_some_and(|all| all.iter().any(|one| one["name"] == connection));
        assert!(is_listed, "{holder}: {listed}");
        assert!(!delivery.redelivered);
        delivery.ack(BasicAckOptions::default()).await.expect("settled");
    }
    deadline::until("the queue is empty", async || {
        let stats = http.queue_stats(&queue).await;
        (stats["ready"] == 0 && stats["leased"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_amqp_routes_into_a_log_is_read_by_every_door() {
    let server = Server::shared();
    let http = server.http();
    let (log, exchange) = (server.name("doors-log"), server.name("doors-exchange"));
    http.make_log(&log, 1).await;
    let (_connection, channel) = connect(server).await;
    let options = ExchangeDeclareOptions::default();
    let declared = channel.exchange_declare(
        exchange.as_str().into(),
        ExchangeKind::Topic,
        options,
        FieldTable::default(),
    );
    declared.await.expect("an exchange");
    let binding = QueueBindOptions::default();
    let bound = channel.queue_bind(
        log.as_str().into(),
        exchange.as_str().into(),
        "to.#".into(),
        binding,
        FieldTable::default(),
    );
    bound.await.expect("a binding");
    let whole =
        properties().with_message_id("m1".into()).with_priority(7).with_type("t".into()).with_timestamp(5);
    publish(&channel, (&exchange, "to.log"), b"1", whole.clone()).await;
    publish(&channel, ("", &log), b"2", BasicProperties::default()).await;

    let records = http.records(&log, 0, "offset=earliest&wait_ms=5000").await;
    let records = list(&records, "records");
    assert_eq!(values(&records), ["1", "2"]);
    let headers = list(&records[0], "headers");
    let header = |name: &str| headers.iter().find(|one| one["name"] == name).map(|one| one["value"].clone());
    for (name, value) in [
        ("k", "v"),
        ("amqp-message-id", "m1"),
        ("amqp-correlation-id", "c1"),
        ("amqp-priority", "7"),
        ("amqp-type", "t"),
        ("amqp-timestamp", "5"),
        ("amqp-delivery-mode", "2"),
    ] {
        assert_eq!(header(name), Some(json!(value)), "{name} of {headers:?}");
    }
    assert_eq!(records[0]["content_type"], "application/json");
    let mut socket = Socket::open(server).await;
    socket.ask("subscribe", json!({"topic": log, "from": "earliest", "credit": {"messages": 10}})).await;
    assert_eq!(values(&socket.messages(2).await), ["1", "2"]);

    // As a stream they are what they were.
    channel.basic_qos(10, Default::default()).await.expect("a prefetch");
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), AMQPValue::LongString(LongString::from("first")));
    let consumer = channel.basic_consume(log.as_str().into(), "".into(), Default::default(), arguments).await;
    let delivery = next(&mut consumer.expect("a consumer")).await;
    let mut headers = properties().headers().clone().expect("headers");
    headers.insert("x-stream-offset".into(), AMQPValue::LongLongInt(0));
    assert_eq!(delivery.properties, whole.with_headers(headers));
}
