use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::response::Response;
use parking_lot::MutexGuard;
use serde_json::{Map, Value, json};

use super::connections::consumers_of_queue;
use super::errand::Errand;
use super::exchanges::Conditions;
use super::failure::Failure;
use super::listing::Listing;
use super::rates::Rates;
use super::{Management, policies, requests};
use crate::amqp::Presence;
use crate::amqp::refusals::{Subject, Task};
use crate::metrics::Totals;
use crate::topics::session::{QueueDeclaration, Request};
use crate::topics::{QueueEntry, VirtualHost};

/// Names that begin so are the broker's own.
const RESERVED: &str = "amq.";

impl Management {
    /// The rates, after a look at how things stand now.
    pub(super) fn rates(&self, queues: &[QueueEntry], totals: Totals) -> MutexGuard<'_, Rates> {
        let mut rates = self.0.rates.lock();
        rates.note(Instant::now(), totals, queues);
        rates
    }

    /// The rates as they were known last.
    pub(super) fn known_rates(&self) -> MutexGuard<'_, Rates> {
        self.0.rates.lock()
    }

    /// A queue that a path names.
    pub(super) async fn queue(&self, host: &VirtualHost, name: &str) -> Result<QueueEntry, Failure> {
        self.topics().queue_entry(host, name).await?.ok_or(Failure::NotFound)
    }

    async fn describe_queues(&self, host: Option<&VirtualHost>) -> Result<Vec<Value>, Failure> {
        let all = self.topics().queue_entries(None).await?;
        let totals = self.topics().snapshot().await?.totals;
        let presences = self.roster().presences().await;
        let in_force = policies::InForce::look(self).await?;
        let rates = self.rates(&all, totals);
        let shown = all.iter().filter(|queue| host.is_none_or(|host| queue.vhost == host.name()));
        Ok(shown.map(|queue| self.describe(queue, &rates, &in_force, &presences)).collect())
    }

    fn describe(
        &self,
        queue: &QueueEntry,
        rates: &Rates,
        in_force: &policies::InForce,
        presences: &[Presence],
    ) -> Value {
        let (stats, mut described) = rates.of_queue(queue);
        let facts = json!({
            "name": queue.name, "vhost": queue.vhost, "type": queue.kind, "node": self.node().name,
            "state": "running", "durable": queue.durable, "auto_delete": queue.auto_delete,
            "exclusive": queue.owner.is_some(), "arguments": queue.arguments, "policy": queue.policy,
            "operator_policy": queue.operator_policy,
            "effective_policy_definition": in_force.of(queue), "consumers": queue.consumers,
            "memory": queue.loaded_bytes, "message_bytes": queue.bytes,
            "message_bytes_ready": queue.ready_bytes,
            "message_bytes_unacknowledged": queue.bytes.saturating_sub(queue.ready_bytes),
            "messages_delayed": queue.delayed,
            "head_message_timestamp": queue.head_ms.map(|ms| ms.div_euclid(1000)),
            "exclusive_consumer_tag": exclusive_consumer(queue, presences), "message_stats": stats,
        });
        described.extend(facts.as_object().cloned().unwrap_or_default());
        if let Some(owner) = queue.owner.and_then(|owner| presences.iter().find(|one| one.owner == owner)) {
            let details = json!({
                "name": owner.name(), "peer_host": owner.peer.ip().to_string(), "peer_port": owner.peer.port(),
            });
            described.insert("owner_pid_details".to_owned(), details);
        }
        Value::Object(described)
    }
}

fn exclusive_consumer(queue: &QueueEntry, presences: &[Presence]) -> Option<String> {
    let here = presences.iter().filter(|one| one.report.vhost == queue.vhost);
    let mut consumers = here.flat_map(|one| &one.report.channels).flat_map(|channel| &channel.consumers);
    consumers
        .find(|consumer| consumer.exclusive && consumer.queue == queue.name)
        .map(|consumer| consumer.tag.clone())
}

/// `GET /api/queues`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    listing.all(management.describe_queues(None).await?)
}

/// `GET /api/queues/{vhost}`
pub async fn of_vhost(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    listing.all(management.describe_queues(Some(&host)).await?)
}

/// `GET /api/queues/{vhost}/{name}`
pub async fn one(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    let queue = management.queue(&host, &name).await?;
    let presences = management.roster().presences().await;
    let in_force = policies::InForce::look(&management).await?;
    let mut described = management.describe(&queue, &management.known_rates(), &in_force, &presences);
    if let Value::Object(described) = &mut described {
        let consumers = consumers_of_queue(&management, &presences, &queue);
        described.insert("consumer_details".to_owned(), Value::Array(consumers));
        described.insert("deliveries".to_owned(), json!([]));
        described.insert("incoming".to_owned(), json!([]));
    }
    Ok(listing.one(described))
}

/// `PUT /api/queues/{vhost}/{name}`
pub async fn put(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    let host = management.topics().virtual_host(&vhost)?;
    declare(&management, host, &name, &object).await.map(requests::created)
}

/// Makes a queue, or finds it made the same way; answers whether it was made.
pub async fn declare(
    management: &Management,
    host: VirtualHost,
    name: &str,
    object: &Map<String, Value>,
) -> Result<bool, Failure> {
    let existed = management.topics().queue_entry(&host, name).await?.is_some();
    if name.starts_with(RESERVED) && !existed {
        return Err(Failure::Refused);
    }
    let declaration = QueueDeclaration {
        queue: name.to_owned(),
        passive: false,
        durable: requests::flag(object, "durable")?,
        exclusive: false,
        auto_delete: requests::flag(object, "auto_delete")?,
        arguments: requests::arguments(object)?,
        server_named: false,
    };
    let mut errand = Errand::new(management.topics(), host);
    errand.ask(Request::DeclareQueue(declaration), Subject::queue(name)).await?;
    Ok(!existed)
}

/// `DELETE /api/queues/{vhost}/{name}`
pub async fn delete(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    Query(conditions): Query<Conditions>,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    management.queue(&host, &name).await?;
    let (if_unused, if_empty) = (conditions.if_unused(), conditions.if_empty());
    let about = Subject::queue(&name).to(Task::Delete { if_empty });
    let request = Request::DeleteQueue { queue: name.clone(), if_unused, if_empty };
    Errand::new(management.topics(), host).ask(request, about).await?;
    Ok(requests::done())
}

/// `DELETE /api/queues/{vhost}/{name}/contents`
pub async fn purge(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    management.queue(&host, &name).await?;
    let request = Request::PurgeQueue { queue: name.clone() };
    Errand::new(management.topics(), host).ask(request, Subject::queue(&name)).await?;
    Ok(requests::done())
}

/// `POST /api/queues/{vhost}/{name}/actions`: mirrors that there are none of have nothing to synchronise.
pub async fn act(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    management.queue(&host, &name).await?;
    let object = management.object(body).await?;
    match requests::needed_text(&object, "action")? {
        "sync" | "cancel_sync" => Ok(requests::done()),
        other => Err(Failure::Bad(json!(["unknown", other]))),
    }
}
