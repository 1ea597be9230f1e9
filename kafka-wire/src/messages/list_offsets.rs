//! ListOffsets.

api! { ListOffsetsRequest => ListOffsetsResponse, key 2, versions 1..=11, flexible 6 }

message! { ListOffsetsRequest {
    replica_id: i32 [..];
    isolation_level: i8 [2..];
    topics: Vec<ListOffsetsTopic> [..];
    timeout_ms: i32 [10..];
} }

message! { ListOffsetsTopic {
    name: String [..];
    partitions: Vec<ListOffsetsPartition> [..];
} }

message! { ListOffsetsPartition {
    partition_index: i32 [..];
    current_leader_epoch: i32 [4..] = -1;
    timestamp: i64 [..];
} }

message! { ListOffsetsResponse {
    throttle_time_ms: i32 [2..];
    topics: Vec<ListOffsetsTopicResponse> [..];
} }

message! { ListOffsetsTopicResponse {
    name: String [..];
    partitions: Vec<ListOffsetsPartitionResponse> [..];
} }

message! { ListOffsetsPartitionResponse {
    partition_index: i32 [..];
    error_code: i16 [..];
    timestamp: i64 [..] = -1;
    offset: i64 [..] = -1;
    leader_epoch: i32 [4..] = -1;
} }
