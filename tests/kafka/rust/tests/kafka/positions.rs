//! Where a consumer stands, and how it moves.

use std::time::Duration;

use kafka_clients::{
    PATIENCE, admin, consumer, make_topic, name, producer, sent, shared, take, until, values,
};
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};

fn at(topic: &str, partition: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset).expect("an offset");
    list
}

async fn filled(partitions: i32) -> (String, String) {
    let (broker, topic) = (shared(), name("positions"));
    make_topic(&broker, &topic, partitions, &[]).await;
    let producer = producer(&broker, &[]);
    for partition in 0..partitions {
        sent(&producer, &topic, Some(partition), (0..100).map(|n| format!("{n}"))).await;
    }
    (broker, topic)
}

#[tokio::test]
async fn reading_starts_where_it_is_told_to() {
    let (broker, topic) = filled(1).await;
    for (offset, first) in
        [(Offset::Beginning, 0), (Offset::Offset(42), 42), (Offset::OffsetTail(10), 90), (Offset::Invalid, 0)]
    {
        let reader = consumer(&broker, &name("group"), &[]);
        reader.assign(&at(&topic, 0, offset)).expect("an assignment");
        assert_eq!(take(&reader, 1)[0].offset(), first, "{offset:?}");
    }
    let reader = consumer(&broker, &name("group"), &[("enable.partition.eof", "true")]);
    reader.assign(&at(&topic, 0, Offset::End)).expect("an assignment");
    until("the end is told", || {
        matches!(reader.poll(Duration::from_millis(100)), Some(Err(KafkaError::PartitionEOF(0))))
    });
    sent(&producer(&broker, &[]), &topic, Some(0), ["next".to_owned()]).await;
    let found = loop {
        match reader.poll(PATIENCE) {
            Some(Ok(message)) => break message.detach(),
            Some(Err(KafkaError::PartitionEOF(0))) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((found.offset(), values(&[found])), (100, vec!["next".to_owned()]));
}

#[tokio::test]
async fn watermarks_and_times_are_found() {
    let (broker, topic) = filled(2).await;
    let reader = consumer(&broker, &name("group"), &[]);
    assert_eq!(reader.fetch_watermarks(&topic, 1, PATIENCE).expect("watermarks"), (0, 100));
    let admin = admin(&broker);
    admin.delete_records(&at(&topic, 1, Offset::Offset(30)), &AdminOptions::new()).await.expect("an answer");
    assert_eq!(reader.fetch_watermarks(&topic, 1, PATIENCE).expect("watermarks"), (30, 100));
    reader.assign(&at(&topic, 1, Offset::Offset(50))).expect("an assignment");
    let from = take(&reader, 1)[0].timestamp().to_millis().expect("a time");
    for (time, expected) in [(0, Offset::Offset(30)), (from + 3_600_000, Offset::End)] {
        let asked = at(&topic, 1, Offset::Offset(time));
        let found = reader.offsets_for_times(asked, PATIENCE).expect("offsets");
        assert_eq!(found.find_partition(&topic, 1).expect("it is told").offset(), expected);
    }
    assert!(reader.fetch_watermarks(&name("nowhere"), 0, PATIENCE).is_err());
}

#[tokio::test]
async fn a_consumer_pauses_resumes_and_seeks() {
    let (broker, topic) = filled(2).await;
    let reader = consumer(&broker, &name("group"), &[]);
    let mut both = at(&topic, 0, Offset::Beginning);
    both.add_partition_offset(&topic, 1, Offset::Beginning).expect("an offset");
    reader.assign(&both).expect("an assignment");
    take(&reader, 200);
    reader.pause(&at(&topic, 0, Offset::Invalid)).expect("a pause");
    let producer = producer(&broker, &[]);
    sent(&producer, &topic, Some(0), ["later".to_owned()]).await;
    sent(&producer, &topic, Some(1), (0..20).map(|n| format!("now {n}"))).await;
    assert!(take(&reader, 20).iter().all(|message| message.partition() == 1));
    reader.resume(&at(&topic, 0, Offset::Invalid)).expect("it goes on");
    assert_eq!(values(&take(&reader, 1)), ["later"]);
    reader.seek(&topic, 1, Offset::Offset(7), PATIENCE).expect("a seek");
    let found = take(&reader, 113);
    assert!(found.iter().map(Message::offset).eq(7..120));
    assert!(found.iter().all(|message| message.partition() == 1));
}

#[tokio::test]
async fn an_offset_that_is_gone_is_reset_as_the_consumer_wants() {
    let (broker, topic) = filled(1).await;
    let before = at(&topic, 0, Offset::Offset(40));
    admin(&broker).delete_records(&before, &AdminOptions::new()).await.expect("an answer");
    let reader = consumer(&broker, &name("group"), &[]);
    reader.assign(&at(&topic, 0, Offset::Offset(5))).expect("an assignment");
    assert_eq!(take(&reader, 1)[0].offset(), 40);
    let strict = consumer(&broker, &name("group"), &[("auto.offset.reset", "error")]);
    strict.assign(&at(&topic, 0, Offset::Offset(5))).expect("an assignment");
    let refused = strict.poll(PATIENCE).expect("an answer").expect_err("it is out of range");
    assert_eq!(refused, KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset));
}
