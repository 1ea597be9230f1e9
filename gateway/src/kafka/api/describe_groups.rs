use kafka_wire::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use message::GroupName;

use super::{Call, groups};
use crate::kafka::authorized_operations;
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::group_wire::{GroupDescription, GroupKind, MemberDescription};

/// From this version on an unknown group is an error; before, it is one that is dead.
const UNKNOWN_FROM: i16 = 6;

pub async fn answer(call: &Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let asked = request.include_authorized_operations;
    let mut described = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        let found = match groups::named(&group) {
            Ok(name) => classic(groups::told(call.door.topics().group_members(&name).await), &name),
            Err(wrong) => Err(wrong),
        };
        let mut told = DescribedGroup { group_id: group, ..DescribedGroup::default() };
        match found {
            Ok(found) => {
                fill(&mut told, found);
                told.authorized_operations = authorized_operations::on_group(call, &told.group_id, asked);
            }
            Err(wrong) => {
                let unknown = wrong.error == KafkaError::GROUP_ID_NOT_FOUND;
                if unknown {
                    told.group_state = "Dead".into();
                }
                if !unknown || call.version >= UNKNOWN_FROM {
                    told.error_code = wrong.error.0;
                    told.error_message = Some(wrong.why);
                }
            }
        }
        described.push(told);
    }
    DescribeGroupsResponse { groups: described, ..DescribeGroupsResponse::default() }
}

/// Groups of other kinds are not told of.
fn classic(found: Result<GroupDescription, Wrong>, name: &GroupName) -> Result<GroupDescription, Wrong> {
    let found = found?;
    if found.listing.kind == GroupKind::Classic {
        return Ok(found);
    }
    let why = format!("Group {name} is not a classic group.");
    Err(Wrong::new(KafkaError::GROUP_ID_NOT_FOUND, why))
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
