//! Heartbeat.

api! { HeartbeatRequest => HeartbeatResponse, key 12, versions 0..=4, flexible 4 }

message! { HeartbeatRequest {
    group_id: String [..];
    generation_id: i32 [..];
    member_id: String [..];
    group_instance_id: Option<String> [3..];
} }

message! { HeartbeatResponse {
    throttle_time_ms: i32 [1..];
    error_code: i16 [..];
} }
