//! What a Kafka producer may not store, however its batch is wrapped.

use blackbox::kafka::{batch, record};
use blackbox::{Http, Kafka, Server, list};
use bytes::BytesMut;
use kafka_wire::RecordsIn;
use kafka_wire::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use serde_json::json;

const NOW: i64 = 1_700_000_000_000;
const INVALID_RECORD: i16 = 87;
const GZIP: i16 = 1;

/// Produces one batch to partition 0; answers the error and the base offset.
async fn produce(kafka: &mut Kafka, log: &str, records: BytesMut) -> (i16, i64) {
    let partition = told(kafka, log, records).await;
    (partition.error_code, partition.base_offset)
}

async fn told(kafka: &mut Kafka, log: &str, records: BytesMut) -> PartitionProduceResponse {
    let partition_data = vec![PartitionProduceData { index: 0, records: RecordsIn(Some(records)) }];
    let topic = TopicProduceData { name: log.to_owned(), partition_data, ..TopicProduceData::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..ProduceRequest::default() };
    kafka.ask(9, &request).await.responses.remove(0).partition_responses.remove(0)
}

/// gzip (RFC 1952) without compressing: one stored block.
fn gzip(content: &[u8]) -> Vec<u8> {
    let crc = content.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    let len = content.len() as u16;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    out.extend(len.to_le_bytes());
    out.extend((!len).to_le_bytes());
    out.extend(content);
    out.extend((!crc).to_le_bytes());
    out.extend(u32::from(len).to_le_bytes());
    out
}

async fn values(http: &Http, log: &str) -> Vec<String> {
    blackbox::values(&list(&http.records(log, 0, "offset=earliest").await, "records"))
}

#[tokio::test]
async fn the_records_inside_a_batch_are_checked_compressed_or_not() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_lasting_log(&log, 1).await;
    let mut kafka = Kafka::connect(server).await;
    let good = [record(0, 0, None, "a"), record(1, 5, Some("k"), "b")].concat();
    let misnumbered = [record(0, 0, None, "a"), record(0, 5, None, "b")].concat();
    let times = (NOW, NOW + 5);
    for (codec, pack) in [(0, (|content| content.to_vec()) as fn(&[u8]) -> Vec<u8>), (GZIP, gzip)] {
        for (count, content) in [
            // More records than there are, fewer, in another order, half of one, and what nobody can open.
            (3, pack(&good)),
            (1, pack(&good)),
            (2, pack(&misnumbered)),
            (2, pack(&good[..good.len() - 3])),
            (2, vec![0x1f; 40]),
        ] {
            let (error, _) = produce(&mut kafka, &log, batch(codec, count, times, &content)).await;
            assert_eq!(error, INVALID_RECORD, "codec {codec}, {count} records");
        }
    }
    assert_eq!(values(&http, &log).await, [""; 0], "nothing of it was stored");
    assert_eq!(produce(&mut kafka, &log, batch(GZIP, 2, times, &gzip(&good))).await, (0, 0));
    assert_eq!(produce(&mut kafka, &log, batch(0, 2, times, &good)).await, (0, 2));
    assert_eq!(values(&http, &log).await, ["a", "b", "a", "b"]);
}

#[tokio::test]
async fn a_largest_timestamp_that_lies_does_not_hide_records() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_lasting_log(&log, 1).await;
    let mut kafka = Kafka::connect(server).await;
    let content = [record(0, 0, None, "old"), record(1, 20, None, "new")].concat();
    for codec in [0, GZIP] {
        let content = if codec == GZIP { gzip(&content) } else { content.clone() };
        // The header claims that nothing is newer than the first record.
        let (error, base) = produce(&mut kafka, &log, batch(codec, 2, (NOW, NOW), &content)).await;
        assert_eq!(error, 0);
        let page = http.records(&log, 0, &format!("offset=@{}&limit=1", NOW + 20)).await;
        assert_eq!(page["records"][0]["value"], "new", "{page}");
        http.delete(&format!("/v1/topics/{log}/partitions/0/records?before={}", base + 2)).await.expect(200);
    }
}

#[tokio::test]
async fn a_record_without_a_key_does_not_get_into_a_compacted_log() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    let settings = json!({"model": "log", "log": {"config": {"cleanup.policy": "compact"}}});
    http.put(&format!("/v1/topics/{log}"), settings).await.expect(201);
    let mut kafka = Kafka::connect(server).await;
    let keyless = [record(0, 0, Some("k"), "a"), record(1, 0, None, "b")].concat();
    let keyed = [record(0, 0, Some("k"), "a"), record(1, 0, Some(""), "b")].concat();
    for (codec, pack) in [(0, (|content| content.to_vec()) as fn(&[u8]) -> Vec<u8>), (GZIP, gzip)] {
        let refused = told(&mut kafka, &log, batch(codec, 2, (NOW, NOW), &pack(&keyless))).await;
        // Which of them is at fault is told, so that the producer can send the others again (KIP-467).
        assert_eq!(refused.error_code, INVALID_RECORD, "codec {codec}");
        let places: Vec<i32> = refused.record_errors.iter().map(|one| one.batch_index).collect();
        assert_eq!(places, [1], "codec {codec}");
        let taken = produce(&mut kafka, &log, batch(codec, 2, (NOW, NOW), &pack(&keyed))).await;
        assert_eq!(taken.0, 0, "codec {codec}");
    }
}
