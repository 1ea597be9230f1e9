//! GetTelemetrySubscriptions.

use crate::Uuid;

api! { GetTelemetrySubscriptionsRequest => GetTelemetrySubscriptionsResponse, key 71, versions 0..=0, flexible 0 }

message! { GetTelemetrySubscriptionsRequest {
    client_instance_id: Uuid [..];
} }

message! { GetTelemetrySubscriptionsResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    client_instance_id: Uuid [..];
    subscription_id: i32 [..];
    accepted_compression_types: Vec<i8> [..];
    push_interval_ms: i32 [..];
    telemetry_max_bytes: i32 [..];
    delta_temporality: bool [..];
    requested_metrics: Vec<String> [..];
} }
