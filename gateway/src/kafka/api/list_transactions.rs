use kafka_wire::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse, TransactionState,
};

use super::{Call, transactions};
use crate::auth::rule_index;
use crate::kafka::error::KafkaError;
use crate::topics::TransactionDescription;

/// The states that Kafka has, whether or not they occur here.
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

pub async fn answer(call: &Call, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let unknown_state_filters =
        request.state_filters.iter().filter(|state| !STATES.contains(&state.as_str())).cloned().collect();
    // All of an id has to fit.
    let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
    let pattern = match pattern.map(|pattern| rule_index::pattern(&format!("^(?:{pattern})$"))).transpose() {
        Ok(pattern) => pattern,
        Err(_) => {
            let error_code = KafkaError::INVALID_REGULAR_EXPRESSION.0;
            return ListTransactionsResponse { error_code, ..ListTransactionsResponse::default() };
        }
    };
    let found = match call.door.topics().transactional_ids().await {
        Ok(found) => found,
        Err(refusal) => {
            let error = transactions::coordinator(&refusal);
            return ListTransactionsResponse { error_code: error.0, ..ListTransactionsResponse::default() };
        }
    };
    let now = call.door.topics().now();
    let wanted = |one: &TransactionDescription| {
        let state = one.state.as_str();
        let among =
            request.state_filters.is_empty() || request.state_filters.iter().any(|wanted| wanted == state);
        let producer = one.producer.id.0;
        let by = request.producer_id_filters.is_empty() || request.producer_id_filters.contains(&producer);
        let long = request.duration_filter < 0
            || one.started.is_some_and(|started| now.0 - started.0 >= request.duration_filter);
        let fits = pattern.as_ref().is_none_or(|pattern| pattern.is_match(one.id.as_str()));
        among && by && long && fits
    };
    let told = |one: TransactionDescription| TransactionState {
        transactional_id: one.id.to_string(),
        producer_id: one.producer.id.0,
        transaction_state: one.state.as_str().to_owned(),
    };
    let transaction_states = found.into_iter().filter(wanted).map(told).collect();
    ListTransactionsResponse { unknown_state_filters, transaction_states, ..Default::default() }
}
