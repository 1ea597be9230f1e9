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
    if wanted(configs::GROUP) {
        // A server that goes down has none to tell of.
        let groups = call.door.topics().groups_with_settings().await.unwrap_or_default();
        config_resources.extend(groups.iter().map(|group| resource(group.to_string(), configs::GROUP)));
    }
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}
