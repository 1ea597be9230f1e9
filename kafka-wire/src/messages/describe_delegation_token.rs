//! DescribeDelegationToken.

use bytes::Bytes;

api! { DescribeDelegationTokenRequest => DescribeDelegationTokenResponse, key 41, versions 1..=3, flexible 2 }

message! { DescribeDelegationTokenRequest {
    owners: Option<Vec<DescribeDelegationTokenOwner>> [..] = Some(Vec::new());
} }

message! { DescribeDelegationTokenOwner {
    principal_type: String [..];
    principal_name: String [..];
} }

message! { DescribeDelegationTokenResponse {
    error_code: i16 [..];
    tokens: Vec<DescribedDelegationToken> [..];
    throttle_time_ms: i32 [..];
} }

message! { DescribedDelegationToken {
    principal_type: String [..];
    principal_name: String [..];
    token_requester_principal_type: String [3..];
    token_requester_principal_name: String [3..];
    issue_timestamp: i64 [..];
    expiry_timestamp: i64 [..];
    max_timestamp: i64 [..];
    token_id: String [..];
    hmac: Bytes [..];
    renewers: Vec<DescribedDelegationTokenRenewer> [..];
} }

message! { DescribedDelegationTokenRenewer {
    principal_type: String [..];
    principal_name: String [..];
} }
