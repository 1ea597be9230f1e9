//! Requests at the edge of what the Kafka door takes are refused as Apache Kafka refuses them.

use blackbox::{Kafka, Server};
use kafka_wire::RecordsIn;
use kafka_wire::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use kafka_wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use kafka_wire::messages::describe_cluster::DescribeClusterRequest;
use kafka_wire::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use kafka_wire::messages::describe_log_dirs::DescribeLogDirsRequest;
use kafka_wire::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use kafka_wire::messages::fetch::FetchRequest;
use kafka_wire::messages::find_coordinator::FindCoordinatorRequest;
use kafka_wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use kafka_wire::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_wire::messages::share_group_heartbeat::ShareGroupHeartbeatRequest;
use serde_json::json;

const INVALID_TOPIC: i16 = 17;
const UNSUPPORTED_VERSION: i16 = 35;
const INVALID_REQUEST: i16 = 42;
const POLICY_VIOLATION: i16 = 44;
const INVALID_RECORD: i16 = 87;
const UNSUPPORTED_ENDPOINT_TYPE: i16 = 115;

async fn connected() -> (Server, Kafka) {
    let server = Server::start();
    server.http().make_log("log", 1).await;
    let compacted = json!({"model": "log", "log": {"config": {"cleanup.policy": "compact"}}});
    server.http().put("/v1/topics/compacted", compacted).await.expect(201);
    let kafka = Kafka::connect(&server).await;
    (server, kafka)
}

#[tokio::test]
async fn moments_are_asked_for_in_versions_that_have_them_and_partitions_once() {
    let (_server, mut kafka) = connected().await;
    let ask = |times: &[i64]| {
        let one = |time: &i64| ListOffsetsPartition { timestamp: *time, ..ListOffsetsPartition::default() };
        let partitions = times.iter().map(one).collect();
        let topics = vec![ListOffsetsTopic { name: "log".into(), partitions }];
        ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() }
    };
    for (version, time, error) in [
        (6, -3, UNSUPPORTED_VERSION),
        (7, -3, 0),
        (7, -4, UNSUPPORTED_VERSION),
        (8, -4, 0),
        (10, -6, UNSUPPORTED_VERSION),
        (11, -6, 0),
        (11, -7, UNSUPPORTED_VERSION),
        (1, -1, 0),
    ] {
        let told = kafka.ask(version, &ask(&[time])).await;
        assert_eq!(told.topics[0].partitions[0].error_code, error, "{time} in version {version}");
    }
    let told = kafka.ask(11, &ask(&[-1, -2])).await;
    assert!(told.topics[0].partitions.iter().all(|one| one.error_code == INVALID_REQUEST));
}

#[tokio::test]
async fn records_are_not_deleted_from_a_log_that_is_compacted_only_and_none_are_produced() {
    let (server, mut kafka) = connected().await;
    let delete = |name: &str| {
        let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: -1 }];
        let topics = vec![DeleteRecordsTopic { name: name.into(), partitions }];
        DeleteRecordsRequest { topics, ..DeleteRecordsRequest::default() }
    };
    let errors = async |kafka: &mut Kafka, name: &str| {
        kafka.ask(2, &delete(name)).await.topics[0].partitions[0].error_code
    };
    assert_eq!(errors(&mut kafka, "compacted").await, POLICY_VIOLATION);
    assert_eq!(errors(&mut kafka, "log").await, 0);
    server.http().make_queue("queue", json!({})).await;
    for name in ["log", "queue"] {
        for records in [None, Some(bytes::BytesMut::new())] {
            let partition_data = vec![PartitionProduceData { index: 0, records: RecordsIn(records) }];
            let data = TopicProduceData { name: name.into(), partition_data, ..TopicProduceData::default() };
            let request = ProduceRequest { acks: 1, topic_data: vec![data], ..ProduceRequest::default() };
            let told = kafka.ask(9, &request).await;
            assert_eq!(told.responses[0].partition_responses[0].error_code, INVALID_RECORD, "{name}");
        }
    }
}

#[tokio::test]
async fn heartbeats_name_their_group_and_member() {
    let (_server, mut kafka) = connected().await;
    let good = ConsumerGroupHeartbeatRequest {
        group_id: "group".into(),
        member_id: "member".into(),
        rebalance_timeout_ms: 10_000,
        subscribed_topic_names: Some(vec!["log".into()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    let bad = [
        ConsumerGroupHeartbeatRequest { group_id: String::new(), ..good.clone() },
        ConsumerGroupHeartbeatRequest { member_id: String::new(), ..good.clone() },
        ConsumerGroupHeartbeatRequest { rack_id: Some(String::new()), ..good.clone() },
        ConsumerGroupHeartbeatRequest { instance_id: Some(String::new()), ..good.clone() },
        ConsumerGroupHeartbeatRequest { member_epoch: -2, ..good.clone() },
    ];
    for request in &bad {
        let told = kafka.ask(1, request).await;
        assert_eq!(told.error_code, INVALID_REQUEST, "{request:?}");
        assert!(told.error_message.is_some());
    }
    assert_eq!(kafka.ask(1, &good).await.error_code, 0);
    let share = ShareGroupHeartbeatRequest {
        member_id: "member".into(),
        subscribed_topic_names: Some(vec!["log".into()]),
        ..ShareGroupHeartbeatRequest::default()
    };
    assert_eq!(kafka.ask(1, &share).await.error_code, INVALID_REQUEST);
}

#[tokio::test]
async fn kinds_that_there_are_not_are_refused() {
    let (_server, mut kafka) = connected().await;
    let endpoint = DescribeClusterRequest { endpoint_type: 9, ..DescribeClusterRequest::default() };
    assert_eq!(kafka.ask(1, &endpoint).await.error_code, UNSUPPORTED_ENDPOINT_TYPE);
    let fetch = FetchRequest { isolation_level: 7, session_epoch: -1, ..FetchRequest::default() };
    assert_eq!(kafka.ask(12, &fetch).await.error_code, INVALID_REQUEST);
    let topics = vec![TopicPartitions { topic: "log".into(), partitions: vec![0] }];
    let elect = ElectLeadersRequest {
        election_type: 4,
        topic_partitions: Some(topics),
        ..ElectLeadersRequest::default()
    };
    let told = kafka.ask(2, &elect).await;
    assert_eq!(told.error_code, INVALID_REQUEST);
    assert_eq!(told.replica_election_results[0].partition_result[0].error_code, INVALID_REQUEST);
    for (key, error) in [("a:b", INVALID_REQUEST), ("", INVALID_REQUEST), ("group:topic:0", 0)] {
        let coordinator_keys = vec![key.to_owned()];
        let find =
            FindCoordinatorRequest { key_type: 2, coordinator_keys, ..FindCoordinatorRequest::default() };
        assert_eq!(kafka.ask(6, &find).await.coordinators[0].error_code, error, "{key}");
    }
    for (resource_type, error) in [(2, INVALID_TOPIC), (16, INVALID_REQUEST), (32, INVALID_REQUEST)] {
        let resource = DescribeConfigsResource { resource_type, ..DescribeConfigsResource::default() };
        let resources = vec![resource];
        let told =
            kafka.ask(4, &DescribeConfigsRequest { resources, ..DescribeConfigsRequest::default() }).await;
        assert_eq!(told.results[0].error_code, error, "kind {resource_type}");
    }
}

#[tokio::test]
async fn the_data_directory_tells_what_its_disk_holds() {
    let (_server, mut kafka) = connected().await;
    let told = kafka.ask(4, &DescribeLogDirsRequest { topics: None }).await;
    let directory = &told.results[0];
    assert!(directory.topics.iter().any(|topic| topic.name == "log"));
    let (total, usable) = (directory.total_bytes, directory.usable_bytes);
    assert!(0 < usable && usable <= total, "{usable} of {total}");
}
