//! SaslAuthenticate.

use bytes::Bytes;

api! { SaslAuthenticateRequest => SaslAuthenticateResponse, key 36, versions 0..=2, flexible 2 }

message! { SaslAuthenticateRequest {
    auth_bytes: Bytes [..];
} }

message! { SaslAuthenticateResponse {
    error_code: i16 [..];
    error_message: Option<String> [..];
    auth_bytes: Bytes [..];
    session_lifetime_ms: i64 [1..];
} }
