//! CreatePartitions.

api! { CreatePartitionsRequest => CreatePartitionsResponse, key 37, versions 0..=3, flexible 2 }

message! { CreatePartitionsRequest {
    topics: Vec<CreatePartitionsTopic> [..];
    timeout_ms: i32 [..];
    validate_only: bool [..];
} }

message! { CreatePartitionsTopic {
    name: String [..];
    count: i32 [..];
    assignments: Option<Vec<CreatePartitionsAssignment>> [..] = Some(Vec::default());
} }

message! { CreatePartitionsAssignment {
    broker_ids: Vec<i32> [..];
} }

message! { CreatePartitionsResponse {
    throttle_time_ms: i32 [..];
    results: Vec<CreatePartitionsTopicResult> [..];
} }

message! { CreatePartitionsTopicResult {
    name: String [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
