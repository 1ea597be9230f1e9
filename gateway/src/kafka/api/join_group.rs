use std::time::Duration;

use kafka_wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};

use super::{Call, groups};
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::{ClassicProtocol, GroupError, JoinAnswer, JoinGroup, JoinedMember, MemberId};

/// From this version on a new member is told its id and comes again with it (KIP-394).
const KNOWN_ID_FROM: i16 = 4;
/// From this version on a static leader that comes back may leave the plan as it is (KIP-814).
const SKIP_FROM: i16 = 9;

pub async fn answer(call: &Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let asked = request.member_id.clone();
    match join(call, request).await {
        Ok(answer) => told(call, answer),
        Err((error, member)) => JoinGroupResponse {
            error_code: error.0,
            member_id: member.unwrap_or(asked),
            // Null is only allowed from version 7 on.
            protocol_name: (call.version < 7).then(String::new),
            ..JoinGroupResponse::default()
        },
    }
}

async fn join(call: &Call, request: JoinGroupRequest) -> Result<JoinAnswer, (KafkaError, Option<String>)> {
    let group = groups::name(&request.group_id).map_err(|error| (error, None))?;
    let millis = |ms: i32| u64::try_from(ms).map(Duration::from_millis);
    let bad_session = (KafkaError::INVALID_SESSION_TIMEOUT, None);
    let session_timeout = millis(request.session_timeout_ms).map_err(|_| bad_session)?;
    let topics = call.door.topics();
    let instance = groups::instance(request.group_instance_id);
    // A static member's id begins with its static name, as in Kafka.
    let stem = instance.as_ref().map_or(call.client_id.as_deref().unwrap_or_default(), |name| name.as_str());
    let protocol = |one: kafka_wire::messages::join_group::JoinGroupRequestProtocol| ClassicProtocol {
        name: one.name.into(),
        metadata: one.metadata,
    };
    let ask = JoinGroup {
        member: Some(request.member_id).filter(|id| !id.is_empty()).map(|id| MemberId::new(&id)),
        new_member: topics.new_member_id(stem),
        needs_known_id: call.version >= KNOWN_ID_FROM && instance.is_none(),
        instance,
        origin: groups::origin(call),
        session_timeout,
        rebalance_timeout: millis(request.rebalance_timeout_ms).unwrap_or(session_timeout),
        protocol_type: request.protocol_type.into(),
        protocols: request.protocols.into_iter().map(protocol).collect(),
        may_skip_assignment: call.version >= SKIP_FROM,
    };
    match topics.group_classic_join(&group, ask).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(GroupError::MemberIdRequired(id))) => {
            Err((KafkaError::MEMBER_ID_REQUIRED, Some(id.to_string())))
        }
        Ok(Err(error)) => Err((KafkaError::from(error.code()), None)),
        Err(refusal) => Err((groups::coordinator(&refusal), None)),
    }
}

fn told(call: &Call, answer: JoinAnswer) -> JoinGroupResponse {
    let member = |one: JoinedMember| JoinGroupResponseMember {
        member_id: one.id.to_string(),
        group_instance_id: one.instance.map(|name| name.to_string()),
        metadata: one.metadata,
    };
    JoinGroupResponse {
        generation_id: answer.generation.0 as i32,
        protocol_type: (call.version >= 7).then(|| answer.protocol_type.into()),
        protocol_name: Some(answer.protocol.into()),
        leader: answer.leader.map_or_else(String::new, |leader| leader.to_string()),
        skip_assignment: answer.skip_assignment,
        member_id: answer.member.to_string(),
        members: answer.members.into_iter().map(member).collect(),
        ..JoinGroupResponse::default()
    }
}
