//! What is configured at the door: where it listens, what it makes by itself, and what it bears.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kafka_clients::{Broker, PATIENCE, admin, consumer, make_topic, name, producer, sent, take, until};
use rdkafka::consumer::Consumer;
use rdkafka::producer::FutureRecord;
use rdkafka::types::RDKafkaErrorCode;

/// Where a client of `address` is told that the broker is.
fn told(address: &str) -> String {
    let metadata = admin(address).inner().fetch_metadata(None, PATIENCE).expect("metadata");
    let [broker] = metadata.brokers() else { panic!("one broker") };
    format!("{}:{}", broker.host(), broker.port())
}

#[tokio::test]
async fn clients_are_told_the_address_that_they_reached_or_the_one_that_is_advertised() {
    let broker = Broker::listening(2, &[]);
    let [one, two] = broker.addresses() else { panic!("two addresses") };
    assert_ne!(one, two);
    assert_eq!((told(one), told(two)), (one.clone(), two.clone()));
    // What is produced through the one is there for the other.
    make_topic(one, "both", 1, &[]).await;
    sent(&producer(two, &[]), "both", None, ["through the second".to_owned()]).await;
    let reader = consumer(one, "group", &[]);
    reader.subscribe(&["both"]).expect("a subscription");
    take(&reader, 1);
    let broker = Broker::listening(2, &["kafka.advertised=kafka.example.org:9092,127.0.0.1:7"]);
    assert_eq!(told(&broker.addresses()[0]), "kafka.example.org:9092");
    assert_eq!(told(&broker.addresses()[1]), "127.0.0.1:7");
}

#[tokio::test]
async fn topics_make_themselves_only_where_that_is_allowed() {
    let broker = Broker::start(&["kafka.default_partitions=3"]);
    sent(&producer(broker.address(), &[]), "made", None, ["first".to_owned()]).await;
    let partitions = |topic: &str| {
        let metadata = admin(broker.address()).inner().fetch_metadata(None, PATIENCE).expect("metadata");
        metadata.topics().iter().find(|found| found.name() == topic).map(|found| found.partitions().len())
    };
    assert_eq!(partitions("made"), Some(3));
    // A consumer does not want it unless it says so.
    let reader = consumer(broker.address(), &name("group"), &[("allow.auto.create.topics", "false")]);
    assert!(reader.fetch_watermarks("unwanted", 0, PATIENCE).is_err());
    assert_eq!(partitions("unwanted"), None);
    let broker = Broker::start(&["kafka.auto_create_topics=false"]);
    let producer = producer(
        broker.address(),
        &[("message.timeout.ms", "60000"), ("topic.metadata.propagation.max.ms", "100")],
    );
    let delivery =
        producer.send_result(FutureRecord::<(), _>::to("never").payload("lost")).map_err(|(error, _)| error);
    let (error, _) =
        delivery.expect("room").await.expect("the producer lives").expect_err("there is no such topic");
    let code = error.rdkafka_error_code();
    assert!(
        matches!(code, Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)),
        "{error}"
    );
}

fn raw(broker: &Broker) -> TcpStream {
    let stream = TcpStream::connect(broker.address()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A request of a version without tagged fields; its correlation id is 7.
fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let head = [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 7, 0, 2], b"me", body].concat();
    [&(head.len() as u32).to_be_bytes()[..], &head].concat()
}

/// The next answer, without its length; none when the server closed.
fn answer(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer came"),
        Err(_) => return None,
    }
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).expect("a whole answer");
    Some(body)
}

fn is_served(stream: &mut TcpStream) -> bool {
    let _ = stream.write_all(&request(18, 0, &[]));
    answer(stream).is_some_and(|told| told.starts_with(&[0, 0, 0, 7, 0, 0]))
}

#[test]
fn connections_and_requests_have_limits() {
    let broker = Broker::start(&["kafka.max_connections=2", "kafka.max_request_bytes=1100000"]);
    let (mut one, mut two) = (raw(&broker), raw(&broker));
    assert!(is_served(&mut one) && is_served(&mut two));
    assert!(!is_served(&mut raw(&broker)), "a third is closed at once");
    drop(one);
    until("there is room again", || is_served(&mut raw(&broker)));
    two.write_all(&1_100_001u32.to_be_bytes()).expect("it is taken");
    assert_eq!(answer(&mut two), None, "too large a request was announced");
    until("there is room again", || is_served(&mut raw(&broker)));
}

/// What nobody announces nobody should send: a client that looks first does without.
#[test]
fn telemetry_is_not_announced() {
    let broker = Broker::start(&[]);
    let mut stream = raw(&broker);
    stream.write_all(&request(18, 0, &[])).expect("it is taken");
    let told = answer(&mut stream).expect("versions");
    let keys: Vec<i16> = told[10..].chunks_exact(6).map(|api| i16::from_be_bytes([api[0], api[1]])).collect();
    assert!(keys.contains(&0) && keys.contains(&68), "{keys:?}");
    assert!(!keys.contains(&71) && !keys.contains(&72), "{keys:?}");
    stream.write_all(&request(71, 0, &[0; 17])).expect("it is taken");
    assert_eq!(answer(&mut stream), None);
}

#[tokio::test]
async fn who_stands_still_holds_up_nobody() {
    let broker = Broker::start(&["kafka.max_in_flight_bytes=2MiB", "kafka.max_request_bytes=1100000"]);
    make_topic(broker.address(), "large", 1, &[]).await;
    let producer = producer(broker.address(), &[("message.max.bytes", "900000")]);
    sent(&producer, "large", None, (0..20).map(|_| "x".repeat(200_000))).await;
    let mut still = Vec::new();
    for _ in 0..20 {
        // Half a large request, which took a permit or waits for one.
        let mut stream = raw(&broker);
        stream.write_all(&700_000u32.to_be_bytes()).expect("it is taken");
        stream.write_all(&request(0, 3, &[0; 1000])[4..]).expect("it is taken");
        still.push(stream);
        // Fetches of everything, whose answers nobody reads.
        let mut stream = raw(&broker);
        let fetch = [
            &(-1i32).to_be_bytes()[..],
            &0i32.to_be_bytes(),
            &1i32.to_be_bytes(),
            &i32::MAX.to_be_bytes(),
            &[0],
            &1i32.to_be_bytes(),
            &[0, 5],
            b"large",
            &1i32.to_be_bytes(),
            &0i32.to_be_bytes(),
            &0i64.to_be_bytes(),
            &i32::MAX.to_be_bytes(),
        ];
        let fetches = request(1, 4, &fetch.concat()).repeat(50);
        stream.set_nonblocking(true).expect("a socket");
        let _ = stream.write(&fetches);
        still.push(stream);
    }
    // Others are served: what they send is small enough to need no permit.
    let others = kafka_clients::producer(broker.address(), &[("message.timeout.ms", "30000")]);
    sent(&others, "large", None, (0..100).map(|n| n.to_string())).await;
    let reader = consumer(broker.address(), &name("group"), &[]);
    assert_eq!(reader.fetch_watermarks("large", 0, PATIENCE).expect("watermarks"), (0, 120));
    reader.subscribe(&["large"]).expect("a subscription");
    take(&reader, 120);
    assert!(still.iter().all(|stream| stream.peer_addr().is_ok()));
    assert!(reader.poll(Duration::from_millis(1)).is_none());
}
