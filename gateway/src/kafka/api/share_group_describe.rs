use kafka_wire::Uuid;
use kafka_wire::messages::share_group_describe::{
    Assignment, DescribedGroup, Member, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
    TopicPartitions,
};

use super::{Call, groups};
use crate::kafka::authorized_operations;
use crate::kafka::error::KafkaError;
use crate::kafka::topic_ids;
use crate::topics::group_wire::TopicPartition;
use crate::topics::share::{ShareGroupDescription, ShareMemberDescription};

pub async fn answer(call: &Call, request: ShareGroupDescribeRequest) -> ShareGroupDescribeResponse {
    let asked = request.include_authorized_operations;
    let mut described = Vec::with_capacity(request.group_ids.len());
    for group in request.group_ids {
        let found = match groups::named(&group) {
            Ok(name) => groups::told(call.door.topics().share_members(&name).await.map(Ok)),
            Err(wrong) => Err(wrong),
        };
        let mut told = DescribedGroup { group_id: group, ..DescribedGroup::default() };
        match found {
            Ok(Some(found)) => {
                fill(call, &mut told, found);
                told.authorized_operations = authorized_operations::on_group(call, &told.group_id, asked);
            }
            Ok(None) => {
                told.error_code = KafkaError::GROUP_ID_NOT_FOUND.0;
                told.error_message = Some(format!("there is no share group {:?}", told.group_id));
            }
            Err(wrong) => {
                told.error_code = wrong.error.0;
                told.error_message = Some(wrong.why);
            }
        }
        described.push(told);
    }
    ShareGroupDescribeResponse { groups: described, ..ShareGroupDescribeResponse::default() }
}

fn fill(call: &Call, told: &mut DescribedGroup, found: ShareGroupDescription) {
    told.group_state = state(found.members.len()).to_owned();
    told.group_epoch = found.epoch.0 as i32;
    told.assignment_epoch = told.group_epoch;
    told.assignor_name = "simple".to_owned();
    let member = |one: ShareMemberDescription| Member {
        member_id: one.id.to_string(),
        rack_id: one.rack.map(Into::into),
        member_epoch: one.epoch.0 as i32,
        client_id: one.origin.id.to_string(),
        client_host: one.origin.host.to_string(),
        subscribed_topic_names: one.topics.iter().map(ToString::to_string).collect(),
        assignment: assignment(call, &one.assignment),
    };
    told.members = found.members.into_iter().map(member).collect();
}

/// A share group's state, by how many members it has.
pub fn state(members: usize) -> &'static str {
    if members == 0 { "Empty" } else { "Stable" }
}

fn assignment(call: &Call, partitions: &[TopicPartition]) -> Assignment {
    let by_topic = groups::by_topic(partitions).into_iter();
    let topic_partitions = by_topic.map(|(name, partitions)| TopicPartitions {
        topic_id: call.door.topics().topic(name.as_str()).map_or(Uuid::ZERO, |topic| topic_ids::of(&topic)),
        topic_name: name.to_string(),
        partitions,
    });
    Assignment { topic_partitions: topic_partitions.collect() }
}
