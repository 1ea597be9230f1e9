//! Logins over the Kafka protocol as no client library of today does them.

use blackbox::{Http, Kafka, Launch, Server};
use kafka_wire::messages::describe_cluster::DescribeClusterRequest;
use kafka_wire::messages::describe_groups::DescribeGroupsRequest;
use kafka_wire::messages::describe_topic_partitions::{DescribeTopicPartitionsRequest, TopicRequest};
use kafka_wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use kafka_wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_wire::messages::sasl_handshake::SaslHandshakeRequest;
use serde_json::json;

async fn guarded() -> (Server, Http) {
    let server = Server::launch(Launch::with_config("[auth]\nfailure_delay_ms = 0\n"));
    let admin = json!({"password": "secret", "admin": true});
    server.http().put("/v1/users/admin", admin).await.expect(201);
    let admin = server.http().logged_in("admin", "secret");
    admin.put("/v1/topics/log", json!({"model": "log"})).await.expect(201);
    (server, admin)
}

/// A connection after a handshake of version 0: what follows has no header.
async fn shaken(server: &Server, mechanism: &str) -> Kafka {
    let mut kafka = Kafka::connect(server).await;
    let answer = kafka.ask(0, &SaslHandshakeRequest { mechanism: mechanism.to_owned() }).await;
    assert_eq!(answer.error_code, 0, "{answer:?}");
    kafka
}

#[tokio::test]
async fn after_the_first_version_of_the_handshake_messages_come_bare() {
    let (server, _admin) = guarded().await;
    let mut kafka = shaken(&server, "PLAIN").await;
    kafka.send_bare(b"\0admin\0secret").await;
    assert_eq!(kafka.receive_bare().await.expect("an answer").len(), 0);
    // From here on it is a connection like any other.
    let all = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let told = kafka.ask(9, &all).await;
    assert!(told.topics.iter().any(|topic| topic.name.as_deref() == Some("log")), "{told:?}");
    kafka.log_in("admin", "secret").await;
}

#[tokio::test]
async fn a_bare_message_that_is_wrong_ends_the_connection() {
    let (server, _admin) = guarded().await;
    for (mechanism, message) in [
        ("PLAIN", &b"\0admin\0wrong"[..]),
        ("PLAIN", b"x"),
        ("SCRAM-SHA-256", b"n,,n=admin"),
        ("SCRAM-SHA-512", &[0xff; 2000]),
    ] {
        let mut kafka = shaken(&server, mechanism).await;
        kafka.send_bare(message).await;
        assert!(kafka.receive_bare().await.is_none(), "{mechanism} {message:?}");
    }
    // A client that says a request's header where a bare message is due has not logged in with it.
    let mut kafka = shaken(&server, "PLAIN").await;
    kafka.send(9, &MetadataRequest::default()).await;
    assert!(kafka.receive_bare().await.is_none());
}

#[tokio::test]
async fn a_handshake_that_failed_expects_no_bare_messages() {
    let (server, _admin) = guarded().await;
    let mut kafka = Kafka::connect(&server).await;
    let answer = kafka.ask(0, &SaslHandshakeRequest { mechanism: "GSSAPI".to_owned() }).await;
    assert_eq!(answer.error_code, 33, "{answer:?}");
    kafka.log_in("admin", "secret").await;
}

/// Bits of the operations that Kafka numbers so.
fn bits(operations: &[u32]) -> i32 {
    operations.iter().fold(0, |bits, operation| bits | 1 << operation)
}

#[tokio::test]
async fn who_asks_is_told_what_may_be_done_with_topics_groups_and_the_cluster() {
    let (server, admin) = guarded().await;
    admin.put("/v1/users/reader", json!({"password": "secret"})).await.expect(201);
    let rule = |kind: &str, name: &str, operations: &[&str]| {
        json!({"effect": "allow", "principal": "user:reader", "operations": operations,
               "resource": {"type": kind, "name": name}})
    };
    let rules = [rule("topic", "log", &["read", "describe"]), rule("group", "readers", &["read"])];
    admin.post("/v1/acls", json!({"rules": rules})).await.expect(200);

    let topics = Some(vec![MetadataRequestTopic { name: Some("log".into()), ..Default::default() }]);
    let metadata =
        MetadataRequest { topics, include_topic_authorized_operations: true, ..MetadataRequest::default() };
    let groups = vec!["readers".to_owned()];
    let group = DescribeGroupsRequest { groups, include_authorized_operations: true };
    let cluster = DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        ..DescribeClusterRequest::default()
    };
    let pages = DescribeTopicPartitionsRequest {
        topics: vec![TopicRequest { name: "log".into() }],
        response_partition_limit: 10,
        ..Default::default()
    };
    // Read, write, create, delete, alter, describe, and those of settings; who may read may see.
    let all = bits(&[3, 4, 5, 6, 7, 8, 10, 11]);
    for (user, on_topic, on_cluster) in
        [("admin", all, bits(&[5, 7, 8, 9, 10, 11, 12])), ("reader", bits(&[3, 8]), 0)]
    {
        let mut kafka = Kafka::connect(&server).await;
        kafka.log_in(user, "secret").await;
        let told = kafka.ask(9, &metadata).await;
        assert_eq!(told.topics[0].topic_authorized_operations, on_topic, "{user}: {told:?}");
        let told = kafka.ask(0, &pages).await;
        assert_eq!(told.topics[0].topic_authorized_operations, on_topic, "{user}: {told:?}");
        let told = kafka.ask(1, &cluster).await;
        assert_eq!(told.cluster_authorized_operations, on_cluster, "{user}: {told:?}");
        // Nobody asked.
        let unasked = MetadataRequest { include_topic_authorized_operations: false, ..metadata.clone() };
        assert_eq!(kafka.ask(9, &unasked).await.topics[0].topic_authorized_operations, i32::MIN);
    }
    let mut kafka = Kafka::connect(&server).await;
    kafka.log_in("admin", "secret").await;
    let partitions = vec![OffsetCommitRequestPartition { committed_offset: 0, ..Default::default() }];
    let topics = vec![OffsetCommitRequestTopic { name: "log".into(), partitions, ..Default::default() }];
    let commit = OffsetCommitRequest { group_id: "readers".into(), topics, ..Default::default() };
    let told = kafka.ask(8, &commit).await;
    assert_eq!(told.topics[0].partitions[0].error_code, 0, "{told:?}");
    let told = kafka.ask(5, &group).await;
    assert_eq!(told.groups[0].authorized_operations, bits(&[3, 6, 8, 10, 11]), "{told:?}");
}
