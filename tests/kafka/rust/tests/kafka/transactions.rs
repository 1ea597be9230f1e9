//! Transactions are seen whole or not at all.

use kafka_clients::{PATIENCE, consumer, make_topic, name, producer, sent, shared, take, values};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

fn transactional(broker: &str, id: &str, settings: &[(&str, &str)]) -> FutureProducer {
    let producer = producer(broker, &[&[("transactional.id", id)], settings].concat());
    producer.init_transactions(PATIENCE).expect("it is initialised");
    producer
}

fn numbers(front: &str) -> Vec<String> {
    (0..10).map(|n| format!("{front} {n}")).collect()
}

fn code(outcome: Result<(), KafkaError>) -> RDKafkaErrorCode {
    match outcome {
        Err(KafkaError::Transaction(error)) => error.code(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn readers_see_what_was_committed_and_nothing_else() {
    let broker = shared();
    for codec in ["none", "lz4"] {
        let topic = name("transacted");
        make_topic(&broker, &topic, 2, &[]).await;
        let producer = transactional(&broker, &name("id"), &[("compression.type", codec)]);
        for (front, commits) in [("first", true), ("never", false), ("second", true), ("again never", false)]
        {
            producer.begin_transaction().expect("it begins");
            for partition in 0..2 {
                sent(&producer, &topic, Some(partition), numbers(front)).await;
            }
            match commits {
                true => producer.commit_transaction(PATIENCE).expect("it is committed"),
                false => producer.abort_transaction(PATIENCE).expect("it is aborted"),
            }
        }
        let reader = consumer(&broker, &name("group"), &[("isolation.level", "read_committed")]);
        reader.subscribe(&[&topic]).expect("a subscription");
        let mut found = values(&take(&reader, 40));
        found.sort();
        let mut expected =
            [numbers("first"), numbers("second"), numbers("first"), numbers("second")].concat();
        expected.sort();
        assert_eq!(found, expected);
        let everything = consumer(&broker, &name("group"), &[("isolation.level", "read_uncommitted")]);
        everything.subscribe(&[&topic]).expect("a subscription");
        take(&everything, 80);
        // What is open holds the stable offset back, and readers of committed records with it.
        producer.begin_transaction().expect("it begins");
        sent(&producer, &topic, Some(0), numbers("open")).await;
        sent(&self::producer_of(&broker), &topic, Some(0), numbers("plain")).await;
        assert_eq!(values(&take(&everything, 20)), [numbers("open"), numbers("plain")].concat());
        assert!(reader.poll(std::time::Duration::from_millis(300)).is_none(), "the transaction is open");
        producer.abort_transaction(PATIENCE).expect("it is aborted");
        assert_eq!(values(&take(&reader, 10)), numbers("plain"));
    }
}

fn producer_of(broker: &str) -> FutureProducer {
    producer(broker, &[])
}

#[tokio::test]
async fn offsets_move_with_the_transaction() {
    let (broker, input, output, group) = (shared(), name("in"), name("out"), name("group"));
    make_topic(&broker, &input, 1, &[]).await;
    make_topic(&broker, &output, 1, &[]).await;
    sent(&producer_of(&broker), &input, None, numbers("in")).await;
    let reader = consumer(&broker, &group, &[("isolation.level", "read_committed")]);
    reader.subscribe(&[&input]).expect("a subscription");
    let found = values(&take(&reader, 10));
    let producer = transactional(&broker, &name("id"), &[]);
    let committed = || {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&input, 0);
        let told = reader.committed_offsets(asked, PATIENCE).expect("offsets");
        told.find_partition(&input, 0).expect("it is told").offset()
    };
    for commits in [false, true] {
        producer.begin_transaction().expect("it begins");
        sent(&producer, &output, None, found.iter().map(|value| format!("out of {value}"))).await;
        let offsets = reader.position().expect("a position");
        let member = reader.group_metadata().expect("a member");
        producer.send_offsets_to_transaction(&offsets, &member, PATIENCE).expect("offsets are added");
        if commits {
            producer.commit_transaction(PATIENCE).expect("it is committed");
            assert_eq!(committed(), Offset::Offset(10));
        } else {
            producer.abort_transaction(PATIENCE).expect("it is aborted");
            assert_eq!(committed(), Offset::Invalid);
        }
    }
    let result = consumer(&broker, &name("group"), &[("isolation.level", "read_committed")]);
    result.subscribe(&[&output]).expect("a subscription");
    let expected: Vec<_> = found.iter().map(|value| format!("out of {value}")).collect();
    assert_eq!(values(&take(&result, 10)), expected);
}

#[tokio::test]
async fn a_newer_producer_fences_an_older_one() {
    let (broker, topic, id) = (shared(), name("fenced"), name("id"));
    make_topic(&broker, &topic, 1, &[]).await;
    let old = transactional(&broker, &id, &[]);
    old.begin_transaction().expect("it begins");
    sent(&old, &topic, None, numbers("old")).await;
    let new = transactional(&broker, &id, &[]);
    let told = code(old.commit_transaction(PATIENCE));
    assert!(matches!(told, RDKafkaErrorCode::Fenced | RDKafkaErrorCode::Fatal), "{told}");
    new.begin_transaction().expect("it begins");
    sent(&new, &topic, None, numbers("new")).await;
    new.commit_transaction(PATIENCE).expect("it is committed");
    let reader = consumer(&broker, &name("group"), &[("isolation.level", "read_committed")]);
    reader.subscribe(&[&topic]).expect("a subscription");
    assert_eq!(values(&take(&reader, 10)), numbers("new"));
}

#[tokio::test]
async fn a_transaction_that_nobody_ends_is_aborted() {
    let (broker, topic) = (shared(), name("left"));
    make_topic(&broker, &topic, 1, &[]).await;
    let slow = transactional(&broker, &name("id"), &[("transaction.timeout.ms", "1000")]);
    slow.begin_transaction().expect("it begins");
    sent(&slow, &topic, None, numbers("slow")).await;
    sent(&producer_of(&broker), &topic, None, numbers("plain")).await;
    let reader = consumer(&broker, &name("group"), &[("isolation.level", "read_committed")]);
    reader.subscribe(&[&topic]).expect("a subscription");
    assert_eq!(values(&take(&reader, 10)), numbers("plain"), "they come once the timeout has passed");
    assert!(slow.commit_transaction(PATIENCE).is_err());
}
