use kafka_wire::Uuid;
use kafka_wire::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, ResponseCursor,
};

use super::Call;
use crate::kafka::authorized_operations;
use crate::kafka::broker::LEADER_EPOCH;
use crate::kafka::error::KafkaError;
use crate::kafka::topic_ids;
use crate::topics::Topic;

/// Most partitions in one answer, whatever is asked.
const PARTITIONS_MAX: u32 = 2000;

pub async fn answer(call: &Call, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let mut names: Vec<String> = request.topics.into_iter().map(|topic| topic.name).collect();
    if names.is_empty() {
        names = call.door.all_topics().iter().map(|topic| topic.name().to_string()).collect();
    }
    names.sort();
    names.dedup();
    let (from, mut start) = match request.cursor {
        Some(cursor) => (cursor.topic_name, u32::try_from(cursor.partition_index).unwrap_or(0)),
        None => (String::new(), 0),
    };
    let mut left = u32::try_from(request.response_partition_limit).unwrap_or(1).clamp(1, PARTITIONS_MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.into_iter().filter(|name| *name >= from) {
        let start = if name == from { std::mem::take(&mut start) } else { 0 };
        if left == 0 {
            response.next_cursor = Some(ResponseCursor { topic_name: name, partition_index: 0 });
            break;
        }
        let (topic, rest) = describe(call, &name, start, &mut left);
        response.topics.push(topic);
        if let Some(next) = rest {
            response.next_cursor = Some(ResponseCursor { topic_name: name, partition_index: next as i32 });
            break;
        }
    }
    response
}

/// A topic's partitions from `start` on, as far as `left` goes, and where the rest begins.
fn describe(
    call: &Call,
    name: &str,
    start: u32,
    left: &mut u32,
) -> (DescribeTopicPartitionsResponseTopic, Option<u32>) {
    let mut topic =
        DescribeTopicPartitionsResponseTopic { name: Some(name.to_owned()), ..Default::default() };
    let found = call.door.topics().topic(name);
    topic.topic_id = found.as_ref().map_or(Uuid::ZERO, topic_ids::of);
    let count = match found {
        Ok(Topic::Log(log)) => log.partitions(),
        Ok(Topic::Queue(_)) => 1,
        Err(refusal) => {
            topic.error_code = KafkaError::from(&refusal).0;
            return (topic, None);
        }
    };
    topic.topic_authorized_operations = authorized_operations::on_topic(call, name, true);
    let end = count.min(start.saturating_add(*left));
    *left -= end.saturating_sub(start);
    let partition = |number: u32| DescribeTopicPartitionsResponsePartition {
        partition_index: number as i32,
        leader_id: call.door.node_id(),
        leader_epoch: LEADER_EPOCH,
        replica_nodes: vec![call.door.node_id()],
        isr_nodes: vec![call.door.node_id()],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..DescribeTopicPartitionsResponsePartition::default()
    };
    topic.partitions = (start..end).map(partition).collect();
    (topic, (end < count).then_some(end))
}
