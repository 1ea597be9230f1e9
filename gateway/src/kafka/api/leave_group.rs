use kafka_wire::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse,
};

use super::{Call, groups};
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::{Leaving, MemberId};

/// From this version on several members leave with one request.
const MANY_FROM: i16 = 3;

pub async fn answer(call: &Call, mut request: LeaveGroupRequest) -> LeaveGroupResponse {
    if call.version < MANY_FROM {
        request.members = vec![MemberIdentity { member_id: request.member_id, ..MemberIdentity::default() }];
    }
    // An empty id is an instance's own; without one it is a member's that nobody knows.
    let leaving = request.members.iter().map(|member| Leaving {
        member: (!member.member_id.is_empty() || member.group_instance_id.is_none())
            .then(|| MemberId::new(&member.member_id)),
        instance: groups::instance(member.group_instance_id.clone()),
    });
    let left = match groups::name(&request.group_id) {
        Ok(group) => {
            let left = call.door.topics().group_leave_each(&group, leaving.collect()).await;
            left.map_err(|refusal| groups::coordinator(&refusal))
        }
        Err(error) => Err(error),
    };
    let left = match left {
        Ok(left) => left,
        Err(error) => return LeaveGroupResponse { error_code: error.0, ..LeaveGroupResponse::default() },
    };
    let code = |left: Result<(), crate::topics::group_wire::GroupError>| {
        left.err().map_or(KafkaError::NONE, |error| KafkaError::from(error.code())).0
    };
    let mut response = LeaveGroupResponse::default();
    if call.version < MANY_FROM {
        response.error_code = left.into_iter().next().map_or(KafkaError::NONE.0, code);
        return response;
    }
    let told = request.members.into_iter().zip(left).map(|(member, left)| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: code(left),
    });
    response.members = told.collect();
    response
}
