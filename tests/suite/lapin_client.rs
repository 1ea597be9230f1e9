//! The AMQP door with lapin, Rust's client of RabbitMQ. What other clients do is in `tests/amqp`.

use blackbox::{Server, deadline};
use futures_util::StreamExt as _;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ErrorKind};

/// A connection and a channel whose publishes are confirmed. `AMQP_BESIDE` names another broker that is to stand the same
/// tests: `tests/amqp/run` has a RabbitMQ stand them.
pub async fn connect(server: &Server) -> (Connection, Channel) {
    let address = std::env::var("AMQP_BESIDE").unwrap_or_else(|_| server.amqp().to_string());
    let uri = format!("amqp://guest:guest@{address}/%2f");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await.expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    (connection, channel)
}

/// Publishes and waits for the confirm.
pub async fn publish(
    channel: &Channel,
    (exchange, key): (&str, &str),
    body: &[u8],
    properties: BasicProperties,
) -> Confirmation {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let sent = channel.basic_publish(exchange.into(), key.into(), options, body, properties).await;
    deadline::soon("a confirm", sent.expect("published")).await.expect("a confirm")
}

pub async fn declare(channel: &Channel, queue: &str, arguments: FieldTable) {
    let declared = channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments).await;
    declared.expect("a queue");
}

pub async fn consume(channel: &Channel, queue: &str) -> Consumer {
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
    consumer.expect("a consumer")
}

/// The consumer's next message.
pub async fn next(consumer: &mut Consumer) -> lapin::message::Delivery {
    let next = deadline::soon("a delivery", consumer.next()).await;
    next.expect("the consumer goes on").expect("a delivery")
}

#[tokio::test]
async fn a_window_of_confirms_and_a_prefetch_keep_the_order() {
    let server = Server::shared();
    let queue = server.name("lapin");
    let (_connection, channel) = connect(server).await;
    declare(&channel, &queue, FieldTable::default()).await;
    let mut window = Vec::new();
    for n in 0..500u32 {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let key = queue.as_str().into();
        let sent = channel.basic_publish("".into(), key, options, &n.to_be_bytes(), properties).await;
        window.push(sent.expect("published"));
    }
    for confirm in window {
        let confirm = deadline::soon("a confirm", confirm).await.expect("a confirm");
        assert!(matches!(confirm, Confirmation::Ack(None)), "{confirm:?}");
    }
    channel.basic_qos(50, BasicQosOptions::default()).await.expect("a prefetch");
    let mut consumer = consume(&channel, &queue).await;
    for n in 0..500u32 {
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.data.as_slice(), delivery.redelivered), (&n.to_be_bytes()[..], false));
        // Every tenth settles those before it.
        if n % 10 == 9 {
            delivery.ack(BasicAckOptions { multiple: true }).await.expect("settled");
        }
    }
    let left = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await;
    assert_eq!(left.expect("deleted"), 0);
    // Its consumer is told.
    assert!(deadline::soon("the end of the consumer", consumer.next()).await.is_none());
}

#[tokio::test]
async fn what_nothing_takes_comes_back_and_a_mistake_costs_the_channel_alone() {
    let server = Server::shared();
    let (connection, channel) = connect(server).await;
    let properties = BasicProperties::default().with_message_id("m".into());
    match publish(&channel, ("", &server.name("nowhere")), b"back", properties).await {
        Confirmation::Ack(Some(returned)) => {
            assert_eq!((returned.reply_code, returned.data.as_slice()), (312, &b"back"[..]));
            assert_eq!(returned.properties.message_id().as_ref().map(|id| id.as_str()), Some("m"));
        }
        other => panic!("{other:?}"),
    }
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let nothing = server.name("nothing");
    let error =
        channel.queue_declare(nothing.as_str().into(), passive, FieldTable::default()).await.unwrap_err();
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            let text = format!("NOT_FOUND - no queue '{nothing}' in vhost '/'");
            assert_eq!((error.get_id(), error.get_message().as_str()), (404, text.as_str()));
        }
        other => panic!("{other:?}"),
    }
    let again = connection.create_channel().await.expect("another channel");
    declare(&again, &nothing, FieldTable::default()).await;
    again.queue_delete(nothing.as_str().into(), QueueDeleteOptions::default()).await.expect("deleted");
}

#[tokio::test]
async fn what_a_lost_client_held_comes_again_and_what_is_rejected_is_dead_lettered() {
    let server = Server::shared();
    let (queue, dead) = (server.name("lapin"), server.name("lapin-dead"));
    let (_connection, channel) = connect(server).await;
    let mut arguments = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(LongString::from(text));
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(&dead));
    declare(&channel, &dead, FieldTable::default()).await;
    declare(&channel, &queue, arguments).await;
    assert!(matches!(
        publish(&channel, ("", &queue), b"held", BasicProperties::default()).await,
        Confirmation::Ack(None)
    ));
    let (lost, held) = connect(server).await;
    let delivery = next(&mut consume(&held, &queue).await).await;
    assert!(!delivery.redelivered);
    lost.close(200, "gone".into()).await.expect("closed");
    let mut consumer = consume(&channel, &queue).await;
    let again = next(&mut consumer).await;
    assert!(again.redelivered && again.data == b"held");
    again.reject(BasicRejectOptions { requeue: false }).await.expect("rejected");
    let letter = next(&mut consume(&channel, &dead).await).await;
    let headers = letter.properties.headers().clone().expect("headers");
    let reason = headers.inner().get("x-first-death-reason");
    assert_eq!(reason, Some(&text("rejected")));
    letter.ack(BasicAckOptions::default()).await.expect("settled");
    for queue in [queue, dead] {
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.expect("deleted");
    }
}

#[tokio::test]
async fn a_stream_is_read_by_the_values_that_were_asked_for() {
    let server = Server::shared();
    let stream = server.name("filtered");
    let (_connection, channel) = connect(server).await;
    let text = |text: &str| AMQPValue::LongString(LongString::from(text));
    let table = |entries: &[(&str, AMQPValue)]| {
        let mut table = FieldTable::default();
        for (name, value) in entries {
            table.insert((*name).into(), value.clone());
        }
        table
    };
    declare(&channel, &stream, table(&[("x-queue-type", text("stream"))])).await;
    for (number, region) in
        [None, Some("eu"), Some("us"), Some("asia")].into_iter().cycle().take(40).enumerate()
    {
        let headers = region.map(|region| table(&[("x-stream-filter-value", text(region))]));
        let properties = BasicProperties::default().with_headers(headers.unwrap_or_default());
        publish(&channel, ("", &stream), number.to_string().as_bytes(), properties).await;
    }
    channel.basic_qos(3, BasicQosOptions::default()).await.expect("a prefetch");
    let both = AMQPValue::FieldArray(vec![text("eu"), text("us")].into());
    for (filter, unfiltered, wanted) in
        [(text("asia"), false, &[3, 7, 11, 15][..]), (both, true, &[0, 1, 2, 4, 5, 6, 8, 9, 10][..])]
    {
        let arguments = table(&[
            ("x-stream-offset", text("first")),
            ("x-stream-filter", filter),
            ("x-stream-match-unfiltered", AMQPValue::Boolean(unfiltered)),
        ]);
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(stream.as_str().into(), "".into(), options, arguments).await;
        let mut consumer = consumer.expect("a consumer");
        for number in wanted {
            let delivery = next(&mut consumer).await;
            assert_eq!(String::from_utf8_lossy(&delivery.data), number.to_string());
            delivery.ack(BasicAckOptions::default()).await.expect("an ack");
        }
        let tag = consumer.tag();
        channel.basic_cancel(tag, BasicCancelOptions::default()).await.expect("cancelled");
    }
}
