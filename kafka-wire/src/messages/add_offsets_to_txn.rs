//! AddOffsetsToTxn.

api! { AddOffsetsToTxnRequest => AddOffsetsToTxnResponse, key 25, versions 0..=4, flexible 3 }

message! { AddOffsetsToTxnRequest {
    transactional_id: String [..];
    producer_id: i64 [..];
    producer_epoch: i16 [..];
    group_id: String [..];
} }

message! { AddOffsetsToTxnResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
} }
