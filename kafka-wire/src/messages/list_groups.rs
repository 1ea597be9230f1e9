//! ListGroups.

api! { ListGroupsRequest => ListGroupsResponse, key 16, versions 0..=5, flexible 3 }

message! { ListGroupsRequest {
    states_filter: Vec<String> [4..];
    types_filter: Vec<String> [5..];
} }

message! { ListGroupsResponse {
    throttle_time_ms: i32 [1..];
    error_code: i16 [..];
    groups: Vec<ListedGroup> [..];
} }

message! { ListedGroup {
    group_id: String [..];
    protocol_type: String [..];
    group_state: String [4..];
    group_type: String [5..];
} }
