use kafka_wire::messages::consumer_group_describe::{
    Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup, Member,
    TopicPartitions,
};

use super::{Call, groups};
use crate::kafka::authorized_operations;
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::{GroupDescription, GroupKind, MemberDescription, MemberKind, TopicPartition};

pub async fn answer(call: &Call, request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let asked = request.include_authorized_operations;
    let mut described = Vec::with_capacity(request.group_ids.len());
    for group in request.group_ids {
        let found = match groups::named(&group) {
            Ok(name) => groups::told(call.door.topics().group_members(&name).await),
            Err(wrong) => Err(wrong),
        };
        let mut told = DescribedGroup { group_id: group, ..DescribedGroup::default() };
        match found {
            Ok(found) if found.listing.kind == GroupKind::Consumer => {
                fill(call, &mut told, found);
                told.authorized_operations = authorized_operations::on_group(call, &told.group_id, asked);
            }
            Ok(_) => {
                told.error_code = KafkaError::GROUP_ID_NOT_FOUND.0;
                told.error_message = Some(format!("Group {} is not a consumer group.", told.group_id));
            }
            Err(wrong) => {
                told.error_code = wrong.error.0;
                told.error_message = Some(wrong.why);
            }
        }
        described.push(told);
    }
    ConsumerGroupDescribeResponse { groups: described, ..ConsumerGroupDescribeResponse::default() }
}

fn fill(call: &Call, told: &mut DescribedGroup, found: GroupDescription) {
    told.group_state = found.listing.state.name().to_owned();
    told.group_epoch = found.generation.0 as i32;
    told.assignment_epoch = told.group_epoch;
    told.assignor_name = found.protocol.into();
    let member = |one: MemberDescription| Member {
        member_id: one.id.to_string(),
        instance_id: one.instance.map(|name| name.to_string()),
        rack_id: one.rack.map(Into::into),
        member_epoch: one.epoch.0 as i32,
        client_id: one.origin.id.to_string(),
        client_host: one.origin.host.to_string(),
        subscribed_topic_names: one.topics.iter().map(ToString::to_string).collect(),
        subscribed_topic_regex: one.pattern.map(Into::into),
        assignment: assignment(call, &one.assignment),
        target_assignment: assignment(call, &one.target),
        member_type: match one.kind {
            MemberKind::Classic => 0,
            MemberKind::Consumer | MemberKind::Attendant => 1,
        },
    };
    told.members = found.members.into_iter().map(member).collect();
}

fn assignment(call: &Call, partitions: &[TopicPartition]) -> Assignment {
    let by_topic = groups::by_topic(partitions).into_iter();
    let topic_partitions = by_topic.map(|(name, partitions)| TopicPartitions {
        topic_id: groups::topic_id(call.door.topics(), &name),
        topic_name: name.to_string(),
        partitions,
    });
    Assignment { topic_partitions: topic_partitions.collect() }
}
