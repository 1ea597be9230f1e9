use kafka_wire::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::Call;
use crate::kafka::authorized_operations;
use crate::kafka::error::KafkaError;

/// Brokers are asked for, not controllers.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub async fn answer(call: &Call, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let mut response = DescribeClusterResponse {
        endpoint_type: request.endpoint_type,
        cluster_id: call.door.config().cluster_id.clone(),
        controller_id: call.door.node_id(),
        ..DescribeClusterResponse::default()
    };
    if request.endpoint_type == BROKERS {
        let asked = request.include_cluster_authorized_operations;
        response.cluster_authorized_operations = authorized_operations::on_cluster(call, asked);
        let endpoint = &call.client.endpoint;
        response.brokers.push(DescribeClusterBroker {
            broker_id: call.door.node_id(),
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            ..DescribeClusterBroker::default()
        });
    } else if request.endpoint_type != CONTROLLERS {
        response.error_code = KafkaError::UNSUPPORTED_ENDPOINT_TYPE.0;
        response.error_message = Some(format!(
            "there are no endpoints of type {}; ask for those of brokers, {BROKERS}",
            request.endpoint_type
        ));
    } else {
        response.error_code = KafkaError::MISMATCHED_ENDPOINT_TYPE.0;
        response.error_message = Some("this is a broker's endpoint, not a controller's".into());
    }
    response
}
