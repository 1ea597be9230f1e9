//! OffsetFetch.

use crate::Uuid;

api! { OffsetFetchRequest => OffsetFetchResponse, key 9, versions 1..=10, flexible 6 }

message! { OffsetFetchRequest {
    group_id: String [..=7];
    topics: Option<Vec<OffsetFetchRequestTopic>> [..=7] = Some(Vec::default());
    groups: Vec<OffsetFetchRequestGroup> [8..];
    require_stable: bool [7..];
} }

message! { OffsetFetchRequestTopic {
    name: String [..=7];
    partition_indexes: Vec<i32> [..=7];
} }

message! { OffsetFetchRequestGroup {
    group_id: String [8..];
    member_id: Option<String> [9..];
    member_epoch: i32 [9..] = -1;
    topics: Option<Vec<OffsetFetchRequestTopics>> [8..] = Some(Vec::default());
} }

message! { OffsetFetchRequestTopics {
    name: String [8..=9];
    topic_id: Uuid [10..];
    partition_indexes: Vec<i32> [8..];
} }

message! { OffsetFetchResponse {
    throttle_time_ms: i32 [3..];
    topics: Vec<OffsetFetchResponseTopic> [..=7];
    error_code: i16 [2..=7];
    groups: Vec<OffsetFetchResponseGroup> [8..];
} }

message! { OffsetFetchResponseTopic {
    name: String [..=7];
    partitions: Vec<OffsetFetchResponsePartition> [..=7];
} }

message! { OffsetFetchResponsePartition {
    partition_index: i32 [..=7];
    committed_offset: i64 [..=7];
    committed_leader_epoch: i32 [5..=7] = -1;
    metadata: Option<String> [..=7] = Some(String::default());
    error_code: i16 [..=7];
} }

message! { OffsetFetchResponseGroup {
    group_id: String [8..];
    topics: Vec<OffsetFetchResponseTopics> [8..];
    error_code: i16 [8..];
} }

message! { OffsetFetchResponseTopics {
    name: String [8..=9];
    topic_id: Uuid [10..];
    partitions: Vec<OffsetFetchResponsePartitions> [8..];
} }

message! { OffsetFetchResponsePartitions {
    partition_index: i32 [8..];
    committed_offset: i64 [8..];
    committed_leader_epoch: i32 [8..] = -1;
    metadata: Option<String> [8..] = Some(String::default());
    error_code: i16 [8..];
} }
