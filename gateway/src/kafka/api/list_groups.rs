use kafka_wire::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use super::{Call, groups, share_group_describe};
use crate::topics::group_wire::{GroupKind, GroupListing};

pub async fn answer(call: &Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let listings = match call.door.topics().group_listings().await {
        Ok(listings) => listings,
        Err(refusal) => {
            let error = groups::coordinator(&refusal);
            return ListGroupsResponse { error_code: error.0, ..ListGroupsResponse::default() };
        }
    };
    let among = |filter: &[String], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let told = |listing: GroupListing| ListedGroup {
        group_id: listing.name.to_string(),
        protocol_type: listing.protocol_type.into(),
        group_state: listing.state.name().to_owned(),
        group_type: kind(listing.kind).to_owned(),
    };
    let shares = match call.door.topics().share_listings().await {
        Ok(shares) => shares,
        Err(refusal) => {
            let error = groups::coordinator(&refusal);
            return ListGroupsResponse { error_code: error.0, ..ListGroupsResponse::default() };
        }
    };
    let shared = shares.into_iter().map(|group| ListedGroup {
        group_id: group.name.to_string(),
        protocol_type: "share".to_owned(),
        group_state: share_group_describe::state(group.members).to_owned(),
        group_type: "share".to_owned(),
    });
    let groups = listings.into_iter().map(told).chain(shared).filter(|group| {
        among(&request.states_filter, &group.group_state) && among(&request.types_filter, &group.group_type)
    });
    ListGroupsResponse { groups: groups.collect(), ..ListGroupsResponse::default() }
}

fn kind(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Classic => "classic",
        GroupKind::Consumer => "consumer",
    }
}
