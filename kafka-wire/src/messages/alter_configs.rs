//! AlterConfigs.

api! { AlterConfigsRequest => AlterConfigsResponse, key 33, versions 0..=2, flexible 2 }

message! { AlterConfigsRequest {
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
    value: Option<String> [..] = Some(String::default());
} }

message! { AlterConfigsResponse {
    throttle_time_ms: i32 [..];
    responses: Vec<AlterConfigsResourceResponse> [..];
} }

message! { AlterConfigsResourceResponse {
    error_code: i16 [..];
    error_message: Option<String> [..];
    resource_type: i8 [..];
    resource_name: String [..];
} }
