//! OffsetDelete.

api! { OffsetDeleteRequest => OffsetDeleteResponse, key 47, versions 0..=0, flexible i16::MAX }

message! { OffsetDeleteRequest {
    group_id: String [..];
    topics: Vec<OffsetDeleteRequestTopic> [..];
} }

message! { OffsetDeleteRequestTopic {
    name: String [..];
    partitions: Vec<OffsetDeleteRequestPartition> [..];
} }

message! { OffsetDeleteRequestPartition {
    partition_index: i32 [..];
} }

message! { OffsetDeleteResponse {
    error_code: i16 [..];
    throttle_time_ms: i32 [..];
    topics: Vec<OffsetDeleteResponseTopic> [..];
} }

message! { OffsetDeleteResponseTopic {
    name: String [..];
    partitions: Vec<OffsetDeleteResponsePartition> [..];
} }

message! { OffsetDeleteResponsePartition {
    partition_index: i32 [..];
    error_code: i16 [..];
} }
