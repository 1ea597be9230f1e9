//! DescribeGroups.

use bytes::Bytes;

api! { DescribeGroupsRequest => DescribeGroupsResponse, key 15, versions 0..=6, flexible 5 }

message! { DescribeGroupsRequest {
    groups: Vec<String> [..];
    include_authorized_operations: bool [3..];
} }

message! { DescribeGroupsResponse {
    throttle_time_ms: i32 [1..];
    groups: Vec<DescribedGroup> [..];
} }

message! { DescribedGroup {
    error_code: i16 [..];
    error_message: Option<String> [6..];
    group_id: String [..];
    group_state: String [..];
    protocol_type: String [..];
    protocol_data: String [..];
    members: Vec<DescribedGroupMember> [..];
    authorized_operations: i32 [3..] = -2147483648;
} }

message! { DescribedGroupMember {
    member_id: String [..];
    group_instance_id: Option<String> [4..];
    client_id: String [..];
    client_host: String [..];
    member_metadata: Bytes [..];
    member_assignment: Bytes [..];
} }
