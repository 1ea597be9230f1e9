//! Records come back as they were sent.

use std::collections::HashMap;

use kafka_clients::{consumer, make_topic, name, producer, sent, shared, take};
use rdkafka::consumer::Consumer;
use rdkafka::message::{Header, Headers, OwnedHeaders, ToBytes};
use rdkafka::producer::FutureRecord;
use rdkafka::{Message, Timestamp};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

fn now() -> i64 {
    Timestamp::now().to_millis().expect("a time")
}

#[tokio::test]
async fn every_part_of_a_record_survives_in_every_codec() {
    let broker = shared();
    for codec in CODECS {
        for (acks, idempotent) in [("0", "false"), ("1", "false"), ("all", "false"), ("all", "true")] {
            let topic = name(codec);
            make_topic(&broker, &topic, 1, &[]).await;
            let settings = [("compression.type", codec), ("acks", acks), ("enable.idempotence", idempotent)];
            let producer = producer(&broker, &[&settings[..], &[("linger.ms", "20")]].concat());
            let from = now() - 60_000;
            let payload = |n: i64| (n % 7 != 3).then(|| format!("value {n} ").repeat(n as usize % 40));
            let key = |n: i64| (n % 5 != 2).then(|| [0xff, n as u8]);
            let mut under_way = Vec::new();
            for n in 0..200 {
                let header = |key, value| Header { key, value };
                let headers = OwnedHeaders::new()
                    .insert(header("twice", Some(&b"one"[..])))
                    .insert(header("none", None))
                    .insert(header("twice", Some(&b"\x00\x80\xff"[..])))
                    .insert(header("empty", Some(&b""[..])));
                let (payload, key) = (payload(n), key(n));
                let mut record = FutureRecord::to(&topic).timestamp(from + n).headers(headers);
                record.payload = payload.as_ref().map(|payload| payload.as_bytes());
                record.key = key.as_ref().map(|key| &key[..]);
                under_way.push(producer.send_result(record).map_err(|(error, _)| error).expect("room"));
            }
            for delivery in under_way {
                delivery
                    .await
                    .expect("the producer lives")
                    .map_err(|(error, _)| error)
                    .expect("it is delivered");
            }
            let reader = consumer(&broker, &name("group"), &[]);
            reader.subscribe(&[&topic]).expect("a subscription");
            for (n, message) in (0..).zip(take(&reader, 200)) {
                assert_eq!(message.offset(), n);
                assert_eq!(message.payload(), payload(n).as_deref().map(ToBytes::to_bytes));
                assert_eq!(message.key(), key(n).as_ref().map(|key| &key[..]));
                assert_eq!(message.timestamp(), Timestamp::CreateTime(from + n));
                let headers = message.headers().expect("headers");
                let headers: Vec<_> = headers.iter().map(|header| (header.key, header.value)).collect();
                let expected: [(&str, Option<&[u8]>); 4] = [
                    ("twice", Some(b"one")),
                    ("none", None),
                    ("twice", Some(b"\x00\x80\xff")),
                    ("empty", Some(b"")),
                ];
                assert_eq!(headers, expected, "{codec}");
            }
        }
    }
}

#[tokio::test]
async fn the_topic_may_choose_the_codec_and_the_clock() {
    let broker = shared();
    for codec in ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] {
        let topic = name(codec);
        let settings = [("compression.type", codec), ("message.timestamp.type", "LogAppendTime")];
        make_topic(&broker, &topic, 1, &settings).await;
        let before = now();
        let producer = producer(&broker, &[("compression.type", "lz4"), ("linger.ms", "20")]);
        sent(&producer, &topic, None, (0..50).map(|n| format!("{n}"))).await;
        let reader = consumer(&broker, &name("group"), &[]);
        reader.subscribe(&[&topic]).expect("a subscription");
        for (n, message) in take(&reader, 50).iter().enumerate() {
            assert_eq!(message.payload(), Some(n.to_string().as_bytes()));
            match message.timestamp() {
                Timestamp::LogAppendTime(at) => assert!((before..=now()).contains(&at), "{at}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn keys_keep_their_partition_and_partitions_their_order() {
    let broker = shared();
    let topic = name("keyed");
    make_topic(&broker, &topic, 6, &[]).await;
    let producer = producer(&broker, &[("enable.idempotence", "true"), ("batch.num.messages", "50")]);
    let mut under_way = Vec::new();
    for n in 0..3000 {
        let (key, value) = (format!("key-{}", n % 37), n.to_string());
        let record = FutureRecord::to(&topic).key(&key).payload(&value);
        under_way.push(producer.send_result(record).map_err(|(error, _)| error).expect("room"));
    }
    for delivery in under_way {
        delivery.await.expect("the producer lives").map_err(|(error, _)| error).expect("it is delivered");
    }
    let reader = consumer(&broker, &name("group"), &[]);
    reader.subscribe(&[&topic]).expect("a subscription");
    let mut last: HashMap<Vec<u8>, (i32, u64)> = HashMap::new();
    for message in take(&reader, 3000) {
        let number: u64 =
            String::from_utf8_lossy(message.payload().expect("a value")).parse().expect("a number");
        let key = message.key().expect("a key").to_vec();
        if let Some((partition, before)) = last.insert(key, (message.partition(), number)) {
            assert_eq!(partition, message.partition());
            assert!(before < number, "{number} came after {before}");
        }
    }
}
