//! PushTelemetry.

use bytes::Bytes;

use crate::Uuid;

api! { PushTelemetryRequest => PushTelemetryResponse, key 72, versions 0..=0, flexible 0 }

message! { PushTelemetryRequest {
    client_instance_id: Uuid [..];
    subscription_id: i32 [..];
    terminating: bool [..];
    compression_type: i8 [..];
    metrics: Bytes [..];
} }

message! { PushTelemetryResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
} }
