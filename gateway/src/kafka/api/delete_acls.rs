use kafka_wire::messages::delete_acls::{
    DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest, DeleteAclsResponse,
};

use super::Call;
use crate::kafka::acls::{Acl, AclFilter};
use crate::kafka::error::Wrong;
use crate::refusal::Refusal;

pub async fn answer(call: &Call, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let mut filter_results = Vec::with_capacity(request.filters.len());
    for filter in request.filters {
        filter_results.push(match delete(call, filter).await {
            Ok(deleted) => DeleteAclsFilterResult {
                matching_acls: deleted.into_iter().map(told).collect(),
                ..DeleteAclsFilterResult::default()
            },
            Err(refusal) => {
                let Wrong { error, why } = refusal.into();
                let (error_code, error_message) = (error.0, Some(why));
                DeleteAclsFilterResult { error_code, error_message, ..DeleteAclsFilterResult::default() }
            }
        });
    }
    DeleteAclsResponse { filter_results, ..DeleteAclsResponse::default() }
}

async fn delete(call: &Call, filter: DeleteAclsFilter) -> Result<Vec<Acl>, Refusal> {
    let filter = AclFilter {
        resource_type: filter.resource_type_filter,
        resource_name: filter.resource_name_filter,
        pattern_type: filter.pattern_type_filter,
        principal: filter.principal_filter,
        host: filter.host_filter,
        operation: filter.operation,
        permission_type: filter.permission_type,
    };
    let identities = call.door.topics().identities()?;
    let all = identities.rules().flat_map(|(scope, operations)| Acl::of_rule(scope, operations));
    let meant: Vec<Acl> = all.filter(|acl| filter.takes(acl)).collect();
    let rules: Vec<_> = meant.iter().filter_map(|acl| acl.rule().ok()).collect();
    for some in rules.chunks(1000) {
        call.door.topics().remove_rules(some.to_vec()).await?;
    }
    Ok(meant)
}

fn told(acl: Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        resource_type: acl.resource_type,
        resource_name: acl.resource_name,
        pattern_type: acl.pattern_type,
        principal: acl.principal,
        host: acl.host,
        operation: acl.operation,
        permission_type: acl.permission_type,
        ..DeleteAclsMatchingAcl::default()
    }
}
