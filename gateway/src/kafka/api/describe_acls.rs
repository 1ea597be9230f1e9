use kafka_wire::messages::describe_acls::{
    AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse,
};

use super::Call;
use crate::kafka::acls::{Acl, AclFilter};
use crate::kafka::error::Wrong;

pub async fn answer(call: &Call, request: DescribeAclsRequest) -> DescribeAclsResponse {
    let filter = AclFilter {
        resource_type: request.resource_type_filter,
        resource_name: request.resource_name_filter,
        pattern_type: request.pattern_type_filter,
        principal: request.principal_filter,
        host: request.host_filter,
        operation: request.operation,
        permission_type: request.permission_type,
    };
    let identities = match call.door.topics().identities() {
        Ok(identities) => identities,
        Err(refusal) => {
            let Wrong { error, why } = refusal.into();
            let (error_code, error_message) = (error.0, Some(why));
            return DescribeAclsResponse { error_code, error_message, ..DescribeAclsResponse::default() };
        }
    };
    let mut resources: Vec<DescribeAclsResource> = Vec::new();
    let all = identities.rules().flat_map(|(scope, operations)| Acl::of_rule(scope, operations));
    for acl in all.filter(|acl| filter.takes(acl)) {
        let Acl { resource_type, resource_name, pattern_type, principal, host, operation, permission_type } =
            acl;
        let description = AclDescription { principal, host, operation, permission_type };
        let of_it = |one: &&mut DescribeAclsResource| {
            one.resource_type == resource_type
                && one.resource_name == resource_name
                && one.pattern_type == pattern_type
        };
        match resources.iter_mut().rev().find(of_it) {
            Some(resource) => resource.acls.push(description),
            None => resources.push(DescribeAclsResource {
                resource_type,
                resource_name,
                pattern_type,
                acls: vec![description],
            }),
        }
    }
    DescribeAclsResponse { resources, ..DescribeAclsResponse::default() }
}
