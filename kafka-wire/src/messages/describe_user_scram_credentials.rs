//! DescribeUserScramCredentials.

api! { DescribeUserScramCredentialsRequest => DescribeUserScramCredentialsResponse, key 50, versions 0..=0, flexible 0 }

message! { DescribeUserScramCredentialsRequest {
    users: Option<Vec<UserName>> [..] = Some(Vec::default());
} }

message! { UserName {
    name: String [..];
} }

message! { DescribeUserScramCredentialsResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    results: Vec<DescribeUserScramCredentialsResult> [..];
} }

message! { DescribeUserScramCredentialsResult {
    user: String [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    credential_infos: Vec<CredentialInfo> [..];
} }

message! { CredentialInfo {
    mechanism: i8 [..];
    iterations: i32 [..];
} }
