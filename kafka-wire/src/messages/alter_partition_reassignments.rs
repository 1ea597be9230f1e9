//! AlterPartitionReassignments.

api! { AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse, key 45, versions 0..=1, flexible 0 }

message! { AlterPartitionReassignmentsRequest {
    timeout_ms: i32 [..] = 60000;
    allow_replication_factor_change: bool [1..] = true;
    topics: Vec<ReassignableTopic> [..];
} }

message! { ReassignableTopic {
    name: String [..];
    partitions: Vec<ReassignablePartition> [..];
} }

message! { ReassignablePartition {
    partition_index: i32 [..];
    replicas: Option<Vec<i32>> [..];
} }

message! { AlterPartitionReassignmentsResponse {
    throttle_time_ms: i32 [..];
    allow_replication_factor_change: bool [1..] = true;
    error_code: i16 [..];
    error_message: Option<String> [..];
    responses: Vec<ReassignableTopicResponse> [..];
} }

message! { ReassignableTopicResponse {
    name: String [..];
    partitions: Vec<ReassignablePartitionResponse> [..];
} }

message! { ReassignablePartitionResponse {
    partition_index: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
