//! ListConfigResources.

api! { ListConfigResourcesRequest => ListConfigResourcesResponse, key 74, versions 0..=1, flexible 0 }

message! { ListConfigResourcesRequest {
    resource_types: Vec<i8> [1..];
} }

message! { ListConfigResourcesResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    config_resources: Vec<ConfigResource> [..];
} }

message! { ConfigResource {
    resource_name: String [..];
    resource_type: i8 [1..] = 16;
} }
