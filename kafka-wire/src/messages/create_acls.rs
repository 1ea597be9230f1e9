//! CreateAcls.

api! { CreateAclsRequest => CreateAclsResponse, key 30, versions 1..=3, flexible 2 }

message! { CreateAclsRequest {
    creations: Vec<AclCreation> [..];
} }

message! { AclCreation {
    resource_type: i8 [..];
    resource_name: String [..];
    resource_pattern_type: i8 [..] = 3;
    principal: String [..];
    host: String [..];
    operation: i8 [..];
    permission_type: i8 [..];
} }

message! { CreateAclsResponse {
    throttle_time_ms: i32 [..];
    results: Vec<AclCreationResult> [..];
} }

message! { AclCreationResult {
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
