//! CreateDelegationToken.

use bytes::Bytes;

api! { CreateDelegationTokenRequest => CreateDelegationTokenResponse, key 38, versions 1..=3, flexible 2 }

message! { CreateDelegationTokenRequest {
    owner_principal_type: Option<String> [3..] = Some(String::default());
    owner_principal_name: Option<String> [3..] = Some(String::default());
    renewers: Vec<CreatableRenewers> [..];
    max_lifetime_ms: i64 [..];
} }

message! { CreatableRenewers {
    principal_type: String [..];
    principal_name: String [..];
} }

message! { CreateDelegationTokenResponse {
    error_code: i16 [..];
    principal_type: String [..];
    principal_name: String [..];
    token_requester_principal_type: String [3..];
    token_requester_principal_name: String [3..];
    issue_timestamp_ms: i64 [..];
    expiry_timestamp_ms: i64 [..];
    max_timestamp_ms: i64 [..];
    token_id: String [..];
    hmac: Bytes [..];
    throttle_time_ms: i32 [..];
} }
