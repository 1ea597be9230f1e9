//! ShareGroupDescribe.

use crate::Uuid;

api! { ShareGroupDescribeRequest => ShareGroupDescribeResponse, key 77, versions 1..=1, flexible 0 }

message! { ShareGroupDescribeRequest {
    group_ids: Vec<String> [..];
    include_authorized_operations: bool [..];
} }

message! { ShareGroupDescribeResponse {
    throttle_time_ms: i32 [..];
    groups: Vec<DescribedGroup> [..];
} }

message! { DescribedGroup {
    error_code: i16 [..];
    error_message: Option<String> [..];
    group_id: String [..];
    group_state: String [..];
    group_epoch: i32 [..];
    assignment_epoch: i32 [..];
    assignor_name: String [..];
    members: Vec<Member> [..];
    authorized_operations: i32 [..] = -2147483648;
} }

message! { Member {
    member_id: String [..];
    rack_id: Option<String> [..];
    member_epoch: i32 [..];
    client_id: String [..];
    client_host: String [..];
    subscribed_topic_names: Vec<String> [..];
    assignment: Assignment [..];
} }

message! { Assignment {
    topic_partitions: Vec<TopicPartitions> [..];
} }

message! { TopicPartitions {
    topic_id: Uuid [..];
    topic_name: String [..];
    partitions: Vec<i32> [..];
} }
