//! OffsetCommit.

use crate::Uuid;

api! { OffsetCommitRequest => OffsetCommitResponse, key 8, versions 2..=10, flexible 8 }

message! { OffsetCommitRequest {
    group_id: String [..];
    generation_id_or_member_epoch: i32 [..] = -1;
    member_id: String [..];
    group_instance_id: Option<String> [7..];
    retention_time_ms: i64 [..=4] = -1;
    topics: Vec<OffsetCommitRequestTopic> [..];
} }

message! { OffsetCommitRequestTopic {
    name: String [..=9];
    topic_id: Uuid [10..];
    partitions: Vec<OffsetCommitRequestPartition> [..];
} }

message! { OffsetCommitRequestPartition {
    partition_index: i32 [..];
    committed_offset: i64 [..];
    committed_leader_epoch: i32 [6..] = -1;
    committed_metadata: Option<String> [..] = Some(String::default());
} }

message! { OffsetCommitResponse {
    throttle_time_ms: i32 [3..];
    topics: Vec<OffsetCommitResponseTopic> [..];
} }

message! { OffsetCommitResponseTopic {
    name: String [..=9];
    topic_id: Uuid [10..];
    partitions: Vec<OffsetCommitResponsePartition> [..];
} }

message! { OffsetCommitResponsePartition {
    partition_index: i32 [..];
    error_code: i16 [..];
} }
