//! Fetch.

use crate::{RecordsOut, Uuid};

api! { FetchRequest => FetchResponse, key 1, versions 4..=18, flexible 12 }

message! { FetchRequest {
    replica_id: i32 [..=14] = -1;
    max_wait_ms: i32 [..];
    min_bytes: i32 [..];
    max_bytes: i32 [..] = i32::MAX;
    isolation_level: i8 [..];
    session_id: i32 [7..];
    session_epoch: i32 [7..] = -1;
    topics: Vec<FetchTopic> [..];
    forgotten_topics_data: Vec<ForgottenTopic> [7..];
    rack_id: String [11..];
} tagged {
    0 => cluster_id: Option<String> [12..];
    1 => replica_state: ReplicaState [15..];
} }

message! { ReplicaState {
    replica_id: i32 [15..] = -1;
    replica_epoch: i64 [15..] = -1;
} }

message! { FetchTopic {
    topic: String [..=12];
    topic_id: Uuid [13..];
    partitions: Vec<FetchPartition> [..];
} }

message! { FetchPartition {
    partition: i32 [..];
    current_leader_epoch: i32 [9..] = -1;
    fetch_offset: i64 [..];
    last_fetched_epoch: i32 [12..] = -1;
    log_start_offset: i64 [5..] = -1;
    partition_max_bytes: i32 [..];
} tagged {
    0 => replica_directory_id: Uuid [17..];
    1 => high_watermark: i64 [18..] = i64::MAX;
} }

message! { ForgottenTopic {
    topic: String [7..=12];
    topic_id: Uuid [13..];
    partitions: Vec<i32> [7..];
} }

message! { FetchResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [7..];
    session_id: i32 [7..];
    responses: Vec<FetchableTopicResponse> [..];
} tagged {
    0 => node_endpoints: Vec<NodeEndpoint> [16..];
} }

message! { FetchableTopicResponse {
    topic: String [..=12];
    topic_id: Uuid [13..];
    partitions: Vec<PartitionData> [..];
} }

message! { PartitionData {
    partition_index: i32 [..];
    error_code: i16 [..];
    high_watermark: i64 [..];
    last_stable_offset: i64 [..] = -1;
    log_start_offset: i64 [5..] = -1;
    aborted_transactions: Option<Vec<AbortedTransaction>> [..] = Some(Vec::default());
    preferred_read_replica: i32 [11..] = -1;
    records: RecordsOut [..];
} tagged {
    0 => diverging_epoch: EpochEndOffset [12..];
    1 => current_leader: LeaderIdAndEpoch [12..];
    2 => snapshot_id: SnapshotId [12..];
} }

message! { EpochEndOffset {
    epoch: i32 [12..] = -1;
    end_offset: i64 [12..] = -1;
} }

message! { LeaderIdAndEpoch {
    leader_id: i32 [12..] = -1;
    leader_epoch: i32 [12..] = -1;
} }

message! { SnapshotId {
    end_offset: i64 [..] = -1;
    epoch: i32 [..] = -1;
} }

message! { AbortedTransaction {
    producer_id: i64 [..];
    first_offset: i64 [..];
} }

message! { NodeEndpoint {
    node_id: i32 [16..];
    host: String [16..];
    port: i32 [16..];
    rack: Option<String> [16..];
} }
