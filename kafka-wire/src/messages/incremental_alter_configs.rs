//! IncrementalAlterConfigs.

api! { IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse, key 44, versions 0..=1, flexible 1 }

message! { IncrementalAlterConfigsRequest {
    resources: Vec<AlterConfigsResource> [..];
    validate_only: bool [..];
} }

message! { AlterConfigsResource {
    resource_type: i8 [..];
    resource_name: String [..];
    configs: Vec<AlterableConfig> [..];
} }

message! { AlterableConfig {
    name: String [..];
    config_operation: i8 [..];
    value: Option<String> [..] = Some(String::default());
} }

message! { IncrementalAlterConfigsResponse {
    throttle_time_ms: i32 [..];
    responses: Vec<AlterConfigsResourceResponse> [..];
} }

message! { AlterConfigsResourceResponse {
    error_code: i16 [..];
    error_message: Option<String> [..];
    resource_type: i8 [..];
    resource_name: String [..];
} }
