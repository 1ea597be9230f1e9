use kafka_wire::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TopicData, TransactionState,
};

use super::{Call, groups, transactions};
use crate::kafka::error::KafkaError;
use crate::topics::TransactionDescription;

pub async fn answer(call: &Call, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let mut transaction_states = Vec::with_capacity(request.transactional_ids.len());
    for transactional_id in request.transactional_ids {
        let found = match transactions::id(&transactional_id) {
            Ok(id) => {
                call.door.topics().transactional_id(id).await.map_err(|refusal| KafkaError::from(&refusal))
            }
            Err(error) => Err(error),
        };
        transaction_states.push(match found {
            Ok(found) => told(found),
            Err(error) => {
                TransactionState { error_code: error.0, transactional_id, ..TransactionState::default() }
            }
        });
    }
    DescribeTransactionsResponse { transaction_states, ..DescribeTransactionsResponse::default() }
}

fn told(found: TransactionDescription) -> TransactionState {
    let topics = groups::by_topic(&found.partitions).into_iter();
    TransactionState {
        transactional_id: found.id.to_string(),
        transaction_state: found.state.as_str().to_owned(),
        transaction_timeout_ms: i32::try_from(found.timeout_ms).unwrap_or(i32::MAX),
        transaction_start_time_ms: found.started.map_or(-1, |at| at.0),
        producer_id: found.producer.id.0,
        producer_epoch: found.producer.epoch.0,
        topics: topics
            .map(|(topic, partitions)| TopicData { topic: topic.to_string(), partitions })
            .collect(),
        ..TransactionState::default()
    }
}
