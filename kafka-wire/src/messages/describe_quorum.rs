//! DescribeQuorum.

use crate::Uuid;

api! { DescribeQuorumRequest => DescribeQuorumResponse, key 55, versions 0..=2, flexible 0 }

message! { DescribeQuorumRequest {
    topics: Vec<TopicData> [..];
} }

message! { TopicData {
    topic_name: String [..];
    partitions: Vec<PartitionData> [..];
} }

message! { PartitionData {
    partition_index: i32 [..];
} }

message! { DescribeQuorumResponse {
    error_code: i16 [..];
    error_message: Option<String> [2..];
    topics: Vec<ResponseTopicData> [..];
    nodes: Vec<Node> [2..];
} }

message! { ResponseTopicData {
    topic_name: String [..];
    partitions: Vec<ResponsePartitionData> [..];
} }

message! { ResponsePartitionData {
    partition_index: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [2..];
    leader_id: i32 [..];
    leader_epoch: i32 [..];
    high_watermark: i64 [..];
    current_voters: Vec<ReplicaState> [..];
    observers: Vec<ReplicaState> [..];
} }

message! { ReplicaState {
    replica_id: i32 [..];
    replica_directory_id: Uuid [2..];
    log_end_offset: i64 [..];
    last_fetch_timestamp: i64 [1..] = -1;
    last_caught_up_timestamp: i64 [1..] = -1;
} }

message! { Node {
    node_id: i32 [2..];
    listeners: Vec<Listener> [2..];
} }

message! { Listener {
    name: String [2..];
    host: String [2..];
    port: u16 [2..];
} }
