//! ShareAcknowledge.

use crate::Uuid;

api! { ShareAcknowledgeRequest => ShareAcknowledgeResponse, key 79, versions 1..=2, flexible 0 }

message! { ShareAcknowledgeRequest {
    group_id: Option<String> [..];
    member_id: Option<String> [..] = Some(String::default());
    share_session_epoch: i32 [..];
    is_renew_ack: bool [2..];
    topics: Vec<AcknowledgeTopic> [..];
} }

message! { AcknowledgeTopic {
    topic_id: Uuid [..];
    partitions: Vec<AcknowledgePartition> [..];
} }

message! { AcknowledgePartition {
    partition_index: i32 [..];
    acknowledgement_batches: Vec<AcknowledgementBatch> [..];
} }

message! { AcknowledgementBatch {
    first_offset: i64 [..];
    last_offset: i64 [..];
    acknowledge_types: Vec<i8> [..];
} }

message! { ShareAcknowledgeResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    acquisition_lock_timeout_ms: i32 [2..];
    responses: Vec<ShareAcknowledgeTopicResponse> [..];
    node_endpoints: Vec<NodeEndpoint> [..];
} }

message! { ShareAcknowledgeTopicResponse {
    topic_id: Uuid [..];
    partitions: Vec<PartitionData> [..];
} }

message! { PartitionData {
    partition_index: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    current_leader: LeaderIdAndEpoch [..];
} }

message! { LeaderIdAndEpoch {
    leader_id: i32 [..];
    leader_epoch: i32 [..];
} }

message! { NodeEndpoint {
    node_id: i32 [..];
    host: String [..];
    port: i32 [..];
    rack: Option<String> [..];
} }
