use std::collections::BTreeMap;

use kafka_wire::Uuid;
use kafka_wire::messages::describe_share_group_offsets::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic, DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use message::{GroupName, TopicName};

use super::{Call, groups};
use crate::kafka::broker::LEADER_EPOCH;
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::topic_ids;
use crate::refusal::Refusal;
use crate::topics::share::ShareProgress;

/// What stands for an offset or a lag that there is none of.
const NONE: i64 = -1;

pub async fn answer(
    call: &Call,
    request: DescribeShareGroupOffsetsRequest,
) -> DescribeShareGroupOffsetsResponse {
    let mut told = Vec::with_capacity(request.groups.len());
    for asked in request.groups {
        let group_id = asked.group_id.clone();
        told.push(match describe(call, asked).await {
            Ok(topics) => DescribeShareGroupOffsetsResponseGroup { group_id, topics, ..Default::default() },
            Err(wrong) => DescribeShareGroupOffsetsResponseGroup {
                group_id,
                error_code: wrong.error.0,
                error_message: Some(wrong.why),
                ..Default::default()
            },
        });
    }
    DescribeShareGroupOffsetsResponse { groups: told, ..DescribeShareGroupOffsetsResponse::default() }
}

async fn describe(
    call: &Call,
    asked: DescribeShareGroupOffsetsRequestGroup,
) -> Result<Vec<DescribeShareGroupOffsetsResponseTopic>, Wrong> {
    let group = groups::named(&asked.group_id)?;
    match asked.topics {
        Some(topics) => {
            let mut told = Vec::with_capacity(topics.len());
            for topic in topics {
                told.push(one(call, &group, topic).await?);
            }
            Ok(told)
        }
        None => all(call, &group).await,
    }
}

/// Of a topic that a client names. What there is no offset of is no error.
async fn one(
    call: &Call,
    group: &GroupName,
    asked: DescribeShareGroupOffsetsRequestTopic,
) -> Result<DescribeShareGroupOffsetsResponseTopic, Refusal> {
    let topics = call.door.topics();
    let topic = topics.topic(&asked.topic_name).ok();
    let mut partitions = Vec::with_capacity(asked.partitions.len());
    for partition_index in asked.partitions {
        let progress = match (&topic, u32::try_from(partition_index)) {
            (Some(topic), Ok(number)) => topics.share_progress_in(group, topic, number).await,
            _ => Ok(None),
        };
        partitions.push(match progress {
            Ok(progress) => told(partition_index, progress.as_ref()),
            Err(refusal) => DescribeShareGroupOffsetsResponsePartition {
                start_offset: NONE,
                error_code: KafkaError::from(&refusal).0,
                error_message: Some(refusal.detail),
                ..told(partition_index, None)
            },
        });
    }
    Ok(DescribeShareGroupOffsetsResponseTopic {
        topic_id: topic.as_ref().map_or(Uuid::ZERO, topic_ids::of),
        topic_name: asked.topic_name,
        partitions,
    })
}

async fn all(call: &Call, group: &GroupName) -> Result<Vec<DescribeShareGroupOffsetsResponseTopic>, Wrong> {
    let topics = call.door.topics();
    let progress = topics.share_progress(group).await?;
    let mut by_topic: BTreeMap<TopicName, Vec<ShareProgress>> = BTreeMap::new();
    for one in progress.unwrap_or_default() {
        by_topic.entry(one.partition.topic.clone()).or_default().push(one);
    }
    let of_topic =
        |(name, progress): (TopicName, Vec<ShareProgress>)| DescribeShareGroupOffsetsResponseTopic {
            topic_id: topics.topic(name.as_str()).map_or(Uuid::ZERO, |topic| topic_ids::of(&topic)),
            topic_name: name.to_string(),
            partitions: progress.iter().map(|one| told(one.partition.partition as i32, Some(one))).collect(),
        };
    Ok(by_topic.into_iter().map(of_topic).collect())
}

fn told(
    partition_index: i32,
    progress: Option<&ShareProgress>,
) -> DescribeShareGroupOffsetsResponsePartition {
    let lag = progress.and_then(|one| one.lag).and_then(|lag| i64::try_from(lag).ok());
    DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: progress.and_then(|one| one.start).unwrap_or(NONE),
        leader_epoch: LEADER_EPOCH,
        lag: lag.unwrap_or(NONE),
        ..DescribeShareGroupOffsetsResponsePartition::default()
    }
}
