//! CreateTopics.

use crate::Uuid;

api! { CreateTopicsRequest => CreateTopicsResponse, key 19, versions 2..=7, flexible 5 }

message! { CreateTopicsRequest {
    topics: Vec<CreatableTopic> [..];
    timeout_ms: i32 [..] = 60000;
    validate_only: bool [..];
} }

message! { CreatableTopic {
    name: String [..];
    num_partitions: i32 [..];
    replication_factor: i16 [..];
    assignments: Vec<CreatableReplicaAssignment> [..];
    configs: Vec<CreatableTopicConfig> [..];
} }

message! { CreatableReplicaAssignment {
    partition_index: i32 [..];
    broker_ids: Vec<i32> [..];
} }

message! { CreatableTopicConfig {
    name: String [..];
    value: Option<String> [..] = Some(String::default());
} }

message! { CreateTopicsResponse {
    throttle_time_ms: i32 [..];
    topics: Vec<CreatableTopicResult> [..];
} }

message! { CreatableTopicResult {
    name: String [..];
    topic_id: Uuid [7..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    num_partitions: i32 [5..] = -1;
    replication_factor: i16 [5..] = -1;
    configs: Option<Vec<CreatableTopicConfigs>> [5..] = Some(Vec::default());
} tagged {
    0 => topic_config_error_code: i16 [5..];
} }

message! { CreatableTopicConfigs {
    name: String [5..];
    value: Option<String> [5..] = Some(String::default());
    read_only: bool [5..];
    config_source: i8 [5..] = -1;
    is_sensitive: bool [5..];
} }
