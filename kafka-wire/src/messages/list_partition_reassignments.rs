//! ListPartitionReassignments.

api! { ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse, key 46, versions 0..=0, flexible 0 }

message! { ListPartitionReassignmentsRequest {
    timeout_ms: i32 [..] = 60000;
    topics: Option<Vec<ListPartitionReassignmentsTopics>> [..];
} }

message! { ListPartitionReassignmentsTopics {
    name: String [..];
    partition_indexes: Vec<i32> [..];
} }

message! { ListPartitionReassignmentsResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    topics: Vec<OngoingTopicReassignment> [..];
} }

message! { OngoingTopicReassignment {
    name: String [..];
    partitions: Vec<OngoingPartitionReassignment> [..];
} }

message! { OngoingPartitionReassignment {
    partition_index: i32 [..];
    replicas: Vec<i32> [..];
    adding_replicas: Vec<i32> [..];
    removing_replicas: Vec<i32> [..];
} }
