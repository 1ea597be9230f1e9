use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::overview::traffic;
use super::rates::put as put_figure;
use super::{Management, requests};
use crate::amqp::Presence;
use crate::topics::{Created, QueueEntry, VirtualHost};

/// `GET /api/vhosts`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    let hosts = management.topics().list_virtual_hosts(None, usize::MAX);
    let queues = management.topics().queue_entries(None).await?;
    let presences = management.roster().presences().await;
    listing.all(hosts.iter().map(|host| describe(&management, host, &queues, &presences)).collect())
}

/// `GET /api/vhosts/{vhost}`
pub async fn one(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    let queues = management.topics().queue_entries(Some(&host)).await?;
    let presences = management.roster().presences().await;
    Ok(listing.one(describe(&management, &vhost, &queues, &presences)))
}

fn describe(management: &Management, name: &str, queues: &[QueueEntry], presences: &[Presence]) -> Value {
    let queues: Vec<QueueEntry> = queues.iter().filter(|queue| queue.vhost == name).cloned().collect();
    let (stats, levels) = management.known_rates().of_queues(&queues);
    let description = if name == VirtualHost::DEFAULT_NAME { "Default virtual host" } else { "" };
    let mut host: Map<String, Value> = levels;
    let facts = json!({
        "name": name, "description": description, "tags": [], "default_queue_type": "classic",
        "metadata": {"description": description, "tags": []}, "tracing": false,
        "cluster_state": {management.node().name.as_str(): "running"}, "message_stats": stats,
    });
    host.extend(facts.as_object().cloned().unwrap_or_default());
    let (received, sent) = traffic(presences.iter().filter(|one| one.report.vhost == name));
    put_figure(&mut host, "recv_oct", received, 0.0);
    put_figure(&mut host, "send_oct", sent, 0.0);
    Value::Object(host)
}

/// `PUT /api/vhosts/{vhost}`
pub async fn put(management: Management, Path(vhost): Path<String>, body: Body) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    create(&management, &vhost, &object).await.map(requests::put)
}

/// Makes a virtual host, or finds it made. Its description and tags are not kept.
pub async fn create(
    management: &Management,
    name: &str,
    object: &Map<String, Value>,
) -> Result<Created, Failure> {
    if requests::flag(object, "tracing")? {
        return Err(Failure::bad("there is no tracing; leave it out"));
    }
    match requests::text(object, "default_queue_type")? {
        None | Some("classic" | "undefined" | "") => {}
        Some(_) => {
            let why = "the default type of a queue is classic; name another with x-queue-type";
            return Err(Failure::bad(why));
        }
    }
    Ok(management.topics().create_virtual_host(name).await?)
}

/// `DELETE /api/vhosts/{vhost}`
pub async fn delete(management: Management, Path(vhost): Path<String>) -> Result<Response, Failure> {
    management.host(&vhost)?;
    management.topics().delete_virtual_host(&vhost).await?;
    Ok(requests::done())
}
