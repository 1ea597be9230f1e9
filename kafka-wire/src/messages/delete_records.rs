//! DeleteRecords.

api! { DeleteRecordsRequest => DeleteRecordsResponse, key 21, versions 0..=2, flexible 2 }

message! { DeleteRecordsRequest {
    topics: Vec<DeleteRecordsTopic> [..];
    timeout_ms: i32 [..];
} }

message! { DeleteRecordsTopic {
    name: String [..];
    partitions: Vec<DeleteRecordsPartition> [..];
} }

message! { DeleteRecordsPartition {
    partition_index: i32 [..];
    offset: i64 [..];
} }

message! { DeleteRecordsResponse {
    throttle_time_ms: i32 [..];
    topics: Vec<DeleteRecordsTopicResult> [..];
} }

message! { DeleteRecordsTopicResult {
    name: String [..];
    partitions: Vec<DeleteRecordsPartitionResult> [..];
} }

message! { DeleteRecordsPartitionResult {
    partition_index: i32 [..];
    low_watermark: i64 [..];
    error_code: i16 [..];
} }
