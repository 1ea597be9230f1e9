//! ConsumerGroupHeartbeat.

use crate::Uuid;

api! { ConsumerGroupHeartbeatRequest => ConsumerGroupHeartbeatResponse, key 68, versions 0..=1, flexible 0 }

message! { ConsumerGroupHeartbeatRequest {
    group_id: String [..];
    member_id: String [..];
    member_epoch: i32 [..];
    instance_id: Option<String> [..];
    rack_id: Option<String> [..];
    rebalance_timeout_ms: i32 [..] = -1;
    subscribed_topic_names: Option<Vec<String>> [..];
    subscribed_topic_regex: Option<String> [1..];
    server_assignor: Option<String> [..];
    topic_partitions: Option<Vec<TopicPartitions>> [..];
} }

message! { TopicPartitions {
    topic_id: Uuid [..];
    partitions: Vec<i32> [..];
} }

message! { ConsumerGroupHeartbeatResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    member_id: Option<String> [..];
    member_epoch: i32 [..];
    heartbeat_interval_ms: i32 [..];
    assignment: Option<Assignment> [..];
} }

message! { Assignment {
    topic_partitions: Vec<ResponseTopicPartitions> [..];
} }

message! { ResponseTopicPartitions {
    topic_id: Uuid [..];
    partitions: Vec<i32> [..];
} }
