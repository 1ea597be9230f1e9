//! LeaveGroup.

api! { LeaveGroupRequest => LeaveGroupResponse, key 13, versions 0..=5, flexible 4 }

message! { LeaveGroupRequest {
    group_id: String [..];
    member_id: String [..=2];
    members: Vec<MemberIdentity> [3..];
} }

message! { MemberIdentity {
    member_id: String [3..];
    group_instance_id: Option<String> [3..];
    reason: Option<String> [5..];
} }

message! { LeaveGroupResponse {
    throttle_time_ms: i32 [1..];
    error_code: i16 [..];
    members: Vec<MemberResponse> [3..];
} }

message! { MemberResponse {
    member_id: String [3..];
    group_instance_id: Option<String> [3..] = Some(String::default());
    error_code: i16 [3..];
} }
