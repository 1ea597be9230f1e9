//! ApiVersions.

api! { ApiVersionsRequest => ApiVersionsResponse, key 18, versions 0..=4, flexible 3 }

message! { ApiVersionsRequest {
    client_software_name: String [3..];
    client_software_version: String [3..];
} }

message! { ApiVersionsResponse {
    error_code: i16 [..];
    api_keys: Vec<ApiVersion> [..];
    throttle_time_ms: i32 [1..];
} tagged {
    0 => supported_features: Vec<SupportedFeatureKey> [3..];
    1 => finalized_features_epoch: i64 [3..] = -1;
    2 => finalized_features: Vec<FinalizedFeatureKey> [3..];
    3 => zk_migration_ready: bool [3..];
} }

message! { ApiVersion {
    api_key: i16 [..];
    min_version: i16 [..];
    max_version: i16 [..];
} }

message! { SupportedFeatureKey {
    name: String [3..];
    min_version: i16 [3..];
    max_version: i16 [3..];
} }

message! { FinalizedFeatureKey {
    name: String [3..];
    max_version_level: i16 [3..];
    min_version_level: i16 [3..];
} }
