use kafka_wire::messages::share_group_heartbeat::{
    Assignment, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse, TopicPartitions,
};
use message::TopicName;

use super::{Call, groups};
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::topic_ids;
use crate::topics::group_wire::{ConsumerAnswer, Generation, MemberEpoch, MemberId};
use crate::topics::share::ShareHeartbeat;

/// What clients make up as a member's id is no longer.
const MEMBER_ID_LEN: usize = 36;

pub async fn answer(call: &Call, request: ShareGroupHeartbeatRequest) -> ShareGroupHeartbeatResponse {
    match beat(call, request).await {
        Ok(answer) => told(call, answer),
        Err(wrong) => ShareGroupHeartbeatResponse {
            error_code: wrong.error.0,
            error_message: Some(wrong.why),
            ..ShareGroupHeartbeatResponse::default()
        },
    }
}

async fn beat(call: &Call, request: ShareGroupHeartbeatRequest) -> Result<ConsumerAnswer, Wrong> {
    if request.group_id.is_empty() {
        return Err(Wrong::new(KafkaError::INVALID_REQUEST, "GroupId can't be empty."));
    }
    let name = groups::named(&request.group_id)?;
    let epoch =
        match request.member_epoch {
            0 => MemberEpoch::Join,
            -1 => MemberEpoch::Leave,
            epoch => MemberEpoch::At(groups::generation(epoch).ok_or_else(|| {
                Wrong::new(KafkaError::INVALID_REQUEST, format!("{epoch} is no member epoch"))
            })?),
        };
    let ask = ShareHeartbeat {
        member: member(&request.member_id)?,
        epoch,
        rack: request.rack_id.map(Into::into),
        origin: groups::origin(call),
        // A name that no topic can have is the name of none.
        topics: request
            .subscribed_topic_names
            .map(|names| names.iter().filter_map(|name| TopicName::new(name).ok()).collect()),
    };
    groups::told(call.door.topics().share_heartbeat(&name, ask).await)
}

/// A member's id as a request gives it: its client made it up.
pub fn member(id: &str) -> Result<MemberId, Wrong> {
    match id.len() {
        1..=MEMBER_ID_LEN => Ok(MemberId::new(id)),
        _ => Err(Wrong::new(KafkaError::INVALID_REQUEST, "Invalid member id in the request.")),
    }
}

fn told(call: &Call, answer: ConsumerAnswer) -> ShareGroupHeartbeatResponse {
    let member_epoch = match answer.epoch {
        MemberEpoch::Join => 0,
        MemberEpoch::At(Generation(epoch)) => epoch as i32,
        MemberEpoch::Leave | MemberEpoch::LeaveForNow => -1,
    };
    let topics = call.door.topics();
    let assignment = answer.assignment.map(|partitions| {
        let by_topic = groups::by_topic(&partitions).into_iter();
        let told = by_topic.filter_map(|(name, partitions)| {
            let topic_id = topic_ids::of(&topics.topic(name.as_str()).ok()?);
            Some(TopicPartitions { topic_id, partitions })
        });
        Assignment { topic_partitions: told.collect() }
    });
    ShareGroupHeartbeatResponse {
        member_id: Some(answer.member.to_string()),
        member_epoch,
        heartbeat_interval_ms: answer.heartbeat_interval.as_millis() as i32,
        assignment,
        ..ShareGroupHeartbeatResponse::default()
    }
}
