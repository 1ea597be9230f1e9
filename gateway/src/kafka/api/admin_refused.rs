//! Quotas, of which there are none yet: answered as Kafka answers when none are configured.

use kafka_wire::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ResponseEntityData, ResponseEntryData,
};
use kafka_wire::messages::describe_client_quotas::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};

use super::Call;
use crate::kafka::error::KafkaError;

const NO_QUOTAS: &str = "this broker has no quotas yet";

pub async fn describe_client_quotas(
    _: &Call,
    _: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    DescribeClientQuotasResponse::default()
}

pub async fn alter_client_quotas(_: &Call, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let entries = request.entries.into_iter().map(|entry| ResponseEntryData {
        error_code: KafkaError::INVALID_REQUEST.0,
        error_message: Some(NO_QUOTAS.into()),
        entity: entry
            .entity
            .into_iter()
            .map(|entity| ResponseEntityData {
                entity_type: entity.entity_type,
                entity_name: entity.entity_name,
            })
            .collect(),
    });
    AlterClientQuotasResponse { entries: entries.collect(), ..AlterClientQuotasResponse::default() }
}
