use kafka_wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
};

use super::{Call, groups, transactions};
use crate::kafka::error::KafkaError;

/// From this version on several transactions are named at once; only brokers send that.
const MANY_FROM: i16 = 4;

pub async fn answer(call: &Call, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    if call.version < MANY_FROM {
        let transaction = AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            verify_only: false,
            topics: request.v3_and_below_topics,
        };
        let results_by_topic_v3_and_below = add(call, &transaction).await;
        return AddPartitionsToTxnResponse { results_by_topic_v3_and_below, ..Default::default() };
    }
    let mut results = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        let topic_results = match transaction.verify_only {
            false => add(call, &transaction).await,
            // Every batch is checked against the coordinator where it is stored; nothing needs to be asked before.
            true => told(&transaction.topics, |_| KafkaError::INVALID_REQUEST),
        };
        results
            .push(AddPartitionsToTxnResult { transactional_id: transaction.transactional_id, topic_results });
    }
    AddPartitionsToTxnResponse { results_by_transaction: results, ..Default::default() }
}

async fn add(call: &Call, asked: &AddPartitionsToTxnTransaction) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = call.door.topics();
    let known = |name: &str, partition: i32| {
        let found = groups::partition(name, partition).ok()?;
        let log = topics.log(name).ok()?;
        (found.partition < log.partitions()).then_some(found)
    };
    let mut partitions = Vec::new();
    let mut unknown = false;
    for topic in &asked.topics {
        for partition in &topic.partitions {
            match known(&topic.name, *partition) {
                Some(partition) => partitions.push(partition),
                None => unknown = true,
            }
        }
    }
    if unknown {
        return told(&asked.topics, |(name, partition)| match known(name, partition) {
            Some(_) => KafkaError::OPERATION_NOT_ATTEMPTED,
            None => KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
        });
    }
    let error = match transactions::id(&asked.transactional_id) {
        Ok(id) => {
            let producer = transactions::producer(asked.producer_id, asked.producer_epoch);
            let added = topics.add_partitions_to_transaction(id, producer, partitions).await;
            added.err().map_or(KafkaError::NONE, |refusal| transactions::coordinator(&refusal))
        }
        Err(error) => error,
    };
    told(&asked.topics, |_| transactions::fenced(error, 2, call.version))
}

fn told(
    topics: &[AddPartitionsToTxnTopic],
    error: impl Fn((&str, i32)) -> KafkaError,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topic = |topic: &AddPartitionsToTxnTopic| AddPartitionsToTxnTopicResult {
        results_by_partition: topic
            .partitions
            .iter()
            .map(|partition| AddPartitionsToTxnPartitionResult {
                partition_index: *partition,
                partition_error_code: error((&topic.name, *partition)).0,
            })
            .collect(),
        name: topic.name.clone(),
    };
    topics.iter().map(topic).collect()
}
