//! What a Kafka request may name once only is left alone when it is named twice, and errors say why.

use blackbox::{Kafka, Server};
use kafka_wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_wire::messages::consumer_group_describe::ConsumerGroupDescribeRequest;
use kafka_wire::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use kafka_wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use kafka_wire::messages::describe_groups::DescribeGroupsRequest;
use kafka_wire::messages::describe_user_scram_credentials::{DescribeUserScramCredentialsRequest, UserName};
use kafka_wire::messages::find_coordinator::FindCoordinatorRequest;
use kafka_wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use kafka_wire::messages::share_group_describe::ShareGroupDescribeRequest;

const INVALID_REQUEST: i16 = 42;
const GROUP_ID_NOT_FOUND: i16 = 69;
const RESOURCE_NOT_FOUND: i16 = 91;
const DUPLICATE_RESOURCE: i16 = 92;
const TOPIC: i8 = 2;

async fn connected() -> (Server, Kafka) {
    let server = Server::start();
    server.http().make_log("log", 1).await;
    let kafka = Kafka::connect(&server).await;
    (server, kafka)
}

#[tokio::test]
async fn a_topic_that_is_named_twice_is_neither_changed_nor_deleted() {
    let (server, mut kafka) = connected().await;
    let grow = CreatePartitionsTopic { name: "log".into(), count: 3, assignments: None };
    let topics = vec![grow.clone(), grow];
    let told = kafka.ask(3, &CreatePartitionsRequest { topics, ..CreatePartitionsRequest::default() }).await;
    let codes: Vec<i16> = told.results.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [INVALID_REQUEST], "{told:?}");

    let configs = vec![AlterableConfig {
        name: "retention.ms".into(),
        value: Some("60000".into()),
        ..AlterableConfig::default()
    }];
    let resource = AlterConfigsResource { resource_type: TOPIC, resource_name: "log".into(), configs };
    let resources = vec![resource.clone(), resource];
    let alter = IncrementalAlterConfigsRequest { resources, ..IncrementalAlterConfigsRequest::default() };
    let told = kafka.ask(1, &alter).await;
    let codes: Vec<i16> = told.responses.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [INVALID_REQUEST; 2], "{told:?}");

    let delete = DeleteTopicState { name: Some("log".into()), ..DeleteTopicState::default() };
    let topics = vec![delete.clone(), delete];
    let told = kafka.ask(6, &DeleteTopicsRequest { topics, ..DeleteTopicsRequest::default() }).await;
    let codes: Vec<i16> = told.responses.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [INVALID_REQUEST], "{told:?}");

    let log = server.http().get("/v1/topics/log").await.expect(200);
    assert_eq!(log["log"]["partitions"], 1, "{log}");
    assert!(!log.to_string().contains("60000"), "{log}");
}

#[tokio::test]
async fn each_user_of_a_request_about_passwords_is_told_of_once() {
    let (_server, mut kafka) = connected().await;
    let name = || UserName { name: "nobody".into() };
    let describe = DescribeUserScramCredentialsRequest { users: Some(vec![name(), name()]) };
    let told = kafka.ask(0, &describe).await;
    let codes: Vec<i16> = told.results.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [DUPLICATE_RESOURCE], "{told:?}");

    let deletion = ScramCredentialDeletion { name: "nobody".into(), mechanism: 1 };
    let upsertion = ScramCredentialUpsertion {
        name: "nobody".into(),
        mechanism: 2,
        iterations: 4096,
        salt: vec![7; 8].into(),
        salted_password: vec![7; 64].into(),
    };
    let alter = AlterUserScramCredentialsRequest { deletions: vec![deletion], upsertions: vec![upsertion] };
    let told = kafka.ask(0, &alter).await;
    let codes: Vec<i16> = told.results.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [RESOURCE_NOT_FOUND], "{told:?}");
}

#[tokio::test]
async fn groups_and_coordinators_that_are_not_there_are_explained() {
    let (_server, mut kafka) = connected().await;
    let (groups, group_ids) = (vec!["nothing".to_owned()], vec!["nothing".to_owned()]);
    let classic = DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() };
    let consumer = ConsumerGroupDescribeRequest {
        group_ids: group_ids.clone(),
        ..ConsumerGroupDescribeRequest::default()
    };
    let share = ShareGroupDescribeRequest { group_ids, ..ShareGroupDescribeRequest::default() };
    let classic = kafka.ask(6, &classic).await.groups.remove(0);
    let consumer = kafka.ask(1, &consumer).await.groups.remove(0);
    let share = kafka.ask(1, &share).await.groups.remove(0);
    for (error, why) in [
        (classic.error_code, classic.error_message),
        (consumer.error_code, consumer.error_message),
        (share.error_code, share.error_message),
    ] {
        let why = why.unwrap_or_default();
        assert_eq!(error, GROUP_ID_NOT_FOUND, "{why}");
        assert!(why.starts_with("there is no") && why.contains("\"nothing\""), "{why}");
    }
    let coordinator_keys = vec!["group".to_owned()];
    let find = FindCoordinatorRequest { key_type: 3, coordinator_keys, ..FindCoordinatorRequest::default() };
    let told = kafka.ask(6, &find).await.coordinators.remove(0);
    assert_eq!(told.error_code, INVALID_REQUEST, "{told:?}");
    assert!(told.error_message.is_some_and(|why| why.contains("type 3")));
}
