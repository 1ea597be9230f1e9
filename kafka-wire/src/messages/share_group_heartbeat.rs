//! ShareGroupHeartbeat.

use crate::Uuid;

api! { ShareGroupHeartbeatRequest => ShareGroupHeartbeatResponse, key 76, versions 1..=1, flexible 0 }

message! { ShareGroupHeartbeatRequest {
    group_id: String [..];
    member_id: String [..];
    member_epoch: i32 [..];
    rack_id: Option<String> [..];
    subscribed_topic_names: Option<Vec<String>> [..];
} }

message! { ShareGroupHeartbeatResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    member_id: Option<String> [..];
    member_epoch: i32 [..];
    heartbeat_interval_ms: i32 [..];
    assignment: Option<Assignment> [..];
} }

message! { Assignment {
    topic_partitions: Vec<TopicPartitions> [..];
} }

message! { TopicPartitions {
    topic_id: Uuid [..];
    partitions: Vec<i32> [..];
} }
