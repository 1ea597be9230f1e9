use kafka_wire::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use super::{Call, configs};

pub async fn answer(call: &Call, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    // Version 0 only ever lists clients' metrics, of which there are none.
    let wanted = |kind: i8| {
        call.version > 0 && (request.resource_types.is_empty() || request.resource_types.contains(&kind))
    };
    let resource = |resource_name: String, resource_type| ConfigResource { resource_name, resource_type };
    let mut config_resources = Vec::new();
    if wanted(configs::TOPIC) {
        let topics = call.door.all_topics();
        config_resources
            .extend(topics.iter().map(|topic| resource(topic.name().to_string(), configs::TOPIC)));
    }
    if wanted(configs::BROKER) {
        config_resources.push(resource(call.door.node_id().to_string(), configs::BROKER));
    }
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}
