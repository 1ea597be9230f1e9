//! DescribeTransactions.

api! { DescribeTransactionsRequest => DescribeTransactionsResponse, key 65, versions 0..=0, flexible 0 }

message! { DescribeTransactionsRequest {
    transactional_ids: Vec<String> [..];
} }

message! { DescribeTransactionsResponse {
    throttle_time_ms: i32 [..];
    transaction_states: Vec<TransactionState> [..];
} }

message! { TransactionState {
    error_code: i16 [..];
    transactional_id: String [..];
    transaction_state: String [..];
    transaction_timeout_ms: i32 [..];
    transaction_start_time_ms: i64 [..];
    producer_id: i64 [..];
    producer_epoch: i16 [..];
    topics: Vec<TopicData> [..];
} }

message! { TopicData {
    topic: String [..];
    partitions: Vec<i32> [..];
} }
