//! Metadata.

use crate::Uuid;

api! { MetadataRequest => MetadataResponse, key 3, versions 0..=13, flexible 9 }

message! { MetadataRequest {
    topics: Option<Vec<MetadataRequestTopic>> [..] = Some(Vec::default());
    allow_auto_topic_creation: bool [4..] = true;
    include_cluster_authorized_operations: bool [8..=10];
    include_topic_authorized_operations: bool [8..];
} }

message! { MetadataRequestTopic {
    topic_id: Uuid [10..];
    name: Option<String> [..] = Some(String::default());
} }

message! { MetadataResponse {
    throttle_time_ms: i32 [3..];
    brokers: Vec<MetadataResponseBroker> [..];
    cluster_id: Option<String> [2..];
    controller_id: i32 [1..] = -1;
    topics: Vec<MetadataResponseTopic> [..];
    cluster_authorized_operations: i32 [8..=10] = -2147483648;
    error_code: i16 [13..];
} }

message! { MetadataResponseBroker {
    node_id: i32 [..];
    host: String [..];
    port: i32 [..];
    rack: Option<String> [1..];
} }

message! { MetadataResponseTopic {
    error_code: i16 [..];
    name: Option<String> [..] = Some(String::default());
    topic_id: Uuid [10..];
    is_internal: bool [1..];
    partitions: Vec<MetadataResponsePartition> [..];
    topic_authorized_operations: i32 [8..] = -2147483648;
} }

message! { MetadataResponsePartition {
    error_code: i16 [..];
    partition_index: i32 [..];
    leader_id: i32 [..];
    leader_epoch: i32 [7..] = -1;
    replica_nodes: Vec<i32> [..];
    isr_nodes: Vec<i32> [..];
    offline_replicas: Vec<i32> [5..];
} }
