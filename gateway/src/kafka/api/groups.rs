//! What the APIs about groups share.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_wire::Uuid;
use message::{GroupName, TopicName};

use super::Call;
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::topic_ids;
use crate::refusal::Refusal;
use crate::topics::Topics;
use crate::topics::group_wire::{
    ClientOrigin, Generation, GroupError, InstanceId, MemberId, TopicPartition, WireCommitter,
};

/// A group's name as a request gives it.
pub fn name(group: &str) -> Result<GroupName, KafkaError> {
    GroupName::new(group).map_err(|_| KafkaError::INVALID_GROUP_ID)
}

/// The same, with words for an answer that has room for them.
pub fn named(group: &str) -> Result<GroupName, Wrong> {
    GroupName::new(group).map_err(|error| Wrong::new(KafkaError::INVALID_GROUP_ID, error.to_string()))
}

/// Where the member that asks comes from.
pub fn origin(call: &Call) -> ClientOrigin {
    // Kafka shows a Java client's address so, and tools expect it.
    let host = format!("/{}", call.client.host);
    ClientOrigin { id: call.client_id.as_deref().unwrap_or_default().into(), host: Arc::from(host) }
}

/// A generation as a request gives it; a negative one is none.
pub fn generation(number: i32) -> Option<Generation> {
    u32::try_from(number).ok().map(Generation)
}

/// A static name as a request gives it.
pub fn instance(name: Option<String>) -> Option<InstanceId> {
    name.map(|name| InstanceId::new(&name))
}

/// On whose behalf a request commits.
pub fn committer(generation: i32, member: &str, name: Option<String>) -> Result<WireCommitter, KafkaError> {
    match self::generation(generation) {
        None if member.is_empty() && name.is_none() => Ok(WireCommitter::Nobody),
        None => Err(KafkaError::ILLEGAL_GENERATION),
        Some(generation) => {
            Ok(WireCommitter::Member { id: MemberId::new(member), generation, instance: instance(name) })
        }
    }
}

/// What the outer and the inner answer of a group come to.
pub fn flat<T>(answer: Result<Result<T, GroupError>, Refusal>) -> Result<T, KafkaError> {
    told(answer).map_err(|wrong| wrong.error)
}

/// The same, with words.
pub fn told<T>(answer: Result<Result<T, GroupError>, Refusal>) -> Result<T, Wrong> {
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Wrong::new(KafkaError::from(error.code()), error.to_string())),
        Err(refusal) => Err(Wrong::new(coordinator(&refusal), refusal.detail)),
    }
}

/// A server that cannot answer for a group now is looked for again.
pub fn coordinator(refusal: &Refusal) -> KafkaError {
    match refusal.code {
        message::ErrorCode::ShuttingDown | message::ErrorCode::StorageFailed => {
            KafkaError::COORDINATOR_NOT_AVAILABLE
        }
        _ => KafkaError::from(refusal),
    }
}

/// A partition as the engine names it.
pub fn partition(topic: &str, partition: i32) -> Result<TopicPartition, KafkaError> {
    let unknown = KafkaError::UNKNOWN_TOPIC_OR_PARTITION;
    let topic = TopicName::new(topic).map_err(|_| unknown)?;
    Ok(TopicPartition { topic, partition: u32::try_from(partition).map_err(|_| unknown)? })
}

/// The name behind a topic's id.
pub fn topic_name(topics: &Topics, id: Uuid) -> Option<String> {
    let log = topic_ids::log(id).and_then(|id| topics.log_by_id(id).ok())?;
    Some(log.name().to_string())
}

/// The id of a topic; of one that is gone, none.
pub fn topic_id(topics: &Topics, name: &TopicName) -> Uuid {
    topics.log(name.as_str()).map_or(Uuid::ZERO, |log| topic_ids::of_log(log.id()))
}

/// Partitions gathered by topic.
pub fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<TopicName, Vec<i32>> {
    let mut topics: BTreeMap<TopicName, Vec<i32>> = BTreeMap::new();
    for one in partitions {
        topics.entry(one.topic.clone()).or_default().push(one.partition as i32);
    }
    topics
}
