//! DescribeAcls.

api! { DescribeAclsRequest => DescribeAclsResponse, key 29, versions 1..=3, flexible 2 }

message! { DescribeAclsRequest {
    resource_type_filter: i8 [..];
    resource_name_filter: Option<String> [..] = Some(String::default());
    pattern_type_filter: i8 [..] = 3;
    principal_filter: Option<String> [..] = Some(String::default());
    host_filter: Option<String> [..] = Some(String::default());
    operation: i8 [..];
    permission_type: i8 [..];
} }

message! { DescribeAclsResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    resources: Vec<DescribeAclsResource> [..];
} }

message! { DescribeAclsResource {
    resource_type: i8 [..];
    resource_name: String [..];
    pattern_type: i8 [..] = 3;
    acls: Vec<AclDescription> [..];
} }

message! { AclDescription {
    principal: String [..];
    host: String [..];
    operation: i8 [..];
    permission_type: i8 [..];
} }
