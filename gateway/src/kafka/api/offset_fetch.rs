use kafka_wire::Uuid;
use kafka_wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::{Call, groups};
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::{Committed, TopicPartition};

/// From this version on several groups are asked about at once.
const MANY_FROM: i16 = 8;
/// From this version on topics are named by their ids.
const IDS_FROM: i16 = 10;

pub async fn answer(call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if call.version >= MANY_FROM {
        let mut found = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            found.push(of_group(call, group, request.require_stable).await);
        }
        return OffsetFetchResponse { groups: found, ..OffsetFetchResponse::default() };
    }
    let topics = request.topics.map(|topics| {
        let topic =
            |topic: kafka_wire::messages::offset_fetch::OffsetFetchRequestTopic| OffsetFetchRequestTopics {
                name: topic.name,
                topic_id: Uuid::ZERO,
                partition_indexes: topic.partition_indexes,
            };
        topics.into_iter().map(topic).collect()
    });
    let group =
        OffsetFetchRequestGroup { group_id: request.group_id, topics, ..OffsetFetchRequestGroup::default() };
    let found = of_group(call, group, request.require_stable).await;
    let partition = |one: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: one.partition_index,
        committed_offset: one.committed_offset,
        committed_leader_epoch: one.committed_leader_epoch,
        metadata: one.metadata,
        error_code: one.error_code,
    };
    let topics = found.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: found.error_code,
        ..OffsetFetchResponse::default()
    }
}

async fn of_group(call: &Call, asked: OffsetFetchRequestGroup, stable: bool) -> OffsetFetchResponseGroup {
    let mut response =
        OffsetFetchResponseGroup { group_id: asked.group_id, ..OffsetFetchResponseGroup::default() };
    let found = match groups::name(&response.group_id) {
        Ok(group) => match asked.topics {
            None => everything(call, &group, stable).await,
            Some(topics) => these(call, &group, topics, stable).await,
        },
        Err(error) => Err(error),
    };
    match found {
        Ok(topics) => response.topics = topics,
        Err(error) => response.error_code = error.0,
    }
    response
}

type Topics = Result<Vec<OffsetFetchResponseTopics>, KafkaError>;

async fn everything(call: &Call, group: &message::GroupName, stable: bool) -> Topics {
    let found = look(call, group, None, stable).await?;
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for one in found {
        let name = one.at.topic.as_str();
        if topics.last().is_none_or(|last| last.name != name) {
            let topic_id = groups::topic_id(call.door.topics(), &one.at.topic);
            topics.push(OffsetFetchResponseTopics {
                name: name.to_owned(),
                topic_id,
                partitions: Vec::new(),
            });
        }
        if let Some(last) = topics.last_mut() {
            last.partitions.push(told(one.at.partition as i32, Some(&one)));
        }
    }
    Ok(topics)
}

async fn these(
    call: &Call,
    group: &message::GroupName,
    asked: Vec<OffsetFetchRequestTopics>,
    stable: bool,
) -> Topics {
    let mut wanted = Vec::new();
    let mut topics = Vec::with_capacity(asked.len());
    for topic in asked {
        let name = match call.version >= IDS_FROM {
            true => {
                groups::topic_name(call.door.topics(), topic.topic_id).ok_or(KafkaError::UNKNOWN_TOPIC_ID)
            }
            false => Ok(topic.name.clone()),
        };
        let places: Vec<(i32, Result<usize, KafkaError>)> = topic
            .partition_indexes
            .iter()
            .map(|index| {
                let place =
                    name.as_ref().map_err(|error| *error).and_then(|name| groups::partition(name, *index));
                (
                    *index,
                    place.map(|place| {
                        wanted.push(place);
                        wanted.len() - 1
                    }),
                )
            })
            .collect();
        topics.push((topic.name, topic.topic_id, places));
    }
    let found = look(call, group, Some(wanted), stable).await?;
    let topics = topics.into_iter().map(|(name, topic_id, places)| {
        let partitions = places.into_iter().map(|(index, place)| match place {
            Ok(at) => told(index, found.get(at)),
            // A topic that does not exist has no offset; an id that is unknown is told.
            Err(KafkaError::UNKNOWN_TOPIC_OR_PARTITION) => told(index, None),
            Err(error) => OffsetFetchResponsePartitions { error_code: error.0, ..told(index, None) },
        });
        OffsetFetchResponseTopics { name, topic_id, partitions: partitions.collect() }
    });
    Ok(topics.collect())
}

async fn look(
    call: &Call,
    group: &message::GroupName,
    wanted: Option<Vec<TopicPartition>>,
    stable: bool,
) -> Result<Vec<Found>, KafkaError> {
    let topics = call.door.topics();
    let told = |refusal: crate::refusal::Refusal| groups::coordinator(&refusal);
    let found = topics.group_committed(group, wanted).await.map_err(told)?;
    let places: Vec<TopicPartition> = found.iter().map(|(at, _)| at.clone()).collect();
    let pending = match stable {
        true => topics.pending_offsets(group, places).await.map_err(told)?,
        false => vec![false; places.len()],
    };
    let found = found.into_iter().zip(pending);
    Ok(found.map(|((at, committed), pending)| Found { at, committed, pending }).collect())
}

/// What a group committed in one partition, and whether an open transaction is to move it.
struct Found {
    at: TopicPartition,
    committed: Option<Committed>,
    pending: bool,
}

fn told(partition_index: i32, found: Option<&Found>) -> OffsetFetchResponsePartitions {
    let mut partition = OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        ..OffsetFetchResponsePartitions::default()
    };
    if found.is_some_and(|found| found.pending) {
        partition.error_code = KafkaError::UNSTABLE_OFFSET_COMMIT.0;
    } else if let Some(committed) = found.and_then(|found| found.committed.as_ref()) {
        partition.committed_offset = committed.offset.0;
        partition.committed_leader_epoch = committed.leader_epoch.map_or(-1, |epoch| epoch as i32);
        partition.metadata = Some(committed.metadata.to_string());
    }
    partition
}
