//! DescribeConfigs.

api! { DescribeConfigsRequest => DescribeConfigsResponse, key 32, versions 1..=4, flexible 4 }

message! { DescribeConfigsRequest {
    resources: Vec<DescribeConfigsResource> [..];
    include_synonyms: bool [..];
    include_documentation: bool [3..];
} }

message! { DescribeConfigsResource {
    resource_type: i8 [..];
    resource_name: String [..];
    configuration_keys: Option<Vec<String>> [..] = Some(Vec::default());
} }

message! { DescribeConfigsResponse {
    throttle_time_ms: i32 [..];
    results: Vec<DescribeConfigsResult> [..];
} }

message! { DescribeConfigsResult {
    error_code: i16 [..];
    error_message: Option<String> [..];
    resource_type: i8 [..];
    resource_name: String [..];
    configs: Vec<DescribeConfigsResourceResult> [..];
} }

message! { DescribeConfigsResourceResult {
    name: String [..];
    value: Option<String> [..] = Some(String::default());
    read_only: bool [..];
    config_source: i8 [..] = -1;
    is_sensitive: bool [..];
    synonyms: Vec<DescribeConfigsSynonym> [..];
    config_type: i8 [3..];
    documentation: Option<String> [3..] = Some(String::default());
} }

message! { DescribeConfigsSynonym {
    name: String [..];
    value: Option<String> [..] = Some(String::default());
    source: i8 [..];
} }
