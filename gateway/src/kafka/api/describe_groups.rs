use kafka_wire::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use super::{Call, groups};
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::{GroupDescription, GroupKind, MemberDescription};

/// From this version on an unknown group is an error; before, it is one that is dead.
const UNKNOWN_FROM: i16 = 6;

pub async fn answer(call: &Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let mut described = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        let found = match groups::name(&group) {
            Ok(name) => groups::flat(call.door.topics().group_members(&name).await),
            Err(error) => Err(error),
        };
        let mut told = DescribedGroup { group_id: group, ..DescribedGroup::default() };
        match found {
            Ok(found) if found.listing.kind == GroupKind::Classic => fill(&mut told, found),
            Ok(_) | Err(KafkaError::GROUP_ID_NOT_FOUND) => {
                told.group_state = "Dead".into();
                if call.version >= UNKNOWN_FROM {
                    told.error_code = KafkaError::GROUP_ID_NOT_FOUND.0;
                    told.error_message = Some(format!("Group {} is not a classic group.", told.group_id));
                }
            }
            Err(error) => told.error_code = error.0,
        }
        described.push(told);
    }
    DescribeGroupsResponse { groups: described, ..DescribeGroupsResponse::default() }
}

fn fill(told: &mut DescribedGroup, found: GroupDescription) {
    told.group_state = found.listing.state.name().to_owned();
    told.protocol_type = found.listing.protocol_type.into();
    told.protocol_data = found.protocol.into();
    let member = |one: MemberDescription| DescribedGroupMember {
        member_id: one.id.to_string(),
        group_instance_id: one.instance.map(|name| name.to_string()),
        client_id: one.origin.id.to_string(),
        client_host: one.origin.host.to_string(),
        member_metadata: one.metadata,
        member_assignment: one.assignment_bytes,
    };
    told.members = found.members.into_iter().map(member).collect();
}
