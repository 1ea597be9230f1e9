use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::errand::Errand;
use super::failure::Failure;
use super::listing::Listing;
use super::{Management, requests};
use crate::amqp::refusals::{Subject, Task};
use crate::topics::session::{ExchangeDeclaration, Request};
use crate::topics::{ExchangeEntry, VirtualHost};

/// What paths call the default exchange, which has no name.
const DEFAULT: &str = "amq.default";
/// The member with the counters.
const STATS: &str = "message_stats";
/// Names that begin so are the broker's own.
const RESERVED: &str = "amq.";

/// The exchange that a path names.
pub fn named(name: &str) -> &str {
    if name == DEFAULT { "" } else { name }
}

/// An exchange as JSON, without what counts it.
pub fn describe(exchange: &ExchangeEntry) -> Value {
    let mut described = json!({
        "name": exchange.name, "vhost": exchange.vhost, "type": exchange.kind, "durable": exchange.durable,
        "auto_delete": exchange.auto_delete, "internal": exchange.internal, "arguments": exchange.arguments,
        "user_who_performed_action": if exchange.predeclared { "rmq-internal" } else { "guest" },
    });
    if let (Some(policy), Value::Object(described)) = (&exchange.policy, &mut described) {
        described.insert("policy".to_owned(), json!(policy));
    }
    described
}

/// `GET /api/exchanges`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    let all = management.topics().exchange_entries(None).await?;
    listing.all(management.counted(&all, &all))
}

/// `GET /api/exchanges/{vhost}`
pub async fn of_vhost(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    let all = management.topics().exchange_entries(None).await?;
    let shown: Vec<ExchangeEntry> = all.iter().filter(|entry| entry.vhost == host.name()).cloned().collect();
    listing.all(management.counted(&all, &shown))
}

/// `GET /api/exchanges/{vhost}/{name}`
pub async fn one(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    let exchange = management.exchange(&host, &name).await?;
    let mut described = describe(&exchange);
    if let Value::Object(described) = &mut described {
        let stats = management.known_rates().of_exchange(&exchange);
        stats.into_iter().for_each(|stats| drop(described.insert(STATS.to_owned(), stats)));
        described.insert("incoming".to_owned(), json!([]));
        described.insert("outgoing".to_owned(), json!([]));
    }
    Ok(listing.one(described))
}

impl Management {
    /// Exchanges as JSON, with their counters and rates since all were looked at before.
    fn counted(&self, all: &[ExchangeEntry], shown: &[ExchangeEntry]) -> Vec<Value> {
        let mut rates = self.known_rates();
        rates.note_exchanges(Instant::now(), all);
        let counted = |exchange: &ExchangeEntry| {
            let mut described = describe(exchange);
            if let (Some(stats), Value::Object(described)) = (rates.of_exchange(exchange), &mut described) {
                described.insert(STATS.to_owned(), stats);
            }
            described
        };
        shown.iter().map(counted).collect()
    }

    /// An exchange that a path names.
    pub(super) async fn exchange(&self, host: &VirtualHost, name: &str) -> Result<ExchangeEntry, Failure> {
        let all = self.topics().exchange_entries(Some(host)).await?;
        all.into_iter().find(|exchange| exchange.name == named(name)).ok_or(Failure::NotFound)
    }
}

/// `PUT /api/exchanges/{vhost}/{name}`
pub async fn put(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    let host = management.topics().virtual_host(&vhost)?;
    declare(&management, host, &name, &object).await.map(requests::created)
}

/// Makes an exchange, or finds it made the same way; answers whether it was made.
pub async fn declare(
    management: &Management,
    host: VirtualHost,
    name: &str,
    object: &Map<String, Value>,
) -> Result<bool, Failure> {
    let existed = management.topics().has_exchange(&host, named(name)).await?;
    if named(name).is_empty() || (name.starts_with(RESERVED) && !existed) {
        return Err(Failure::Refused);
    }
    let declaration = ExchangeDeclaration {
        exchange: name.to_owned(),
        kind: requests::text(object, "type")?.unwrap_or("direct").to_owned(),
        passive: false,
        durable: requests::flag(object, "durable")?,
        auto_delete: requests::flag(object, "auto_delete")?,
        internal: requests::flag(object, "internal")?,
        arguments: requests::arguments(object)?,
    };
    let mut errand = Errand::new(management.topics(), host);
    errand.ask(Request::DeclareExchange(declaration), Subject::exchange(name)).await?;
    Ok(!existed)
}

/// Under which conditions something is deleted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Conditions {
    if_unused: Option<String>,
    if_empty: Option<String>,
}

impl Conditions {
    pub fn if_unused(&self) -> bool {
        self.if_unused.as_deref() == Some("true")
    }

    pub fn if_empty(&self) -> bool {
        self.if_empty.as_deref() == Some("true")
    }
}

/// `DELETE /api/exchanges/{vhost}/{name}`
pub async fn delete(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    Query(conditions): Query<Conditions>,
) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    let exchange = management.exchange(&host, &name).await?;
    if exchange.name.is_empty() || exchange.predeclared {
        return Err(Failure::Refused);
    }
    let request = Request::DeleteExchange { exchange: name.clone(), if_unused: conditions.if_unused() };
    let about = Subject::exchange(&name).to(Task::Delete { if_empty: false });
    Errand::new(management.topics(), host).ask(request, about).await?;
    Ok(requests::done())
}
