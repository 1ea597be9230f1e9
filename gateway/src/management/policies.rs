use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::{Management, requests};
use crate::topics::{
    Created, PolicyDefinition, PolicyDescription, PolicyKind, PolicySpec, QueueEntry, RetryLinear, Table,
};

/// What RabbitMQ and what we call the settings of a policy.
const SETTINGS: [(&str, &str); 11] = [
    ("message-ttl", "message_ttl_ms"),
    ("expires", "expires_ms"),
    ("max-length", "max_length"),
    ("max-length-bytes", "max_length_bytes"),
    ("delivery-limit", "delivery_limit"),
    ("overflow", "overflow"),
    ("dead-letter-exchange", "dead_letter_exchange"),
    ("dead-letter-routing-key", "dead_letter_routing_key"),
    ("dead-letter-strategy", "dead_letter_strategy"),
    ("consumer-timeout", "consumer_timeout_ms"),
    ("alternate-exchange", "alternate_exchange"),
];
/// Settings whose values are words, written with dashes by RabbitMQ.
const WORDS: [&str; 2] = ["overflow", "dead_letter_strategy"];

/// Three settings that make one of ours.
const RETRY: [&str; 3] = [RETRY_TYPE, RETRY_MIN, RETRY_MAX];
const RETRY_TYPE: &str = "delayed-retry-type";
const RETRY_MIN: &str = "delayed-retry-min";
const RETRY_MAX: &str = "delayed-retry-max";

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::bad(format!("Validation failed\n\n{why}\n"))
}

fn definition_to_json(definition: &PolicyDefinition) -> Table {
    let ours = serde_json::to_value(definition).unwrap_or_default();
    let row = |(theirs, our): &(&str, &str)| {
        let value = ours.get(our)?;
        let value = match value {
            Value::String(text) if WORDS.contains(our) => json!(text.replace('_', "-")),
            other => other.clone(),
        };
        Some(((*theirs).to_owned(), value))
    };
    SETTINGS.iter().filter_map(row).chain(retry_to_json(definition.delayed_retry.as_ref())).collect()
}

/// RabbitMQ has three settings for it.
fn retry_to_json(retry: Option<&RetryLinear>) -> impl Iterator<Item = (String, Value)> {
    let rows = retry.map(|RetryLinear { on, min_ms, max_ms }| {
        [(RETRY_TYPE, json!(on)), (RETRY_MIN, json!(min_ms)), (RETRY_MAX, json!(max_ms))]
    });
    let rows = rows.into_iter().flatten().filter(|(_, value)| !value.is_null());
    rows.map(|(name, value)| (name.to_owned(), value))
}

/// The delayed retry that three settings say together: none without a type, or with the type `disabled`.
fn retry_from_json(theirs: &Table) -> Result<Option<RetryLinear>, Failure> {
    let kind = theirs.get(RETRY_TYPE).unwrap_or(&Value::Null);
    if kind.is_null() || kind == "disabled" {
        return Ok(None);
    }
    let on = serde_json::from_value(kind.clone());
    let on = on.map_err(|_| invalid(format!("{RETRY_TYPE} is disabled, all, failed or returned")))?;
    let number = |name: &str| match theirs.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_u64().map(Some).ok_or_else(|| invalid(format!("{name} is a number of milliseconds")))
        }
    };
    let needed = || invalid(format!("{RETRY_TYPE} needs {RETRY_MIN} as well"));
    let retry =
        RetryLinear { on, min_ms: number(RETRY_MIN)?.ok_or_else(needed)?, max_ms: number(RETRY_MAX)? };
    match retry.fault() {
        None => Ok(Some(retry)),
        Some(("max_ms", _, _)) => Err(invalid(format!("{RETRY_MAX} is at least {RETRY_MIN}"))),
        Some(_) => Err(invalid(format!("{RETRY_MIN} is at least 1"))),
    }
}

fn definition_from_json(theirs: &Table) -> Result<PolicyDefinition, Failure> {
    if theirs.is_empty() {
        return Err(invalid("no policy provided"));
    }
    let mut ours = Map::new();
    for (name, value) in theirs.iter().filter(|(name, _)| !RETRY.contains(&name.as_str())) {
        let known = SETTINGS.iter().find(|(theirs, _)| theirs == name);
        let Some((_, our)) = known else {
            return Err(invalid(format!("{name} is not a recognised policy setting")));
        };
        let value = match value {
            Value::String(text) if WORDS.contains(our) => json!(text.replace('-', "_")),
            other => other.clone(),
        };
        ours.insert((*our).to_owned(), value);
    }
    let read = serde_path_to_error::deserialize(Value::Object(ours));
    let definition: PolicyDefinition = read.map_err(|error| {
        let path = error.path().to_string();
        let named = SETTINGS.iter().find(|(_, our)| *our == path).map_or(path.as_str(), |(theirs, _)| theirs);
        invalid(format!("{named}: {}", error.inner()))
    })?;
    Ok(PolicyDefinition { delayed_retry: retry_from_json(theirs)?, ..definition })
}

/// A policy as JSON.
pub fn describe(policy: &PolicyDescription) -> Value {
    json!({
        "vhost": policy.vhost, "name": policy.name, "pattern": policy.pattern,
        "apply-to": policy.apply_to, "definition": definition_to_json(&policy.definition),
        "priority": policy.priority,
    })
}

fn spec(object: &Map<String, Value>) -> Result<PolicySpec, Failure> {
    let pattern = requests::needed(object, "pattern")?.as_str();
    let definition = requests::needed(object, "definition")?;
    let definition = definition.as_object().ok_or_else(|| invalid("definition is an object"))?;
    let apply_to = match object.get("apply-to") {
        None | Some(Value::Null) => Ok(Default::default()),
        Some(value) => serde_json::from_value(value.clone()),
    };
    let words = "apply-to is all, queues, classic_queues, quorum_queues or exchanges";
    let priority = match object.get("priority") {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_i64().and_then(|value| i32::try_from(value).ok()),
    };
    Ok(PolicySpec {
        pattern: pattern.ok_or_else(|| invalid("pattern is a text"))?.to_owned(),
        apply_to: apply_to.map_err(|_| invalid(words))?,
        priority: priority.ok_or_else(|| invalid("priority is a whole number of 32 bits"))?,
        definition: definition_from_json(definition)?,
    })
}

/// Sets a policy.
pub async fn set(
    management: &Management,
    kind: PolicyKind,
    vhost: &str,
    name: &str,
    object: &Map<String, Value>,
) -> Result<Created, Failure> {
    management.topics().virtual_host(vhost)?;
    let set = management.topics().put_policy(kind, vhost, name, spec(object)?).await;
    set.map_err(|refusal| match Failure::from(refusal) {
        Failure::Bad(Value::String(why)) => invalid(why),
        other => other,
    })
}

/// All policies of a kind, of one virtual host if asked.
pub async fn all(
    management: &Management,
    kind: PolicyKind,
    vhost: Option<&str>,
) -> Result<Vec<PolicyDescription>, Failure> {
    if let Some(vhost) = vhost {
        management.host(vhost)?;
    }
    Ok(management.topics().list_policies(kind, vhost, None, usize::MAX).await?)
}

async fn find(
    management: &Management,
    kind: PolicyKind,
    vhost: &str,
    name: &str,
) -> Result<PolicyDescription, Failure> {
    management.host(vhost)?;
    Ok(management.topics().policy(kind, vhost, name).await?)
}

/// The policies, to tell what is in force where.
pub struct InForce {
    users: Vec<PolicyDescription>,
    operators: Vec<PolicyDescription>,
}

impl InForce {
    pub async fn look(management: &Management) -> Result<InForce, Failure> {
        let users = all(management, PolicyKind::User, None).await?;
        Ok(InForce { users, operators: all(management, PolicyKind::Operator, None).await? })
    }

    /// What the policies of a queue say together: of numbers the smaller one, else the operator.
    pub fn of(&self, queue: &QueueEntry) -> Table {
        let definition = |all: &[PolicyDescription], name: &Option<String>| {
            let found =
                all.iter().find(|policy| policy.vhost == queue.vhost && Some(&policy.name) == name.as_ref());
            found.map(|policy| definition_to_json(&policy.definition)).unwrap_or_default()
        };
        let mut together = definition(&self.users, &queue.policy);
        for (name, bound) in definition(&self.operators, &queue.operator_policy) {
            let least = match (together.get(&name).and_then(Value::as_u64), bound.as_u64()) {
                (Some(own), Some(bound)) => json!(own.min(bound)),
                _ => bound,
            };
            together.insert(name, least);
        }
        together
    }
}

macro_rules! endpoints {
    ($kind:expr, $list:ident, $of_vhost:ident, $one:ident, $put:ident, $delete:ident) => {
        /// All of them.
        pub async fn $list(management: Management, listing: Listing) -> Result<Response, Failure> {
            listing.all(all(&management, $kind, None).await?.iter().map(describe).collect())
        }

        /// Those of a virtual host.
        pub async fn $of_vhost(
            management: Management,
            Path(vhost): Path<String>,
            listing: Listing,
        ) -> Result<Response, Failure> {
            listing.all(all(&management, $kind, Some(&vhost)).await?.iter().map(describe).collect())
        }

        /// One.
        pub async fn $one(
            management: Management,
            Path((vhost, name)): Path<(String, String)>,
            listing: Listing,
        ) -> Result<Response, Failure> {
            Ok(listing.one(describe(&find(&management, $kind, &vhost, &name).await?)))
        }

        /// Sets one.
        pub async fn $put(
            management: Management,
            Path((vhost, name)): Path<(String, String)>,
            body: Body,
        ) -> Result<Response, Failure> {
            let object = management.object(body).await?;
            set(&management, $kind, &vhost, &name, &object).await.map(requests::put)
        }

        /// Takes one away.
        pub async fn $delete(
            management: Management,
            Path((vhost, name)): Path<(String, String)>,
        ) -> Result<Response, Failure> {
            find(&management, $kind, &vhost, &name).await?;
            management.topics().delete_policy($kind, &vhost, &name).await?;
            Ok(requests::done())
        }
    };
}

endpoints!(PolicyKind::User, list, of_vhost, one, put, delete);
endpoints!(
    PolicyKind::Operator,
    operator_list,
    operator_of_vhost,
    operator_one,
    operator_put,
    operator_delete
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_comes_back_by_rabbitmqs_name() {
        let theirs = json!({
            "message-ttl": 1, "expires": 2, "max-length": 3, "max-length-bytes": 4, "delivery-limit": 5,
            "overflow": "reject-publish-dlx", "dead-letter-exchange": "", "dead-letter-routing-key": "k",
            "dead-letter-strategy": "at-least-once", "consumer-timeout": 6, "alternate-exchange": "ae",
            "delayed-retry-type": "failed", "delayed-retry-min": 7, "delayed-retry-max": 8,
        });
        let theirs = theirs.as_object().unwrap();
        assert_eq!(definition_to_json(&definition_from_json(theirs).unwrap()), *theirs);
        assert_eq!(theirs.len(), SETTINGS.len() + RETRY.len());
    }

    #[test]
    fn what_a_policy_cannot_set_is_named() {
        let refused = |theirs: Value| match definition_from_json(theirs.as_object().unwrap()) {
            Err(Failure::Bad(Value::String(why))) => why,
            other => panic!("{other:?}"),
        };
        assert!(refused(json!({"ha-mode": "all"})).contains("ha-mode is not a recognised policy setting"));
        assert!(refused(json!({"max-length": "many"})).contains("max-length: "));
        assert!(refused(json!({})).contains("no policy provided"));
        let retry = |min: u64, max: u64| json!({"delayed-retry-type": "all", "delayed-retry-min": min, "delayed-retry-max": max});
        assert!(refused(retry(5, 4)).contains("delayed-retry-max is at least delayed-retry-min"));
        assert!(refused(retry(0, 4)).contains("delayed-retry-min is at least 1"));
        assert!(refused(json!({"delayed-retry-type": "all"})).contains("needs delayed-retry-min"));
        assert!(refused(json!({"delayed-retry-type": "some"})).contains("is disabled, all, failed"));
    }
}
