use kafka_wire::Uuid;
use kafka_wire::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};

use super::{Call, create_topics};
use crate::kafka::authorized_operations;
use crate::kafka::broker::LEADER_EPOCH;
use crate::kafka::error::KafkaError;
use crate::kafka::topic_ids;
use crate::topics::Topic;

pub async fn answer(call: &Call, request: MetadataRequest) -> MetadataResponse {
    let endpoint = &call.client.endpoint;
    let broker = MetadataResponseBroker {
        node_id: call.door.node_id(),
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: None,
    };
    // In version 0 an empty list asks for all, later null does.
    let asked = request.topics.filter(|topics| call.version > 0 || !topics.is_empty());
    let create = call.version < 4 || request.allow_auto_topic_creation;
    let mut topics: Vec<MetadataResponseTopic> = match asked {
        None => call.door.all_topics().iter().map(|topic| described(call, topic)).collect(),
        Some(asked) => {
            let mut topics = Vec::with_capacity(asked.len());
            for topic in asked {
                topics.push(one(call, topic, create).await);
            }
            topics
        }
    };
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code == KafkaError::NONE.0) {
            let name = topic.name.as_deref().unwrap_or_default();
            topic.topic_authorized_operations = authorized_operations::on_topic(call, name, true);
        }
    }
    MetadataResponse {
        cluster_authorized_operations: authorized_operations::on_cluster(
            call,
            request.include_cluster_authorized_operations,
        ),
        brokers: vec![broker],
        cluster_id: Some(call.door.config().cluster_id.clone()),
        controller_id: call.door.node_id(),
        topics,
        ..MetadataResponse::default()
    }
}

async fn one(call: &Call, asked: MetadataRequestTopic, create: bool) -> MetadataResponseTopic {
    let topics = call.door.topics();
    let failed = |error: KafkaError, name: Option<String>, topic_id| MetadataResponseTopic {
        error_code: error.0,
        name,
        topic_id,
        ..MetadataResponseTopic::default()
    };
    if asked.topic_id != Uuid::ZERO {
        let found = topic_ids::topic(topics, asked.topic_id);
        // The name is null only where that is allowed.
        let no_name = (call.version < 12).then(String::new);
        return match found {
            Some(topic) => described(call, &topic),
            None => failed(KafkaError::UNKNOWN_TOPIC_ID, no_name, asked.topic_id),
        };
    }
    let name = asked.name.unwrap_or_default();
    if let Ok(topic) = topics.topic(&name) {
        return described(call, &topic);
    }
    let error = if !create_topics::is_valid_name(&name) {
        KafkaError::INVALID_TOPIC_EXCEPTION
    } else if create && call.door.config().auto_create_topics {
        match create_topics::create_automatically(call, &name).await {
            Ok(topic) => return described(call, &topic),
            Err(error) => error,
        }
    } else {
        KafkaError::UNKNOWN_TOPIC_OR_PARTITION
    };
    failed(error, Some(name), Uuid::ZERO)
}

fn described(call: &Call, topic: &Topic) -> MetadataResponseTopic {
    let partitions = match topic {
        Topic::Log(log) => log.partitions(),
        Topic::Queue(_) => 1,
    };
    let topic_id = topic_ids::of(topic);
    let partition = |number: u32| MetadataResponsePartition {
        partition_index: number as i32,
        leader_id: call.door.node_id(),
        leader_epoch: LEADER_EPOCH,
        replica_nodes: vec![call.door.node_id()],
        isr_nodes: vec![call.door.node_id()],
        ..MetadataResponsePartition::default()
    };
    MetadataResponseTopic {
        name: Some(topic.name().to_string()),
        topic_id,
        partitions: (0..partitions).map(partition).collect(),
        ..MetadataResponseTopic::default()
    }
}
