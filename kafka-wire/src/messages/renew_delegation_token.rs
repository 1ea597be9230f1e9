//! RenewDelegationToken.

use bytes::Bytes;

api! { RenewDelegationTokenRequest => RenewDelegationTokenResponse, key 39, versions 1..=2, flexible 2 }

message! { RenewDelegationTokenRequest {
    hmac: Bytes [..];
    renew_period_ms: i64 [..];
} }

message! { RenewDelegationTokenResponse {
    error_code: i16 [..];
    expiry_timestamp_ms: i64 [..];
    throttle_time_ms: i32 [..];
} }
