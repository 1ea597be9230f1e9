use std::collections::BTreeMap;

use kafka_wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use message::{ErrorCode, TopicName};

use super::{Call, configs, repeated};
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::topic_ids;
use crate::refusal::Refusal;
use crate::topics::{Created, LogSettings, Topic, TopicSpec};

/// Longest name that Kafka allows a topic.
const NAME_MAX: usize = 249;
/// Most partitions of one log.
const PARTITIONS_MAX: i32 = 10_000;

pub async fn answer(call: &Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let twice = repeated(request.topics.iter().map(|topic| topic.name.clone()));
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics.into_iter().filter(|topic| !twice.contains(&topic.name)) {
        let name = topic.name.clone();
        topics.push(match create(call, topic, request.validate_only).await {
            Ok(made) => made,
            Err(wrong) => failed(name, wrong),
        });
    }
    topics.extend(twice.into_iter().map(|name| failed(name, Wrong::named_twice("topic"))));
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

/// What Kafka allows as a topic's name.
pub fn is_valid_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= NAME_MAX && name != "." && name != ".." && name.bytes().all(allowed)
}

/// Makes the log that a client asked for as if it were there.
pub async fn create_automatically(call: &Call, name: &str) -> Result<Topic, KafkaError> {
    let settings =
        LogSettings { partitions: call.door.config().default_partitions, config: BTreeMap::default() };
    let name = TopicName::new(name).map_err(|_| KafkaError::INVALID_TOPIC_EXCEPTION)?;
    let topics = call.door.topics();
    match topics.create(&name, TopicSpec::Log(settings)).await {
        Ok(_) => topics.topic(name.as_str()).map_err(|refusal| KafkaError::from(&refusal)),
        // Somebody else made it in the meantime, in whatever way.
        Err(refusal) => topics.topic(name.as_str()).map_err(|_| not_made(refusal).error),
    }
}

/// Waiting makes no room for more topics, so a quota on those is told as a policy: clients try again after THROTTLING_QUOTA_EXCEEDED.
fn not_made(refusal: Refusal) -> Wrong {
    match refusal.code {
        ErrorCode::QuotaExceeded => Wrong::new(KafkaError::POLICY_VIOLATION, refusal.detail),
        _ => Wrong::from(refusal),
    }
}

fn failed(name: String, wrong: Wrong) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: wrong.error.0,
        error_message: Some(wrong.why),
        configs: None,
        ..CreatableTopicResult::default()
    }
}

async fn create(call: &Call, asked: CreatableTopic, only_check: bool) -> Result<CreatableTopicResult, Wrong> {
    let topics = call.door.topics();
    if !is_valid_name(&asked.name) {
        let why = "a topic's name has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'";
        return Err(Wrong::new(KafkaError::INVALID_TOPIC_EXCEPTION, why));
    }
    let name = TopicName::new(&asked.name).map_err(|error| Wrong::from(Refusal::from(error)))?;
    let exists = || Wrong::new(KafkaError::TOPIC_ALREADY_EXISTS, format!("topic {name} exists already"));
    if topics.topic(name.as_str()).is_ok() {
        return Err(exists());
    }
    let partitions = partitions(&asked, call.door.config().default_partitions, call.door.node_id())?;
    let mut config = BTreeMap::new();
    for setting in asked.configs {
        let Some(value) = setting.value else {
            let why = format!("{} has no value", setting.name);
            return Err(Wrong::new(KafkaError::INVALID_CONFIG, why));
        };
        config.insert(setting.name, value);
    }
    let settings = LogSettings { partitions, config };
    let mut result = CreatableTopicResult {
        name: asked.name,
        num_partitions: partitions as i32,
        replication_factor: 1,
        ..CreatableTopicResult::default()
    };
    if only_check {
        result.configs = Some(told(topics.check_log_settings(&settings).map_err(Wrong::from)?));
        return Ok(result);
    }
    if topics.create(&name, TopicSpec::Log(settings)).await.map_err(not_made)? == Created::Same {
        return Err(exists());
    }
    let log = topics.log(name.as_str()).map_err(Wrong::from)?;
    result.topic_id = topic_ids::of_log(log.id());
    result.configs = Some(told(log.settings()));
    Ok(result)
}

fn told(settings: Vec<crate::topics::ConfigEntry>) -> Vec<CreatableTopicConfigs> {
    let told = |setting: crate::topics::ConfigEntry| CreatableTopicConfigs {
        config_source: configs::source(&setting),
        name: setting.name.to_owned(),
        value: Some(setting.value),
        ..CreatableTopicConfigs::default()
    };
    settings.into_iter().map(told).collect()
}

/// How many partitions, said by number or by where each replica shall be.
fn partitions(asked: &CreatableTopic, default: u32, node_id: i32) -> Result<u32, Wrong> {
    if asked.assignments.is_empty() {
        if !matches!(asked.replication_factor, -1 | 1) {
            let why = format!(
                "a replication factor of {} needs as many brokers; there is one: use 1, or -1",
                asked.replication_factor
            );
            return Err(Wrong::new(KafkaError::INVALID_REPLICATION_FACTOR, why));
        }
        return match asked.num_partitions {
            -1 => Ok(default),
            count @ 1..=PARTITIONS_MAX => Ok(count.unsigned_abs()),
            count => {
                let why = format!("{count} partitions; there must be from 1 to {PARTITIONS_MAX}");
                Err(Wrong::new(KafkaError::INVALID_PARTITIONS, why))
            }
        };
    }
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        let why =
            "an assignment says itself how many partitions and replicas there are: leave both numbers at -1";
        return Err(Wrong::new(KafkaError::INVALID_REQUEST, why));
    }
    let mut numbers: Vec<i32> = asked.assignments.iter().map(|partition| partition.partition_index).collect();
    numbers.sort_unstable();
    let counted = numbers.iter().zip(0..).all(|(number, expected)| *number == expected);
    if !counted || asked.assignments.iter().any(|partition| partition.broker_ids != [node_id]) {
        let why = format!("every partition from 0 on must be assigned to broker {node_id}, the only one");
        return Err(Wrong::new(KafkaError::INVALID_REPLICA_ASSIGNMENT, why));
    }
    Ok(numbers.len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rules() {
        for good in ["a", "A.b_c-9", "__consumer"] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }
}
