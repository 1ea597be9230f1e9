//! OffsetForLeaderEpoch.

api! { OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse, key 23, versions 2..=4, flexible 4 }

message! { OffsetForLeaderEpochRequest {
    replica_id: i32 [3..] = -2;
    topics: Vec<OffsetForLeaderTopic> [..];
} }

message! { OffsetForLeaderTopic {
    topic: String [..];
    partitions: Vec<OffsetForLeaderPartition> [..];
} }

message! { OffsetForLeaderPartition {
    partition: i32 [..];
    current_leader_epoch: i32 [..] = -1;
    leader_epoch: i32 [..];
} }

message! { OffsetForLeaderEpochResponse {
    throttle_time_ms: i32 [..];
    topics: Vec<OffsetForLeaderTopicResult> [..];
} }

message! { OffsetForLeaderTopicResult {
    topic: String [..];
    partitions: Vec<EpochEndOffset> [..];
} }

message! { EpochEndOffset {
    error_code: i16 [..];
    partition: i32 [..];
    leader_epoch: i32 [..] = -1;
    end_offset: i64 [..] = -1;
} }
