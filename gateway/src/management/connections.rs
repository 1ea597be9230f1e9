//! Connections of the AMQP door, their channels and subscriptions.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::rates::put;
use super::{Management, requests};
use crate::amqp::{ChannelReport, ConsumerReport, Presence};
use crate::topics::session::table_to_json;
use crate::topics::{Deed, QueueEntry};

fn describe(management: &Management, one: &Presence) -> Value {
    let report = &one.report;
    let client = table_to_json(&report.client_properties);
    let given = client.get("connection_name").cloned();
    let mut described = Map::new();
    put(&mut described, "recv_oct", one.traffic.received_bytes, 0.0);
    put(&mut described, "send_oct", one.traffic.sent_bytes, 0.0);
    let facts = json!({
        "name": one.name(), "node": management.node().name, "type": "network", "protocol": "AMQP 0-9-1",
        "state": report.state, "user": report.user, "user_who_performed_action": report.user,
        "vhost": report.vhost, "auth_mechanism": report.mechanism, "client_properties": client,
        "channel_max": report.channel_max, "frame_max": report.frame_max, "timeout": report.heartbeat,
        "channels": report.channels.len(), "connected_at": one.since_ms,
        "host": one.local.ip().to_string(), "port": one.local.port(),
        "peer_host": one.peer.ip().to_string(), "peer_port": one.peer.port(),
        "recv_cnt": one.traffic.reads, "send_cnt": one.traffic.writes, "send_pend": one.traffic.waiting_bytes,
        "ssl": false, "ssl_cipher": null, "ssl_hash": null, "ssl_key_exchange": null, "ssl_protocol": null,
        "peer_cert_issuer": null, "peer_cert_subject": null, "peer_cert_validity": null,
    });
    described.extend(facts.as_object().cloned().unwrap_or_default());
    if let Some(given) = given {
        described.insert("user_provided_name".to_owned(), given);
    }
    Value::Object(described)
}

fn channel_name(one: &Presence, channel: &ChannelReport) -> String {
    format!("{} ({})", one.name(), channel.number)
}

fn describe_channel(management: &Management, one: &Presence, channel: &ChannelReport) -> Value {
    let mut stats = Map::new();
    put(&mut stats, "publish", channel.published, 0.0);
    put(&mut stats, "deliver_get", channel.delivered, 0.0);
    json!({
        "name": channel_name(one, channel), "number": channel.number, "node": management.node().name,
        "user": one.report.user, "user_who_performed_action": one.report.user, "vhost": one.report.vhost,
        "state": if channel.is_open { "running" } else { "closing" },
        "confirm": channel.confirms, "transactional": channel.transactional,
        "prefetch_count": channel.prefetch, "global_prefetch_count": channel.shared_prefetch,
        "consumer_count": channel.consumers.len(), "messages_unacknowledged": channel.unsettled,
        "messages_unconfirmed": channel.unconfirmed, "messages_uncommitted": channel.uncommitted_messages,
        "acks_uncommitted": channel.uncommitted_settlements, "message_stats": stats,
        "connection_details": {
            "name": one.name(), "peer_host": one.peer.ip().to_string(), "peer_port": one.peer.port(),
        },
    })
}

fn describe_consumer(
    management: &Management,
    one: &Presence,
    channel: &ChannelReport,
    consumer: &ConsumerReport,
) -> Value {
    json!({
        "consumer_tag": consumer.tag, "queue": {"name": consumer.queue, "vhost": one.report.vhost},
        "ack_required": !consumer.no_ack, "exclusive": consumer.exclusive,
        "prefetch_count": consumer.prefetch, "arguments": table_to_json(&consumer.arguments),
        "active": true, "activity_status": "up",
        "channel_details": {
            "name": channel_name(one, channel), "number": channel.number, "node": management.node().name,
            "connection_name": one.name(), "peer_host": one.peer.ip().to_string(),
            "peer_port": one.peer.port(), "user": one.report.user,
        },
    })
}

fn consumers_where(
    management: &Management,
    presences: &[Presence],
    wanted: impl Fn(&Presence, &ConsumerReport) -> bool,
) -> Vec<Value> {
    let mut found = Vec::new();
    for one in presences {
        for channel in &one.report.channels {
            let chosen = channel.consumers.iter().filter(|consumer| wanted(one, consumer));
            found.extend(chosen.map(|consumer| describe_consumer(management, one, channel, consumer)));
        }
    }
    found
}

/// The subscriptions of AMQP clients to a queue.
pub fn consumers_of_queue(management: &Management, presences: &[Presence], queue: &QueueEntry) -> Vec<Value> {
    let wanted = |one: &Presence, consumer: &ConsumerReport| {
        one.report.vhost == queue.vhost && consumer.queue == queue.name
    };
    consumers_where(management, presences, wanted)
}

async fn connections_where(
    management: &Management,
    listing: &Listing,
    wanted: impl Fn(&Presence) -> bool,
) -> Result<Response, Failure> {
    let presences = management.roster().presences().await;
    listing.all(presences.iter().filter(|one| wanted(one)).map(|one| describe(management, one)).collect())
}

async fn channels_where(
    management: &Management,
    wanted: impl Fn(&Presence, &ChannelReport) -> bool,
) -> Vec<Value> {
    let mut found = Vec::new();
    for one in management.roster().presences().await {
        let chosen = one.report.channels.iter().filter(|channel| wanted(&one, channel));
        found.extend(chosen.map(|channel| describe_channel(management, &one, channel)));
    }
    found
}

/// `GET /api/connections`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    connections_where(&management, &listing, |_| true).await
}

/// `GET /api/vhosts/{vhost}/connections`
pub async fn of_vhost(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    connections_where(&management, &listing, |one| one.report.vhost == vhost).await
}

/// `GET /api/connections/username/{user}`
pub async fn of_user(
    management: Management,
    Path(user): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    connections_where(&management, &listing, |one| one.report.user == user).await
}

/// `GET /api/connections/{name}`
pub async fn one(
    management: Management,
    Path(name): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    let presences = management.roster().presences().await;
    let found = presences.iter().find(|one| one.name() == name).ok_or(Failure::NotFound)?;
    Ok(listing.one(describe(&management, found)))
}

/// Why a connection is closed, as the header `X-Reason` says.
fn reason(headers: &HeaderMap) -> String {
    let given = headers.get("x-reason").and_then(|value| value.to_str().ok());
    given.unwrap_or("Closed via management plugin").to_owned()
}

/// `DELETE /api/connections/{name}`
pub async fn close(
    management: Management,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let is_it = |peer, local| format!("{peer} -> {local}") == name;
    match management.roster().expel(is_it, &reason(&headers)) {
        0 => Err(Failure::NotFound),
        _ => {
            management.topics().did(Deed::CloseConnection, &name);
            Ok(requests::done())
        }
    }
}

/// `DELETE /api/connections/username/{user}`
pub async fn close_user(
    management: Management,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let presences = management.roster().presences().await;
    let ours = presences.iter().filter(|one| one.report.user == user);
    let chosen: Vec<_> = ours.map(|one| (one.peer, one.local)).collect();
    let expelled =
        management.roster().expel(|peer, local| chosen.contains(&(peer, local)), &reason(&headers));
    if expelled > 0 {
        management.topics().did(Deed::CloseConnection, &format!("{expelled} connections of {user}"));
    }
    Ok(requests::done())
}

/// `GET /api/connections/{name}/channels`
pub async fn channels_of(
    management: Management,
    Path(name): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    listing.all(channels_where(&management, |one, _| one.name() == name).await)
}

/// `GET /api/vhosts/{vhost}/channels`
pub async fn channels_of_vhost(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    listing.all(channels_where(&management, |one, _| one.report.vhost == vhost).await)
}

/// `GET /api/channels`
pub async fn channels(management: Management, listing: Listing) -> Result<Response, Failure> {
    listing.all(channels_where(&management, |_, _| true).await)
}

/// `GET /api/channels/{name}`
pub async fn channel(
    management: Management,
    Path(name): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    let presences = management.roster().presences().await;
    for one in &presences {
        let Some(channel) = one.report.channels.iter().find(|it| channel_name(one, it) == name) else {
            continue;
        };
        let mut described = describe_channel(&management, one, channel);
        if let Value::Object(described) = &mut described {
            let consumers = channel.consumers.iter();
            let details = consumers.map(|consumer| describe_consumer(&management, one, channel, consumer));
            described.insert("consumer_details".to_owned(), details.collect());
            described.insert("publishes".to_owned(), json!([]));
            described.insert("deliveries".to_owned(), json!([]));
        }
        return Ok(listing.one(described));
    }
    Err(Failure::NotFound)
}

/// `GET /api/consumers`
pub async fn consumers(management: Management, listing: Listing) -> Result<Response, Failure> {
    let presences = management.roster().presences().await;
    listing.all(consumers_where(&management, &presences, |_, _| true))
}

/// `GET /api/consumers/{vhost}`
pub async fn consumers_of(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    let presences = management.roster().presences().await;
    listing.all(consumers_where(&management, &presences, |one, _| one.report.vhost == vhost))
}
