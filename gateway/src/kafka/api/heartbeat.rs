use kafka_wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use super::{Call, groups};
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::MemberId;

pub async fn answer(call: &Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let error = beat(call, request).await.err().unwrap_or(KafkaError::NONE);
    HeartbeatResponse { error_code: error.0, ..HeartbeatResponse::default() }
}

async fn beat(call: &Call, request: HeartbeatRequest) -> Result<(), KafkaError> {
    let group = groups::name(&request.group_id)?;
    let generation = groups::generation(request.generation_id).ok_or(KafkaError::ILLEGAL_GENERATION)?;
    let (member, instance) = (MemberId::new(&request.member_id), groups::instance(request.group_instance_id));
    groups::flat(call.door.topics().group_classic_heartbeat(&group, member, generation, instance).await)
}
