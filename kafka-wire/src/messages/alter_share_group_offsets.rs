//! AlterShareGroupOffsets.

use crate::Uuid;

api! { AlterShareGroupOffsetsRequest => AlterShareGroupOffsetsResponse, key 91, versions 0..=0, flexible 0 }

message! { AlterShareGroupOffsetsRequest {
    group_id: String [..];
    topics: Vec<AlterShareGroupOffsetsRequestTopic> [..];
} }

message! { AlterShareGroupOffsetsRequestTopic {
    topic_name: String [..];
    partitions: Vec<AlterShareGroupOffsetsRequestPartition> [..];
} }

message! { AlterShareGroupOffsetsRequestPartition {
    partition_index: i32 [..];
    start_offset: i64 [..];
} }

message! { AlterShareGroupOffsetsResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    responses: Vec<AlterShareGroupOffsetsResponseTopic> [..];
} }

message! { AlterShareGroupOffsetsResponseTopic {
    topic_name: String [..];
    topic_id: Uuid [..];
    partitions: Vec<AlterShareGroupOffsetsResponsePartition> [..];
} }

message! { AlterShareGroupOffsetsResponsePartition {
    partition_index: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
