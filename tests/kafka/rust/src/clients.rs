use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, ClientContext, Message};
use std::sync::Mutex;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A consumer that notes what it is given and what is taken from it.
pub type Reader = BaseConsumer<Watched>;

/// The partitions that a consumer has, and how it came to them.
#[derive(Default)]
pub struct Watched {
    /// What it has.
    pub owned: Mutex<BTreeSet<(String, i32)>>,
    /// What was taken from it, in this order.
    pub revoked: Mutex<Vec<(String, i32)>>,
}

impl ClientContext for Watched {}

impl ConsumerContext for Watched {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let (mut owned, mut revoked) = (self.owned.lock().unwrap(), self.revoked.lock().unwrap());
        let (given, parts) = match rebalance {
            Rebalance::Assign(parts) => (true, parts),
            Rebalance::Revoke(parts) => (false, parts),
            Rebalance::Error(error) => panic!("{error}"),
        };
        for part in parts.elements() {
            let part = (part.topic().to_owned(), part.partition());
            if given {
                assert!(owned.insert(part.clone()), "{part:?} was given twice");
            } else {
                assert!(owned.remove(&part), "{part:?} was taken but never given");
                revoked.push(part);
            }
        }
    }
}

impl Watched {
    /// How many partitions it has.
    pub fn count(&self) -> usize {
        self.owned.lock().unwrap().len()
    }
}

/// Settings of a client of `broker`.
pub fn config(broker: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// A producer.
pub fn producer(broker: &str, settings: &[(&str, &str)]) -> FutureProducer {
    config(broker, settings).create().expect("a producer")
}

/// A consumer that starts at the beginning and commits by itself only what it is told to.
pub fn consumer(broker: &str, group: &str, settings: &[(&str, &str)]) -> Reader {
    let mut config = config(broker, &[("group.id", group), ("enable.auto.commit", "false")]);
    config.set("auto.offset.reset", "earliest").set("fetch.wait.max.ms", "100");
    // The server says how often members of the consumer protocol are heard.
    if !settings.contains(&("group.protocol", "consumer")) {
        config.set("heartbeat.interval.ms", "300").set("session.timeout.ms", "10000");
    }
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create_with_context(Watched::default()).expect("a consumer")
}

/// An administrator.
pub fn admin(broker: &str) -> AdminClient<DefaultClientContext> {
    config(broker, &[]).create().expect("an administrator")
}

/// Makes a topic.
pub async fn make_topic(broker: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    new.config.extend(settings);
    let made = admin(broker).create_topics(&[new], &AdminOptions::new()).await.expect("an answer");
    assert_eq!(made, [Ok(topic.to_owned())]);
}

/// Hands a value to a producer, with its own text as the key; waits while the producer's queue is full.
pub fn send(producer: &FutureProducer, topic: &str, partition: Option<i32>, value: &str) -> DeliveryFuture {
    let mut record = FutureRecord::to(topic).key(value).payload(value);
    record.partition = partition;
    loop {
        match producer.send_result(record) {
            Ok(delivery) => return delivery,
            Err((KafkaError::MessageProduction(rdkafka::types::RDKafkaErrorCode::QueueFull), again)) => {
                record = again;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err((error, _)) => panic!("{error}"),
        }
    }
}

/// Sends values and waits until all are delivered; where each came to lie.
pub async fn sent(
    producer: &FutureProducer,
    topic: &str,
    partition: Option<i32>,
    values: impl IntoIterator<Item = String>,
) -> Vec<(i32, i64)> {
    let under_way: Vec<_> =
        values.into_iter().map(|value| send(producer, topic, partition, &value)).collect();
    let mut places = Vec::new();
    for delivery in under_way {
        let delivery = delivery.await.expect("the producer lives").map_err(|(error, _)| error);
        let delivery = delivery.expect("it is delivered");
        places.push((delivery.partition, delivery.offset));
    }
    places
}

/// Polls until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
    }
}

/// The next so many records.
pub fn take(reader: &Reader, count: usize) -> Vec<OwnedMessage> {
    let mut found = Vec::new();
    until(&format!("{count} records"), || {
        if let Some(message) = reader.poll(Duration::from_millis(100)) {
            found.push(message.expect("a record").detach());
        }
        found.len() == count
    });
    found
}

/// The text of each.
pub fn values(messages: &[OwnedMessage]) -> Vec<String> {
    let text =
        |message: &OwnedMessage| String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
    messages.iter().map(text).collect()
}

/// Commits what was read last, and waits for it.
pub fn commit(reader: &Reader) {
    reader.commit_consumer_state(rdkafka::consumer::CommitMode::Sync).expect("it is committed");
}
