use kafka_wire::messages::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};

use super::Call;
use crate::kafka::acls::Acl;
use crate::kafka::error::{KafkaError, Wrong};

pub async fn answer(call: &Call, request: CreateAclsRequest) -> CreateAclsResponse {
    let mut results = Vec::with_capacity(request.creations.len());
    for creation in request.creations {
        let acl = Acl {
            resource_type: creation.resource_type,
            resource_name: creation.resource_name,
            pattern_type: creation.resource_pattern_type,
            principal: creation.principal,
            host: creation.host,
            operation: creation.operation,
            permission_type: creation.permission_type,
        };
        let made = match acl.rule() {
            Ok(rule) => call.door.topics().add_rules(vec![rule]).await.map_err(Wrong::from),
            Err(why) => Err(Wrong::new(KafkaError::INVALID_REQUEST, why)),
        };
        results.push(match made {
            Ok(()) => AclCreationResult::default(),
            Err(Wrong { error, why }) => AclCreationResult { error_code: error.0, error_message: Some(why) },
        });
    }
    CreateAclsResponse { results, ..CreateAclsResponse::default() }
}
