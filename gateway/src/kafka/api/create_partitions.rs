use std::collections::HashSet;

use kafka_wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};

use super::{Call, repeated};
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::Mode;

pub async fn answer(call: &Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    let twice = repeated(request.topics.iter().map(|topic| topic.name.clone()));
    let mut told = HashSet::new();
    for topic in request.topics {
        let is_twice = twice.contains(&topic.name);
        if is_twice && !told.insert(topic.name.clone()) {
            continue;
        }
        let grown = match is_twice {
            true => Some(Wrong::named_twice("topic")),
            false => grow(call, &topic, request.validate_only).await.err(),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name,
            error_code: grown.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: grown.map(|wrong| wrong.why),
        });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

async fn grow(call: &Call, asked: &CreatePartitionsTopic, only_check: bool) -> Result<(), Wrong> {
    let log = call.door.topics().log(&asked.name).map_err(Wrong::from)?;
    let have = log.partitions();
    let count = u32::try_from(asked.count).ok().filter(|count| *count > have);
    let Some(count) = count else {
        let why = format!("topic {} has {have} partitions; {} is not more", asked.name, asked.count);
        return Err(Wrong::new(KafkaError::INVALID_PARTITIONS, why));
    };
    let node_id = call.door.node_id();
    if let Some(assignments) = &asked.assignments {
        let right = assignments.len() == (count - have) as usize
            && assignments.iter().all(|partition| partition.broker_ids == [node_id]);
        if !right {
            let why = format!("each new partition must be assigned to broker {node_id}, the only one");
            return Err(Wrong::new(KafkaError::INVALID_REPLICA_ASSIGNMENT, why));
        }
    }
    let mode = if only_check { Mode::Check } else { Mode::Make };
    call.door.topics().add_partitions(&asked.name, count, mode).await.map_err(Wrong::from)
}
