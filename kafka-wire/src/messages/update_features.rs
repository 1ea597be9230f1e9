//! UpdateFeatures.

api! { UpdateFeaturesRequest => UpdateFeaturesResponse, key 57, versions 0..=2, flexible 0 }

message! { UpdateFeaturesRequest {
    timeout_ms: i32 [..] = 60000;
    feature_updates: Vec<FeatureUpdateKey> [..];
    validate_only: bool [1..];
} }

message! { FeatureUpdateKey {
    feature: String [..];
    max_version_level: i16 [..];
    allow_downgrade: bool [..=0];
    upgrade_type: i8 [1..] = 1;
} }

message! { UpdateFeaturesResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    results: Vec<UpdatableFeatureResult> [..=1];
} }

message! { UpdatableFeatureResult {
    feature: String [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
