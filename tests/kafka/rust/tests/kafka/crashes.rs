//! `kill -9` under way: what was acknowledged is there, once and in order.

use std::time::Duration;

use kafka_clients::{
    Broker, PATIENCE, config, consumer, make_topic, name, producer, send, take, until, values,
};
use rdkafka::consumer::Consumer;
use rdkafka::producer::{FutureProducer, Producer};

const KILLS: usize = 4;
const BETWEEN: usize = 5000;

/// Every part of what a producer sends between kills is under way when the server dies.
#[tokio::test]
async fn an_idempotent_producer_loses_repeats_and_reorders_nothing() {
    let mut broker = Broker::start(&[]);
    make_topic(broker.address(), "killed", 2, &[]).await;
    let settings = [
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("compression.type", "lz4"),
        ("linger.ms", "2"),
        ("batch.num.messages", "100"),
        ("message.timeout.ms", "120000"),
        ("reconnect.backoff.max.ms", "200"),
    ];
    let producer = producer(broker.address(), &settings);
    let mut under_way = Vec::new();
    for kill in 0..=KILLS {
        for n in 0..BETWEEN {
            let number = kill * BETWEEN + n;
            let partition = (number % 2) as i32;
            under_way.push(send(&producer, "killed", Some(partition), &number.to_string()));
            if n == BETWEEN / 2 && kill < KILLS {
                broker.crash();
            }
        }
    }
    let mut places = Vec::new();
    for delivery in under_way {
        let delivery = delivery.await.expect("the producer lives").map_err(|(error, _)| error);
        let delivery = delivery.expect("everything is delivered");
        places.push((delivery.partition, delivery.offset));
    }
    let total = (KILLS + 1) * BETWEEN;
    for partition in 0..2 {
        let offsets = places.iter().filter(|place| i64::from(place.0) == partition).map(|place| place.1);
        assert!(offsets.eq(0..total as i64 / 2), "partition {partition} has neither holes nor repeats");
    }
    let reader = consumer(broker.address(), &name("group"), &[]);
    reader.subscribe(&["killed"]).expect("a subscription");
    let mut next = [0, 1];
    for message in take(&reader, total) {
        let value = values(&[message.clone()]).remove(0);
        let partition = rdkafka::Message::partition(&message) as usize;
        assert_eq!(value, next[partition].to_string());
        next[partition] += 2;
    }
    for partition in 0..2 {
        let ends = reader.fetch_watermarks("killed", partition, PATIENCE).expect("watermarks");
        assert_eq!(ends, (0, total as i64 / 2));
    }
}

/// A consumer that goes on through kills, with what it committed.
#[tokio::test]
async fn a_group_goes_on_where_it_committed() {
    let mut broker = Broker::start(&[]);
    make_topic(broker.address(), "read", 3, &[]).await;
    let producer = producer(broker.address(), &[("reconnect.backoff.max.ms", "200")]);
    let under_way: Vec<_> = (0..600).map(|n| send(&producer, "read", None, &n.to_string())).collect();
    for delivery in under_way {
        delivery.await.expect("the producer lives").map_err(|(error, _)| error).expect("it is delivered");
    }
    let settings = [("group.id", "g"), ("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")];
    let quick = [("reconnect.backoff.max.ms", "200"), ("session.timeout.ms", "6000")];
    let reader: rdkafka::consumer::BaseConsumer =
        config(broker.address(), &[settings, [quick[0], quick[1], ("fetch.wait.max.ms", "50")]].concat())
            .create()
            .expect("a consumer");
    reader.subscribe(&["read"]).expect("a subscription");
    let mut committed = std::collections::BTreeSet::new();
    let mut kills = 0;
    until("everything is committed", || {
        let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) else { return false };
        let value =
            String::from_utf8_lossy(rdkafka::Message::payload(&message).unwrap_or_default()).into_owned();
        // A commit that fails because the server is away is read again.
        if reader.commit_message(&message, rdkafka::consumer::CommitMode::Sync).is_ok() {
            committed.insert(value);
        }
        if committed.len() == 150 * (kills + 1) && kills < 3 {
            kills += 1;
            broker.crash();
        }
        committed.len() == 600
    });
    let told = reader.committed(PATIENCE).expect("offsets");
    let total: i64 = told.elements().iter().filter_map(|part| part.offset().to_raw()).sum();
    assert_eq!(total, 600);
}

/// Each transaction that was committed is there whole; each that was not, not at all.
#[tokio::test]
async fn transactions_stay_whole() {
    let mut broker = Broker::start(&[]);
    make_topic(broker.address(), "moved", 2, &[]).await;
    let begin = |broker: &Broker| -> FutureProducer {
        let settings = [("transactional.id", "mover"), ("reconnect.backoff.max.ms", "200")];
        let producer = producer(broker.address(), &settings);
        producer.init_transactions(PATIENCE).expect("it is initialised");
        producer
    };
    let mut producer = begin(&broker);
    let mut expected = Vec::new();
    for round in 0..12 {
        producer.begin_transaction().expect("it begins");
        let each: Vec<_> = (0..20).map(|n| format!("{round}-{n}")).collect();
        let under_way: Vec<_> = each
            .iter()
            .zip([0, 1].into_iter().cycle())
            .map(|(value, part)| send(&producer, "moved", Some(part), value))
            .collect();
        if round % 4 == 1 {
            // The server goes down in the middle of it, and the producer with it.
            broker.crash();
            drop((under_way, producer));
            producer = begin(&broker);
            continue;
        }
        if round % 4 == 2 {
            broker.crash();
        }
        producer.commit_transaction(PATIENCE).expect("it is committed");
        expected.extend(each);
        if round % 4 == 3 {
            broker.crash();
        }
    }
    let reader = consumer(broker.address(), &name("group"), &[("isolation.level", "read_committed")]);
    reader.subscribe(&["moved"]).expect("a subscription");
    let mut found = values(&take(&reader, expected.len()));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
