//! DescribeLogDirs.

api! { DescribeLogDirsRequest => DescribeLogDirsResponse, key 35, versions 1..=4, flexible 2 }

message! { DescribeLogDirsRequest {
    topics: Option<Vec<DescribableLogDirTopic>> [..] = Some(Vec::default());
} }

message! { DescribableLogDirTopic {
    topic: String [..];
    partitions: Vec<i32> [..];
} }

message! { DescribeLogDirsResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [3..];
    results: Vec<DescribeLogDirsResult> [..];
} }

message! { DescribeLogDirsResult {
    error_code: i16 [..];
    log_dir: String [..];
    topics: Vec<DescribeLogDirsTopic> [..];
    total_bytes: i64 [4..] = -1;
    usable_bytes: i64 [4..] = -1;
} }

message! { DescribeLogDirsTopic {
    name: String [..];
    partitions: Vec<DescribeLogDirsPartition> [..];
} }

message! { DescribeLogDirsPartition {
    partition_index: i32 [..];
    partition_size: i64 [..];
    offset_lag: i64 [..];
    is_future_key: bool [..];
} }
