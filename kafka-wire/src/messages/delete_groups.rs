//! DeleteGroups.

api! { DeleteGroupsRequest => DeleteGroupsResponse, key 42, versions 0..=2, flexible 2 }

message! { DeleteGroupsRequest {
    groups_names: Vec<String> [..];
} }

message! { DeleteGroupsResponse {
    throttle_time_ms: i32 [..];
    results: Vec<DeletableGroupResult> [..];
} }

message! { DeletableGroupResult {
    group_id: String [..];
    error_code: i16 [..];
} }
