//! What the APIs about groups share.

use std::collections::BTreeMap;

use message::{ErrorCode, TopicName};

use crate::kafka::error::KafkaError;
use crate::refusal::Refusal;
use crate::topics::EngineTopicPartition as TopicPartition;

/// A server that cannot answer for a group now is looked for again.
pub fn coordinator(refusal: &Refusal) -> KafkaError {
    match refusal.code {
        ErrorCode::ShuttingDown | ErrorCode::StorageFailed => KafkaError::COORDINATOR_NOT_AVAILABLE,
        _ => KafkaError::from(refusal),
    }
}

/// A partition as the engine names it.
pub fn partition(topic: &str, partition: i32) -> Result<TopicPartition, KafkaError> {
    let unknown = KafkaError::UNKNOWN_TOPIC_OR_PARTITION;
    let topic = TopicName::new(topic).map_err(|_| unknown)?;
    Ok(TopicPartition { topic, partition: u32::try_from(partition).map_err(|_| unknown)? })
}

/// Partitions gathered by topic.
pub fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<TopicName, Vec<i32>> {
    let mut topics: BTreeMap<TopicName, Vec<i32>> = BTreeMap::new();
    for one in partitions {
        topics.entry(one.topic.clone()).or_default().push(one.partition as i32);
    }
    topics
}
