//! DeleteTopics.

use crate::Uuid;

api! { DeleteTopicsRequest => DeleteTopicsResponse, key 20, versions 1..=6, flexible 4 }

message! { DeleteTopicsRequest {
    topics: Vec<DeleteTopicState> [6..];
    topic_names: Vec<String> [..=5];
    timeout_ms: i32 [..];
} }

message! { DeleteTopicState {
    name: Option<String> [6..];
    topic_id: Uuid [6..];
} }

message! { DeleteTopicsResponse {
    throttle_time_ms: i32 [..];
    responses: Vec<DeletableTopicResult> [..];
} }

message! { DeletableTopicResult {
    name: Option<String> [..] = Some(String::default());
    topic_id: Uuid [6..];
    error_code: i16 [..];
    error_message: Option<String> [5..];
} }
