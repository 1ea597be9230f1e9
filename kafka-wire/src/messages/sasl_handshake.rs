//! SaslHandshake.

api! { SaslHandshakeRequest => SaslHandshakeResponse, key 17, versions 0..=1, flexible i16::MAX }

message! { SaslHandshakeRequest {
    mechanism: String [..];
} }

message! { SaslHandshakeResponse {
    error_code: i16 [..];
    mechanisms: Vec<String> [..];
} }
