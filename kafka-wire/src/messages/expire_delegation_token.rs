//! ExpireDelegationToken.

use bytes::Bytes;

api! { ExpireDelegationTokenRequest => ExpireDelegationTokenResponse, key 40, versions 1..=2, flexible 2 }

message! { ExpireDelegationTokenRequest {
    hmac: Bytes [..];
    expiry_time_period_ms: i64 [..];
} }

message! { ExpireDelegationTokenResponse {
    error_code: i16 [..];
    expiry_timestamp_ms: i64 [..];
    throttle_time_ms: i32 [..];
} }
