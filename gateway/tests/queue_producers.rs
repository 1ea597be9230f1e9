//! Kafka's idempotent producers and queues: a batch that is sent again is in once, and a batch is in whole or not at all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use log_engine::batch::BatchBuilder;
use message::{ErrorCode, Limits, Timestamp, TopicName};
use segment_store::LyingDisk;
use sluice::refusal::Refusal;
use sluice::topics::{
    Acks, DeleteIf, Overflow, OwnerTask, Producer, ProducerBatch, ProducerEpoch, QueueBatch, QueueSettings,
    TopicSpec, Topics, TopicsSettings,
};

fn open(disk: &LyingDisk) -> (Topics, OwnerTask) {
    let mut settings = TopicsSettings::new("unused".into());
    settings.journal.segment_bytes = 1 << 20;
    settings.journal.headroom_bytes = 0;
    settings.journal.background = false;
    Topics::open_on(Arc::new(disk.clone()), settings).unwrap()
}

async fn make(topics: &Topics, settings: QueueSettings) {
    let queue = TopicName::new("queue").unwrap();
    let settings = QueueSettings { lease_ms: 60_000, durable: true, dedup_max_ids: 1, ..settings };
    topics.create(&queue, TopicSpec::Queue(Box::new(settings))).await.unwrap();
}

/// A batch as a producer sends it; `None` is a record without a value.
fn batch(producer: Option<Producer>, sequence: i32, values: &[Option<&str>]) -> ProducerBatch {
    let mut builder = BatchBuilder::new(Timestamp(1));
    if let Some(producer) = producer {
        builder = builder.produced_by(producer, sequence);
    }
    for value in values {
        builder.push(None, value.map(str::as_bytes), &[], None);
    }
    ProducerBatch::check(BytesMut::from(builder.build().as_bytes()), &Limits::default()).unwrap()
}

async fn send(topics: &Topics, batch: ProducerBatch) -> Result<i64, Refusal> {
    let batch = QueueBatch::check(topics.queue("queue").unwrap(), batch, topics.limits())?;
    let appended = topics.produce_to_queue(batch, Acks::All).await?;
    Ok(appended.base_offset)
}

async fn held(topics: &Topics) -> usize {
    topics.queue("queue").unwrap().browse(None, 1000).await.unwrap().len()
}

async fn producer(topics: &Topics) -> Producer {
    topics.init_producer(None, Duration::from_secs(60), None).await.unwrap()
}

fn code(outcome: Result<i64, Refusal>) -> ErrorCode {
    outcome.unwrap_err().code
}

#[tokio::test]
async fn a_batch_that_is_sent_again_is_in_once_through_restarts() {
    let disk = LyingDisk::new(1);
    let (topics, owner) = open(&disk);
    make(&topics, QueueSettings::default()).await;
    let me = producer(&topics).await;
    let sends = |n: i32| batch(Some(me), n * 2, &[Some("a"), Some("b")]);
    let mut bases = Vec::new();
    for n in 0..6 {
        bases.push(send(&topics, sends(n)).await.unwrap());
    }
    for n in 1..6 {
        assert_eq!(send(&topics, sends(n)).await.unwrap(), bases[n as usize]);
    }
    assert_eq!(code(send(&topics, sends(0)).await), ErrorCode::OutOfOrderSequence, "five are remembered");
    assert_eq!(code(send(&topics, sends(7)).await), ErrorCode::OutOfOrderSequence, "one is missing");
    assert_eq!(held(&topics).await, 12);

    // Power goes, and everything is read back from the disk.
    let left = disk.crash();
    drop((topics, owner));
    let (topics, _owner) = open(&left);
    for n in 1..6 {
        assert_eq!(send(&topics, sends(n)).await.unwrap(), bases[n as usize]);
    }
    assert_eq!(held(&topics).await, 12);
    send(&topics, sends(6)).await.unwrap();
    let next = Producer { epoch: ProducerEpoch(1), ..me };
    send(&topics, batch(Some(next), 0, &[Some("c")])).await.unwrap();
    assert_eq!(code(send(&topics, sends(7)).await), ErrorCode::InvalidProducerEpoch);
    assert_eq!(held(&topics).await, 15);

    topics.delete("queue", DeleteIf::default()).await.unwrap();
    make(&topics, QueueSettings::default()).await;
    send(&topics, sends(3)).await.unwrap();
    assert_eq!(held(&topics).await, 2, "another queue of that name has seen nothing yet");
}

#[tokio::test]
async fn of_a_batch_with_a_bad_record_nothing_is_in_and_the_record_is_named() {
    let (topics, _owner) = open(&LyingDisk::new(1));
    make(&topics, QueueSettings::default()).await;
    let me = producer(&topics).await;
    let refused = send(&topics, batch(Some(me), 0, &[Some("a"), None, Some("b"), None])).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidRecord);
    let places: Vec<u32> = refused.records.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [1, 3]);
    assert_eq!(held(&topics).await, 0);
    send(&topics, batch(Some(me), 0, &[Some("a"), Some("b")])).await.unwrap();
    assert_eq!(held(&topics).await, 2, "what was refused was not taken note of");
}

#[tokio::test]
async fn a_full_queue_takes_nothing_of_a_batch_until_there_is_room() {
    let (topics, _owner) = open(&LyingDisk::new(1));
    let overflow = Overflow::RejectPublish;
    make(&topics, QueueSettings { max_length: Some(3), overflow, ..QueueSettings::default() }).await;
    let me = producer(&topics).await;
    let pair = [Some("a"), Some("b")];
    send(&topics, batch(Some(me), 0, &pair)).await.unwrap();
    assert_eq!(code(send(&topics, batch(Some(me), 2, &pair)).await), ErrorCode::QueueFull);
    assert_eq!(code(send(&topics, batch(None, 0, &[Some("x"); 4])).await), ErrorCode::TooLarge);
    assert_eq!(held(&topics).await, 2);
    topics.queue("queue").unwrap().purge().await.unwrap();
    send(&topics, batch(Some(me), 2, &pair)).await.unwrap();
    assert_eq!(held(&topics).await, 2);
}

#[tokio::test]
async fn a_producer_that_nobody_numbered_is_refused_and_one_without_a_number_is_not() {
    let (topics, _owner) = open(&LyingDisk::new(1));
    make(&topics, QueueSettings::default()).await;
    let mut stranger = producer(&topics).await;
    stranger.id.0 += 5;
    let refused: Result<i64, Refusal> = send(&topics, batch(Some(stranger), 0, &[Some("a")])).await;
    let Err(Refusal { code, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(code, ErrorCode::UnknownProducer);
    for _ in 0..2 {
        send(&topics, batch(None, 0, &[Some("a")])).await.unwrap();
    }
    assert_eq!(held(&topics).await, 2);
}
