use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::Management;
use super::failure::Failure;
use super::listing::Listing;
use super::overview::{contexts, exchange_types};
use crate::http::reply;
use crate::topics::Alarm;

/// `GET /api/nodes`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    listing.all(vec![describe(&management).await?])
}

/// `GET /api/nodes/{node}`
pub async fn one(
    management: Management,
    Path(name): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    check(&management, &name)?;
    Ok(listing.one(describe(&management).await?))
}

/// `GET /api/nodes/{node}/memory`
pub async fn memory(management: Management, Path(name): Path<String>) -> Result<Response, Failure> {
    check(&management, &name)?;
    let used = crate::metrics::resident_bytes().unwrap_or(0);
    let queues = management.topics().queue_entries(None).await?;
    let bodies: u64 = queues.iter().map(|queue| queue.loaded_bytes).sum();
    let memory = json!({
        "msg_index": 0, "queue_procs": bodies, "other_proc": used.saturating_sub(bodies),
        "total": {"rss": used, "allocated": used}, "strategy": "rss",
    });
    Ok(reply::json(StatusCode::OK, &json!({"memory": memory})))
}

fn check(management: &Management, name: &str) -> Result<(), Failure> {
    if management.node().name == name { Ok(()) } else { Err(Failure::NotFound) }
}

async fn describe(management: &Management) -> Result<Value, Failure> {
    let (node, topics) = (management.node(), management.topics());
    let connected = management.roster().len();
    let (opened, closed) = management.roster().churn();
    let uptime = node.started.elapsed().map_or(0, |since| since.as_millis() as u64);
    let row = |name: &&str| json!({"name": name, "description": "", "enabled": true});
    let mechanisms: Value = node.mechanisms.iter().map(row).collect();
    let alarms = topics.alarms();
    Ok(json!({
        "name": node.name,
        "type": "disc",
        "running": true,
        "being_drained": topics.draining().is_cancelled(),
        "partitions": [],
        "cluster_links": [],
        "os_pid": std::process::id().to_string(),
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "uptime": uptime,
        "rates_mode": "basic",
        "mem_calculation_strategy": "rss",
        "mem_used": crate::metrics::resident_bytes(),
        "mem_used_details": {"rate": 0.0},
        "mem_limit": node.memory_high,
        "mem_alarm": alarms.contains(&Alarm::Memory),
        "disk_free": topics.snapshot().await?.journal.free_bytes,
        "disk_free_details": {"rate": 0.0},
        "disk_free_limit": node.disk_free_limit,
        "disk_free_alarm": alarms.contains(&Alarm::Disk),
        "fd_used": crate::metrics::open_files(),
        "fd_used_details": {"rate": 0.0},
        "fd_total": crate::metrics::open_files_max(),
        "sockets_used": connected,
        "sockets_used_details": {"rate": 0.0},
        "sockets_total": node.connections_max,
        "connection_created": opened,
        "connection_created_details": {"rate": 0.0},
        "connection_closed": closed,
        "connection_closed_details": {"rate": 0.0},
        "exchange_types": exchange_types(),
        "auth_mechanisms": mechanisms,
        "applications": [{
            "name": "sluice", "description": "Sluice", "version": env!("CARGO_PKG_VERSION"),
        }],
        "contexts": contexts(management),
        "log_files": ["<stderr>"],
        "db_dir": node.data_dir,
        "enabled_plugins": [],
    }))
}
