//! What belongs to users, permissions and quotas, of which there are none yet: each is answered as Kafka answers when
//! nothing of the kind is configured.

use kafka_wire::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ResponseEntityData, ResponseEntryData,
};
use kafka_wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
};
use kafka_wire::messages::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};
use kafka_wire::messages::delete_acls::{DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse};
use kafka_wire::messages::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
use kafka_wire::messages::describe_client_quotas::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};
use kafka_wire::messages::describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
};

use super::Call;
use crate::kafka::error::KafkaError;

const NO_AUTHORIZER: &str = "No Authorizer is configured.";
const NO_QUOTAS: &str = "this broker has no quotas yet";
const NO_USERS: &str = "this broker has no users yet";

pub async fn describe_acls(_: &Call, _: DescribeAclsRequest) -> DescribeAclsResponse {
    DescribeAclsResponse {
        error_code: KafkaError::SECURITY_DISABLED.0,
        error_message: Some(NO_AUTHORIZER.into()),
        ..DescribeAclsResponse::default()
    }
}

pub async fn create_acls(_: &Call, request: CreateAclsRequest) -> CreateAclsResponse {
    let refused = AclCreationResult {
        error_code: KafkaError::SECURITY_DISABLED.0,
        error_message: Some(NO_AUTHORIZER.into()),
    };
    CreateAclsResponse { results: vec![refused; request.creations.len()], ..CreateAclsResponse::default() }
}

pub async fn delete_acls(_: &Call, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let refused = DeleteAclsFilterResult {
        error_code: KafkaError::SECURITY_DISABLED.0,
        error_message: Some(NO_AUTHORIZER.into()),
        ..DeleteAclsFilterResult::default()
    };
    DeleteAclsResponse {
        filter_results: vec![refused; request.filters.len()],
        ..DeleteAclsResponse::default()
    }
}

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

pub async fn describe_scram(
    _: &Call,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let results =
        request.users.unwrap_or_default().into_iter().map(|user| DescribeUserScramCredentialsResult {
            error_code: KafkaError::RESOURCE_NOT_FOUND.0,
            error_message: Some(format!("there is no user {:?}", user.name)),
            user: user.name,
            ..DescribeUserScramCredentialsResult::default()
        });
    DescribeUserScramCredentialsResponse { results: results.collect(), ..Default::default() }
}

pub async fn alter_scram(
    _: &Call,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let deleted =
        request.deletions.into_iter().map(|deletion| (deletion.name, KafkaError::RESOURCE_NOT_FOUND));
    let made = request.upsertions.into_iter().map(|upsertion| (upsertion.name, KafkaError::INVALID_REQUEST));
    let results = deleted.chain(made).map(|(user, error)| AlterUserScramCredentialsResult {
        user,
        error_code: error.0,
        error_message: Some(NO_USERS.into()),
    });
    AlterUserScramCredentialsResponse { results: results.collect(), ..Default::default() }
}
