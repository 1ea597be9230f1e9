//! AddPartitionsToTxn.

api! { AddPartitionsToTxnRequest => AddPartitionsToTxnResponse, key 24, versions 0..=5, flexible 3 }

message! { AddPartitionsToTxnRequest {
    transactions: Vec<AddPartitionsToTxnTransaction> [4..];
    v3_and_below_transactional_id: String [..=3];
    v3_and_below_producer_id: i64 [..=3];
    v3_and_below_producer_epoch: i16 [..=3];
    v3_and_below_topics: Vec<AddPartitionsToTxnTopic> [..=3];
} }

message! { AddPartitionsToTxnTransaction {
    transactional_id: String [4..];
    producer_id: i64 [4..];
    producer_epoch: i16 [4..];
    verify_only: bool [4..];
    topics: Vec<AddPartitionsToTxnTopic> [4..];
} }

message! { AddPartitionsToTxnTopic {
    name: String [..];
    partitions: Vec<i32> [..];
} }

message! { AddPartitionsToTxnResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [4..];
    results_by_transaction: Vec<AddPartitionsToTxnResult> [4..];
    results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> [..=3];
} }

message! { AddPartitionsToTxnResult {
    transactional_id: String [4..];
    topic_results: Vec<AddPartitionsToTxnTopicResult> [4..];
} }

message! { AddPartitionsToTxnTopicResult {
    name: String [..];
    results_by_partition: Vec<AddPartitionsToTxnPartitionResult> [..];
} }

message! { AddPartitionsToTxnPartitionResult {
    partition_index: i32 [..];
    partition_error_code: i16 [..];
} }
