//! What the client may do with something, as answers tell it to who asks (KIP-430): a bit for each operation.

use super::acls;
use super::api::Call;
use crate::auth::permission::{CLUSTER, Operation, ResourceKind};

const ON_TOPIC: [Operation; 8] = [
    Operation::Read,
    Operation::Write,
    Operation::Create,
    Operation::Delete,
    Operation::Alter,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
];
const ON_GROUP: [Operation; 5] = [
    Operation::Read,
    Operation::Delete,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
];
const ON_CLUSTER: [Operation; 7] = [
    Operation::Create,
    Operation::Alter,
    Operation::Describe,
    Operation::ClusterAction,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
    Operation::IdempotentWrite,
];
/// Stands where nobody asked.
const UNTOLD: i32 = i32::MIN;

/// With a topic.
pub fn on_topic(call: &Call, name: &str, asked: bool) -> i32 {
    told(call, asked, ResourceKind::Topic, name, &ON_TOPIC)
}

/// With a group.
pub fn on_group(call: &Call, name: &str, asked: bool) -> i32 {
    told(call, asked, ResourceKind::Group, name, &ON_GROUP)
}

/// With the server.
pub fn on_cluster(call: &Call, asked: bool) -> i32 {
    told(call, asked, ResourceKind::Cluster, CLUSTER, &ON_CLUSTER)
}

fn told(call: &Call, asked: bool, kind: ResourceKind, name: &str, operations: &[Operation]) -> i32 {
    if !asked {
        return UNTOLD;
    }
    let topics = call.door.topics();
    let allowed = operations.iter().filter(|operation| topics.may_do(**operation, kind, name));
    allowed.fold(0, |bits, operation| bits | 1 << acls::code_of(*operation))
}
