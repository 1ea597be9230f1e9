use kafka_wire::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::{Call, groups};
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::{MemberId, SyncAnswer, SyncGroup};

pub async fn answer(call: &Call, request: SyncGroupRequest) -> SyncGroupResponse {
    match sync(call, request).await {
        Ok(answer) => SyncGroupResponse {
            protocol_type: Some(answer.protocol_type.into()),
            protocol_name: Some(answer.protocol.into()),
            assignment: answer.assignment,
            ..SyncGroupResponse::default()
        },
        Err(error) => SyncGroupResponse { error_code: error.0, ..SyncGroupResponse::default() },
    }
}

async fn sync(call: &Call, request: SyncGroupRequest) -> Result<SyncAnswer, KafkaError> {
    let group = groups::name(&request.group_id)?;
    let assignments = request.assignments.into_iter();
    let ask = SyncGroup {
        member: MemberId::new(&request.member_id),
        generation: groups::generation(request.generation_id).ok_or(KafkaError::ILLEGAL_GENERATION)?,
        instance: groups::instance(request.group_instance_id),
        protocol_type: request.protocol_type.map(Into::into),
        protocol: request.protocol_name.map(Into::into),
        assignments: assignments.map(|one| (MemberId::new(&one.member_id), one.assignment)).collect(),
    };
    groups::flat(call.door.topics().group_classic_sync(&group, ask).await)
}
