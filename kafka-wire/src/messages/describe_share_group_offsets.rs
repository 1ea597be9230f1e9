//! DescribeShareGroupOffsets.

use crate::Uuid;

api! { DescribeShareGroupOffsetsRequest => DescribeShareGroupOffsetsResponse, key 90, versions 0..=1, flexible 0 }

message! { DescribeShareGroupOffsetsRequest {
    groups: Vec<DescribeShareGroupOffsetsRequestGroup> [..];
} }

message! { DescribeShareGroupOffsetsRequestGroup {
    group_id: String [..];
    topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic>> [..] = Some(Vec::default());
} }

message! { DescribeShareGroupOffsetsRequestTopic {
    topic_name: String [..];
    partitions: Vec<i32> [..];
} }

message! { DescribeShareGroupOffsetsResponse {
    throttle_time_ms: i32 [..];
    groups: Vec<DescribeShareGroupOffsetsResponseGroup> [..];
} }

message! { DescribeShareGroupOffsetsResponseGroup {
    group_id: String [..];
    topics: Vec<DescribeShareGroupOffsetsResponseTopic> [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
} }

message! { DescribeShareGroupOffsetsResponseTopic {
    topic_name: String [..];
    topic_id: Uuid [..];
    partitions: Vec<DescribeShareGroupOffsetsResponsePartition> [..];
} }

message! { DescribeShareGroupOffsetsResponsePartition {
    partition_index: i32 [..];
    start_offset: i64 [..];
    leader_epoch: i32 [..];
    lag: i64 [1..] = -1;
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
