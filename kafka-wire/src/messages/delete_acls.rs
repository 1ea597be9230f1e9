//! DeleteAcls.

api! { DeleteAclsRequest => DeleteAclsResponse, key 31, versions 1..=3, flexible 2 }

message! { DeleteAclsRequest {
    filters: Vec<DeleteAclsFilter> [..];
} }

message! { DeleteAclsFilter {
    resource_type_filter: i8 [..];
    resource_name_filter: Option<String> [..] = Some(String::default());
    pattern_type_filter: i8 [..] = 3;
    principal_filter: Option<String> [..] = Some(String::default());
    host_filter: Option<String> [..] = Some(String::default());
    operation: i8 [..];
    permission_type: i8 [..];
} }

message! { DeleteAclsResponse {
    throttle_time_ms: i32 [..];
    filter_results: Vec<DeleteAclsFilterResult> [..];
} }

message! { DeleteAclsFilterResult {
    error_code: i16 [..];
    error_message: Option<String> [..];
    matching_acls: Vec<DeleteAclsMatchingAcl> [..];
} }

message! { DeleteAclsMatchingAcl {
    error_code: i16 [..];
    error_message: Option<String> [..];
    resource_type: i8 [..];
    resource_name: String [..];
    pattern_type: i8 [..] = 3;
    principal: String [..];
    host: String [..];
    operation: i8 [..];
    permission_type: i8 [..];
} }
