use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::rates::put;
use super::{COMPATIBLE_WITH, Management};
use crate::amqp::Presence;
use crate::topics::ExchangeKind;

/// `GET /api/overview`
pub async fn overview(management: Management, listing: Listing) -> Result<Response, Failure> {
    let topics = management.topics();
    let (queues, exchanges) = (topics.queue_entries(None).await?, topics.exchange_entries(None).await?);
    let snapshot = topics.snapshot().await?;
    let presences = management.roster().presences().await;
    let rates = management.rates(&queues, snapshot.totals);
    let (_, levels) = rates.of_queues(&queues);
    let node = management.node();
    let consumers: u64 = queues.iter().map(|queue| queue.consumers).sum();
    let answer = json!({
        "management_version": COMPATIBLE_WITH,
        "rates_mode": "basic",
        "sample_retention_policies": {"global": [], "basic": [], "detailed": []},
        "exchange_types": exchange_types(),
        "product_name": "Sluice",
        "product_version": env!("CARGO_PKG_VERSION"),
        "rabbitmq_version": COMPATIBLE_WITH,
        "cluster_name": super::identity::CLUSTER,
        "disable_stats": false,
        "enable_queue_totals": false,
        "message_stats": rates.of_broker(&snapshot.totals),
        "churn_rates": churn(management.roster().churn()),
        "queue_totals": levels,
        "object_totals": {
            "channels": presences.iter().map(|one| one.report.channels.len()).sum::<usize>(),
            "connections": presences.len(),
            "consumers": consumers,
            "exchanges": exchanges.len(),
            "queues": queues.len(),
        },
        "statistics_db_event_queue": 0,
        "node": node.name,
        "listeners": listeners(&management),
        "contexts": contexts(&management),
    });
    Ok(listing.one(answer))
}

fn churn((opened, closed): (u64, u64)) -> Value {
    let mut rates = Map::new();
    put(&mut rates, "connection_created", opened, 0.0);
    put(&mut rates, "connection_closed", closed, 0.0);
    Value::Object(rates)
}

/// The kinds of exchange that there are.
pub fn exchange_types() -> Value {
    let kinds = [
        (ExchangeKind::Direct, "routing key equals binding key"),
        (ExchangeKind::Fanout, "every binding"),
        (ExchangeKind::Topic, "routing key fits a pattern of words"),
        (ExchangeKind::Headers, "headers fit the binding's arguments"),
        (ExchangeKind::ConsistentHash, "one binding by hash"),
        (ExchangeKind::ModulusHash, "one binding by hash modulo their number"),
        (ExchangeKind::Random, "one binding at random"),
        (ExchangeKind::LocalRandom, "one queue at random"),
        (ExchangeKind::RecentHistory, "every binding; a new one gets the latest messages"),
        (ExchangeKind::DelayedMessage, "as x-delayed-type says, after the time in x-delay"),
    ];
    let row = |(kind, description): (ExchangeKind, &str)| json!({"name": kind.amqp_name(), "description": description, "enabled": true});
    kinds.into_iter().map(row).collect()
}

/// Where protocols are spoken.
pub fn listeners(management: &Management) -> Value {
    let node = management.node();
    let row = |(protocol, address): &(&str, std::net::SocketAddr)| {
        json!({
            "node": node.name, "protocol": protocol, "ip_address": address.ip().to_string(),
            "port": address.port(), "socket_opts": {"nodelay": true},
        })
    };
    node.listeners.iter().map(row).collect()
}

/// Where this API is.
pub fn contexts(management: &Management) -> Value {
    let node = management.node();
    let row = |(_, address): &(&str, std::net::SocketAddr)| {
        json!({
            "node": node.name, "description": "Sluice management", "path": "/api",
            "ip": address.ip().to_string(), "port": address.port().to_string(), "ssl_opts": [],
        })
    };
    node.listeners.iter().filter(|(protocol, _)| *protocol == "http").map(row).collect()
}

/// What went over the sockets of connections.
pub fn traffic<'a>(presences: impl Iterator<Item = &'a Presence>) -> (u64, u64) {
    presences.fold((0, 0), |(received, sent), one| {
        (received + one.traffic.received_bytes, sent + one.traffic.sent_bytes)
    })
}
