//! All definitions at once, to be kept or brought elsewhere.

use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::parameters::OPERATOR_POLICY;
use super::{
    COMPATIBLE_WITH, Management, bindings, exchanges, parameters, permissions, policies, queues, requests,
    shovels, topic_permissions, users, vhosts,
};
use crate::http::reply;
use crate::topics::{PolicyKind, VirtualHost};

/// The lists of who there is and what they may do.
const PEOPLE: [&str; 3] = ["users", "permissions", "topic_permissions"];

fn without(mut described: Value, members: &[&str]) -> Value {
    if let Value::Object(described) = &mut described {
        members.iter().for_each(|member| drop(described.remove(*member)));
    }
    described
}

/// Everything that is not made anew with every start, of one virtual host if asked.
async fn collect(management: &Management, vhost: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let host = vhost.map(|vhost| management.host(vhost)).transpose()?;
    let topics = management.topics();
    // Within one virtual host nothing says where it is.
    let scoped: &[&str] = if vhost.is_some() { &["vhost"] } else { &[] };
    let exchanges = topics.exchange_entries(host.as_ref()).await?.into_iter();
    let exchanges = exchanges.filter(|exchange| !exchange.predeclared).map(|exchange| {
        let unsaid = [scoped, &["user_who_performed_action", "policy"]].concat();
        without(exchanges::describe(&exchange), &unsaid)
    });
    let queues = topics.queue_entries(host.as_ref()).await?.into_iter();
    let queues = queues.filter(|queue| queue.owner.is_none()).map(|queue| {
        let described = json!({
            "name": queue.name, "vhost": queue.vhost, "durable": queue.durable,
            "auto_delete": queue.auto_delete, "arguments": queue.arguments,
        });
        without(described, scoped)
    });
    let bindings = topics.binding_entries(host.as_ref()).await?.into_iter();
    let bindings = bindings
        .filter(|binding| !binding.source.is_empty())
        .map(|binding| without(bindings::describe(&binding), &[scoped, &["properties_key"]].concat()));
    let policies = policies::all(management, PolicyKind::User, vhost).await?;
    let policies = policies.iter().map(|policy| without(policies::describe(policy), scoped));
    let parameters = parameters::all(management, vhost).await?.into_iter();
    let parameters = parameters.map(|parameter| without(parameter, scoped));
    let mut all = Map::new();
    all.insert("rabbit_version".to_owned(), json!(COMPATIBLE_WITH));
    let lists: [(&str, Vec<Value>); 5] = [
        ("parameters", parameters.collect()),
        ("policies", policies.collect()),
        ("queues", queues.collect()),
        ("exchanges", exchanges.collect()),
        ("bindings", bindings.collect()),
    ];
    lists.into_iter().for_each(|(name, list)| drop(all.insert(name.to_owned(), Value::Array(list))));
    Ok(all)
}

/// `GET /api/definitions`
pub async fn export(management: Management) -> Result<Response, Failure> {
    let mut all = collect(&management, None).await?;
    let hosts = management.topics().list_virtual_hosts(None, usize::MAX).into_iter();
    let whole = json!({
        "rabbitmq_version": COMPATIBLE_WITH, "product_name": "Sluice",
        "product_version": env!("CARGO_PKG_VERSION"), "users": users::definitions(&management),
        "vhosts": hosts.map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "permissions": permissions::all(&management),
        "topic_permissions": topic_permissions::all(&management), "global_parameters": [],
    });
    all.extend(whole.as_object().cloned().unwrap_or_default());
    Ok(reply::json(StatusCode::OK, &all))
}

/// `GET /api/definitions/{vhost}`
pub async fn export_vhost(management: Management, Path(vhost): Path<String>) -> Result<Response, Failure> {
    Ok(reply::json(StatusCode::OK, &collect(&management, Some(&vhost)).await?))
}

/// `POST /api/definitions`
pub async fn import(management: Management, body: Body) -> Result<Response, Failure> {
    let object = management.object(body).await.map_err(not_parsed)?;
    check_people(&management, &object)?;
    take(&management, None, &object).await?;
    take_people(&management, &object).await?;
    Ok(requests::done())
}

/// `POST /api/definitions/{vhost}`
pub async fn import_vhost(
    management: Management,
    Path(vhost): Path<String>,
    body: Body,
) -> Result<Response, Failure> {
    let object = management.object(body).await.map_err(not_parsed)?;
    management.host(&vhost)?;
    if let Some(list) = PEOPLE.into_iter().find(|list| !rows(&object, list).is_ok_and(|rows| rows.is_empty()))
    {
        return Err(Failure::bad(format!(
            "{list}: these belong to no virtual host; import them at /api/definitions"
        )));
    }
    take(&management, Some(&vhost), &object).await?;
    Ok(requests::done())
}

fn not_parsed(failure: Failure) -> Failure {
    if failure == Failure::bad("not_json") { Failure::bad("failed_to_parse_json") } else { failure }
}

/// The objects of a list.
fn rows<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Vec<&'a Map<String, Value>>, Failure> {
    let list = match object.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Failure::bad(format!("{name} is a list"))),
    };
    let row =
        |value: &'a Value| value.as_object().ok_or_else(|| Failure::bad(format!("{name} has objects in it")));
    list.iter().map(row).collect()
}

/// Takes definitions in, in an order in which each finds what it needs. What cannot be kept is refused before anything
/// is changed; another fault ends the import where it is, as in RabbitMQ: repeating it is harmless.
async fn take(
    management: &Management,
    vhost: Option<&str>,
    object: &Map<String, Value>,
) -> Result<(), Failure> {
    check(object)?;
    if vhost.is_none() {
        for row in rows(object, "vhosts")? {
            vhosts::create(management, requests::needed_text(row, "name")?, row).await?;
        }
    }
    for row in rows(object, "exchanges")? {
        exchanges::declare(management, host(management, vhost, row)?, name(row)?, row).await?;
    }
    for row in rows(object, "queues")? {
        queues::declare(management, host(management, vhost, row)?, name(row)?, row).await?;
    }
    for row in rows(object, "bindings")? {
        let to_exchange = requests::needed_text(row, "destination_type")? == "exchange";
        let ends =
            (requests::needed_text(row, "source")?, to_exchange, requests::needed_text(row, "destination")?);
        bindings::make(management, host(management, vhost, row)?, ends, row).await?;
    }
    for row in rows(object, "policies")? {
        let host = host(management, vhost, row)?;
        policies::set(management, PolicyKind::User, host.name(), name(row)?, row).await?;
    }
    for row in rows(object, "parameters")? {
        let host = host(management, vhost, row)?;
        if requests::needed_text(row, "component")? == shovels::COMPONENT {
            let value = requests::needed(row, "value")?;
            shovels::set(management, (host.name(), name(row)?), value).await?;
            continue;
        }
        let value = requests::needed(row, "value")?.as_object();
        let value = value.ok_or_else(|| Failure::bad("value is an object"))?;
        policies::set(management, PolicyKind::Operator, host.name(), name(row)?, value).await?;
    }
    Ok(())
}

fn name(row: &Map<String, Value>) -> Result<&str, Failure> {
    requests::needed_text(row, "name")
}

fn host(
    management: &Management,
    vhost: Option<&str>,
    row: &Map<String, Value>,
) -> Result<VirtualHost, Failure> {
    let name = match vhost {
        Some(vhost) => vhost,
        None => requests::needed_text(row, "vhost")?,
    };
    let missing = |_| Failure::Bad(json!(["no_such_vhost", name]));
    management.topics().virtual_host(name).map_err(missing)
}

/// Refuses what could only be passed over.
fn check(object: &Map<String, Value>) -> Result<(), Failure> {
    for row in rows(object, "parameters")? {
        match requests::needed_text(row, "component")? {
            OPERATOR_POLICY => {}
            shovels::COMPONENT => drop(shovels::read(name(row)?, requests::needed(row, "value")?)?),
            other => return Err(parameters::no_component(other)),
        }
    }
    let known = |row: &Map<String, Value>| {
        // Names of the cluster that it came from.
        matches!(
            row.get("name").and_then(Value::as_str),
            Some("cluster_name" | "internal_cluster_id" | "cluster_tags")
        )
    };
    match rows(object, "global_parameters")?.into_iter().find(|row| !known(row)) {
        Some(_) => Err(Failure::bad("global_parameters: there are none here; leave them out")),
        None => Ok(()),
    }
}

/// Refuses users and permissions that could not all be taken, before any is.
fn check_people(management: &Management, object: &Map<String, Value>) -> Result<(), Failure> {
    let [users, permissions, topic_permissions] = PEOPLE;
    for row in rows(object, users)? {
        users::read(name(row)?, row)?;
    }
    let is_named = |list: &str, name: &str| {
        rows(object, list).is_ok_and(|rows| rows.iter().any(|row| row.get("name") == Some(&json!(name))))
    };
    for list in [permissions, topic_permissions] {
        for row in rows(object, list)? {
            let (vhost, user) = (requests::needed_text(row, "vhost")?, requests::needed_text(row, "user")?);
            let is_known = users::is_known(management, user) || is_named(users, user);
            if !is_known || !(management.host(vhost).is_ok() || is_named("vhosts", vhost)) {
                return Err(Failure::bad(format!(
                    "{list}: there is no user {user} or no virtual host {vhost}"
                )));
            }
            if list == permissions {
                permissions::read(row)?;
            } else {
                topic_permissions::read(row)?;
            }
        }
    }
    Ok(())
}

/// Takes users and permissions in, once the virtual hosts are there. What is there already and not named stays.
async fn take_people(management: &Management, object: &Map<String, Value>) -> Result<(), Failure> {
    let [users, permissions, topic_permissions] = PEOPLE;
    for row in rows(object, users)? {
        users::set(management, name(row)?, row).await?;
    }
    for row in rows(object, permissions)? {
        let whose = (requests::needed_text(row, "vhost")?, requests::needed_text(row, "user")?);
        permissions::set(management, whose, row).await?;
    }
    for row in rows(object, topic_permissions)? {
        let whose = (requests::needed_text(row, "vhost")?, requests::needed_text(row, "user")?);
        topic_permissions::set(management, whose, row).await?;
    }
    Ok(())
}
