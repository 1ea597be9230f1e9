//! DeleteShareGroupOffsets.

use crate::Uuid;

api! { DeleteShareGroupOffsetsRequest => DeleteShareGroupOffsetsResponse, key 92, versions 0..=0, flexible 0 }

message! { DeleteShareGroupOffsetsRequest {
    group_id: String [..];
    topics: Vec<DeleteShareGroupOffsetsRequestTopic> [..];
} }

message! { DeleteShareGroupOffsetsRequestTopic {
    topic_name: String [..];
} }

message! { DeleteShareGroupOffsetsResponse {
    throttle_time_ms: i32 [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
    responses: Vec<DeleteShareGroupOffsetsResponseTopic> [..];
} }

message! { DeleteShareGroupOffsetsResponseTopic {
    topic_name: String [..];
    topic_id: Uuid [..];
    error_code: i16 [..];
    error_message: Option<String> [..];
} }
