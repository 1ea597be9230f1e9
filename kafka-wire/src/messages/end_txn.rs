//! EndTxn.

api! { EndTxnRequest => EndTxnResponse, key 26, versions 0..=5, flexible 3 }

message! { EndTxnRequest {
    transactional_id: String [..];
    producer_id: i64 [..];
    producer_epoch: i16 [..];
    committed: bool [..];
} }

message! { EndTxnResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    producer_id: i64 [5..] = -1;
    producer_epoch: i16 [5..] = -1;
} }
