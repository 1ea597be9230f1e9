//! Shovels: how they stand, and their definitions, which are parameters.

use axum::extract::Path;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::{Management, requests};
use crate::shovel::{Address, Counts, Intake, Place, Shovel, Standing, State as Stands, Target};
use crate::topics::{Created, ShovelDefinition, ShovelName, ShovelSettings};

/// What shovels are called among parameters.
pub const COMPONENT: &str = "shovel";

fn invalid(faults: impl IntoIterator<Item = String>) -> Failure {
    let lines = faults.into_iter().map(|fault| format!("{fault}\n")).collect::<String>();
    Failure::bad(format!("Validation failed\n\n{lines}"))
}

fn named(vhost: &str, name: &str) -> ShovelName {
    ShovelName { vhost: vhost.into(), name: name.into() }
}

/// What a definition says.
pub fn read(name: &str, value: &Value) -> Result<(Shovel, ShovelSettings), Failure> {
    let Some(settings) = value.as_object() else {
        return Err(invalid([format!("{name} not a list")]));
    };
    Shovel::read(name, settings).map(|shovel| (shovel, settings.clone())).map_err(invalid)
}

/// Defines a shovel.
pub async fn set(
    management: &Management,
    (vhost, name): (&str, &str),
    value: &Value,
) -> Result<Created, Failure> {
    let (shovel, settings) = read(name, value)?;
    let Shovel { source, destination, .. } = &shovel;
    let here = |address: &&Address| address.place == Place::Here;
    for address in source.addresses.iter().chain(&destination.addresses).filter(here) {
        if management.host(&address.vhost).is_err() {
            let (user, vhost) = (management.user(), &address.vhost);
            return Err(invalid([format!("user \"{user}\" may not connect to vhost \"{vhost}\"")]));
        }
    }
    let about = format!("shovel {name} in vhost {vhost}, {}", shovel.route());
    let topics = management.topics();
    Ok(topics.put_shovel(named(vhost, name), settings, about).await?)
}

/// Takes a shovel away; answers whether there was one.
pub async fn clear(management: &Management, (vhost, name): (&str, &str)) -> Result<bool, Failure> {
    let topics = management.topics();
    Ok(topics.delete_shovel(named(vhost, name)).await?)
}

fn parameter(name: &ShovelName, value: Value) -> Value {
    json!({"value": value, "vhost": name.vhost, "component": COMPONENT, "name": name.name})
}

/// All definitions as parameters, of one virtual host if asked, as they were set: with the passwords in them.
pub fn definitions(management: &Management, vhost: Option<&str>) -> Result<Vec<Value>, Failure> {
    let table = management.topics().shovels()?;
    let wanted = table.iter().filter(|(name, _)| vhost.is_none_or(|vhost| *name.vhost == *vhost));
    Ok(wanted.map(|(name, definition)| parameter(name, Value::Object(definition.value.clone()))).collect())
}

/// A definition without the passwords in it.
fn redacted(settings: &ShovelSettings) -> ShovelSettings {
    let redact = |uri: &Value| json!(uri.as_str().map(Address::redacted));
    let each = settings.iter().map(|(name, value)| {
        let shown = match (name.as_str(), value) {
            ("src-uri" | "dest-uri", Value::Array(uris)) => uris.iter().map(redact).collect(),
            ("src-uri" | "dest-uri", uri) => redact(uri),
            (_, other) => other.clone(),
        };
        (name.clone(), shown)
    });
    each.collect()
}

/// How a shovel stands.
fn describe(
    management: &Management,
    name: &ShovelName,
    shovel: Option<&Shovel>,
    standing: &Standing,
) -> Value {
    let mut described = Map::new();
    let mut say = |name: &str, value: Value| drop(described.insert(name.to_owned(), value));
    say("node", json!(management.node().name));
    say("timestamp", json!(standing.since.strftime("%Y-%m-%d %-H:%M:%S").to_string()));
    say("name", json!(name.name));
    say("vhost", json!(name.vhost));
    say("type", json!("dynamic"));
    match &standing.state {
        Stands::Starting => say("state", json!("starting")),
        Stands::Terminated(reason) => {
            say("state", json!("terminated"));
            say("reason", json!(reason));
        }
        Stands::Running { source, destination, blocked } => {
            let state = if *blocked { "blocked" } else { "running" };
            say("state", json!(state));
            say("blocked_status", json!(state));
            say("src_uri", json!(source));
            say("src_protocol", json!("amqp091"));
            say("dest_uri", json!(destination));
            say("dest_protocol", json!("amqp091"));
            let Counts { remaining, unsent, pending, forwarded } = standing.counts;
            let bounded = |count: Option<u64>| count.map_or(json!("unlimited"), |count| json!(count));
            say("remaining", bounded(remaining));
            say("remaining_unacked", bounded(unsent));
            say("pending", json!(pending));
            say("forwarded", json!(forwarded));
            for (name, value) in shovel.map(ends).unwrap_or_default() {
                say(name, json!(value));
            }
        }
    }
    Value::Object(described)
}

/// What a shovel takes messages from and gives them to.
fn ends(shovel: &Shovel) -> Vec<(&'static str, &str)> {
    let mut ends = match &shovel.source.from {
        Intake::Queue(queue, _) => vec![("src_queue", queue.as_str())],
        Intake::Exchange(exchange, key) => {
            vec![("src_exchange", exchange.as_str()), ("src_exchange_key", key.as_str())]
        }
    };
    match &shovel.destination.to {
        Target::Queue(queue, _) => ends.push(("dest_queue", queue)),
        Target::Exchange(exchange, key) => {
            ends.extend(exchange.as_deref().map(|exchange| ("dest_exchange", exchange)));
            ends.extend(key.as_deref().map(|key| ("dest_exchange_key", key)));
        }
    }
    ends
}

fn standings(management: &Management, vhost: Option<&str>) -> Vec<Value> {
    let all = management.shovels().standings();
    let wanted = all.iter().filter(|(name, _, _)| vhost.is_none_or(|vhost| *name.vhost == *vhost));
    let row = |(name, definition, standing): &(ShovelName, std::sync::Arc<ShovelDefinition>, Standing)| {
        let shovel = Shovel::read(&name.name, &definition.value).ok();
        describe(management, name, shovel.as_ref(), standing)
    };
    wanted.map(row).collect()
}

/// `GET /api/shovels`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    listing.all(standings(&management, None))
}

/// `GET /api/shovels/{vhost}`
pub async fn of_vhost(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    listing.all(standings(&management, Some(&vhost)))
}

/// `GET /api/shovels/vhost/{vhost}/{name}`
pub async fn one(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    let name = named(&vhost, &name);
    let table = management.topics().shovels()?;
    let definition = table.get(&name).ok_or(Failure::NotFound)?;
    Ok(listing.one(parameter(&name, Value::Object(redacted(&definition.value)))))
}

/// `DELETE /api/shovels/vhost/{vhost}/{name}`: there is none of that name afterwards.
pub async fn delete(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    clear(&management, (&vhost, &name)).await?;
    Ok(requests::done())
}

/// `DELETE /api/shovels/vhost/{vhost}/{name}/restart`
pub async fn restart(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    if management.shovels().restart(&named(&vhost, &name)) {
        Ok(requests::done())
    } else {
        Err(Failure::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_is_shown_of_a_definition_has_no_passwords() {
        let settings = json!({
            "src-uri": "amqp://u:secret@h:1/v?heartbeat=1", "src-queue": "q",
            "dest-uri": ["amqp://u:secret@h", "amqp:///secret@", "amqp://", 5], "dest-queue-args": {"n": 1},
        });
        let shown = redacted(settings.as_object().unwrap());
        let wanted = json!({
            "src-uri": "amqp://h:1/v", "src-queue": "q",
            "dest-uri": ["amqp://h", "amqp://", "amqp://", null], "dest-queue-args": {"n": 1},
        });
        assert_eq!(Value::Object(shown), wanted);
    }
}
