//! ElectLeaders.

api! { ElectLeadersRequest => ElectLeadersResponse, key 43, versions 0..=2, flexible 2 }

message! { ElectLeadersRequest {
    election_type: i8 [1..];
    topic_partitions: Option<Vec<TopicPartitions>> [..] = Some(Vec::default());
    timeout_ms: i32 [..] = 60000;
} }

message! { TopicPartitions {
    topic: String [..];
    partitions: Vec<i32> [..];
} }

message! { ElectLeadersResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [1..];
    replica_election_results: Vec<ReplicaElectionResult> [..];
} }

message! { ReplicaElectionResult {
    topic: String [..];
    partition_result: Vec<PartitionResult> [..];
} }

message! { PartitionResult {
    partition_id: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
