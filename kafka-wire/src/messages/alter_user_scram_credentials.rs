//! AlterUserScramCredentials.

use bytes::Bytes;

api! { AlterUserScramCredentialsRequest => AlterUserScramCredentialsResponse, key 51, versions 0..=0, flexible 0 }

message! { AlterUserScramCredentialsRequest {
    deletions: Vec<ScramCredentialDeletion> [..];
    upsertions: Vec<ScramCredentialUpsertion> [..];
} }

message! { ScramCredentialDeletion {
    name: String [..];
    mechanism: i8 [..];
} }

message! { ScramCredentialUpsertion {
    name: String [..];
    mechanism: i8 [..];
    iterations: i32 [..];
    salt: Bytes [..];
    salted_password: Bytes [..];
} }

message! { AlterUserScramCredentialsResponse {
    throttle_time_ms: i32 [..];
    results: Vec<AlterUserScramCredentialsResult> [..];
} }

message! { AlterUserScramCredentialsResult {
    user: String [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
