use std::time::Duration;

use kafka_wire::messages::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ResponseTopicPartitions,
    TopicPartitions,
};
use message::TopicName;

use super::{Call, groups};
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::group_wire::{
    ConsumerAnswer, ConsumerHeartbeat, Generation, MemberEpoch, MemberId, TopicPartition,
};

pub async fn answer(call: &Call, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    match beat(call, request).await {
        Ok(answer) => told(call, answer),
        Err(wrong) => ConsumerGroupHeartbeatResponse {
            error_code: wrong.error.0,
            error_message: Some(wrong.why),
            ..ConsumerGroupHeartbeatResponse::default()
        },
    }
}

/// What has to be said and may not be empty, as Kafka has it.
fn check(request: &ConsumerGroupHeartbeatRequest, version: i16) -> Result<(), Wrong> {
    let is_empty = |text: &Option<String>| text.as_deref() == Some("");
    let why = if request.member_id.is_empty() && (version > 0 || request.member_epoch != 0) {
        "MemberId can't be empty."
    } else if request.group_id.is_empty() {
        "GroupId can't be empty."
    } else if is_empty(&request.instance_id) {
        "InstanceId can't be empty."
    } else if is_empty(&request.rack_id) {
        "RackId can't be empty."
    } else if request.member_epoch == -2 && request.instance_id.is_none() {
        "InstanceId can't be null."
    } else {
        return Ok(());
    };
    Err(Wrong::new(KafkaError::INVALID_REQUEST, why))
}

async fn beat(call: &Call, request: ConsumerGroupHeartbeatRequest) -> Result<ConsumerAnswer, Wrong> {
    check(&request, call.version)?;
    let name = groups::named(&request.group_id)?;
    let epoch =
        match request.member_epoch {
            0 => MemberEpoch::Join,
            -1 => MemberEpoch::Leave,
            -2 => MemberEpoch::LeaveForNow,
            epoch => MemberEpoch::At(groups::generation(epoch).ok_or_else(|| {
                Wrong::new(KafkaError::INVALID_REQUEST, format!("{epoch} is no member epoch"))
            })?),
        };
    // Version 0 lets the server choose the id.
    let member = match request.member_id.is_empty() && epoch == MemberEpoch::Join && call.version == 0 {
        true => call.door.topics().new_member_id(""),
        false => MemberId::new(&request.member_id),
    };
    let topics = request.subscribed_topic_names.map(|names| {
        // A name that no topic can have is the name of none.
        names.iter().filter_map(|name| TopicName::new(name).ok()).collect()
    });
    let ask = ConsumerHeartbeat {
        member,
        epoch,
        instance: groups::instance(request.instance_id),
        rack: request.rack_id.map(Into::into),
        origin: groups::origin(call),
        rebalance_timeout: u64::try_from(request.rebalance_timeout_ms).ok().map(Duration::from_millis),
        topics,
        pattern: request.subscribed_topic_regex.map(Into::into),
        assignor: request.server_assignor.map(Into::into),
        owned: request
            .topic_partitions
            .map(|owned| owned.into_iter().flat_map(|topic| named(call, topic)).collect()),
    };
    groups::told(call.door.topics().group_consumer_heartbeat(&name, ask).await)
}

/// What a member says that it has, by name; topics that are gone are left out.
fn named(call: &Call, topic: TopicPartitions) -> Vec<TopicPartition> {
    let Some(name) = groups::topic_name(call.door.topics(), topic.topic_id) else { return Vec::new() };
    topic.partitions.into_iter().filter_map(|partition| groups::partition(&name, partition).ok()).collect()
}

fn told(call: &Call, answer: ConsumerAnswer) -> ConsumerGroupHeartbeatResponse {
    let member_epoch = match answer.epoch {
        MemberEpoch::Join => 0,
        MemberEpoch::At(Generation(epoch)) => epoch as i32,
        MemberEpoch::Leave => -1,
        MemberEpoch::LeaveForNow => -2,
    };
    let topics = call.door.topics();
    let assignment = answer.assignment.map(|partitions| {
        let by_topic = groups::by_topic(&partitions).into_iter();
        let told = by_topic.map(|(name, partitions)| ResponseTopicPartitions {
            topic_id: groups::topic_id(topics, &name),
            partitions,
        });
        Assignment { topic_partitions: told.collect() }
    });
    ConsumerGroupHeartbeatResponse {
        member_id: Some(answer.member.to_string()),
        member_epoch,
        heartbeat_interval_ms: answer.heartbeat_interval.as_millis() as i32,
        assignment,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
