use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::{DeadLetterStrategy, LinearRetry, Overflow, QueueError, QueueOptions, QueueType, RetryPolicy};

/// Who sets a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// Those who use the queues: fills in what a declaration left open.
    User,
    /// Those who run the broker: bounds what declarations and users' policies ask for.
    Operator,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Queues of every type.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Exchanges.
    Exchanges,
}

/// Settings for every queue and exchange whose name matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A regular expression that is looked for in names (without those of virtual hosts).
    pub pattern: String,
    /// What it is for.
    pub apply_to: ApplyTo,
    /// Of several policies that match, the one with the highest priority is in force, alone.
    pub priority: i32,
    /// What it sets.
    pub definition: PolicyDefinition,
}

/// What a policy sets. `None` leaves a setting alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyDefinition {
    /// As in [`QueueOptions`]; the smallest value wins.
    pub message_ttl_ms: Option<u64>,
    /// As in [`QueueOptions`]; the smallest value wins.
    pub expires_ms: Option<u64>,
    /// As in [`QueueOptions`]; the smallest value wins.
    pub max_length: Option<u64>,
    /// As in [`QueueOptions`]; the smallest value wins.
    pub max_length_bytes: Option<u64>,
    /// As in [`QueueOptions`]; the smallest value wins.
    pub delivery_limit: Option<u32>,
    /// As in [`QueueOptions`]; the queue's own wins, unless that is the default.
    pub overflow: Option<Overflow>,
    /// As in [`QueueOptions`]; the queue's own wins.
    pub dead_letter_exchange: Option<String>,
    /// As in [`QueueOptions`]; the queue's own wins.
    pub dead_letter_routing_key: Option<String>,
    /// As in [`QueueOptions`]; the queue's own wins.
    pub dead_letter_strategy: Option<DeadLetterStrategy>,
    /// As in [`QueueOptions`], for quorum queues; the smallest value wins.
    pub consumer_timeout_ms: Option<u64>,
    /// RabbitMQ's delayed retry, for quorum queues; the queue's own retry of whatever kind wins.
    pub delayed_retry: Option<LinearRetry>,
    /// For exchanges; the exchange's own wins.
    pub alternate_exchange: Option<String>,
}

/// A policy as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInfo {
    /// Where it applies.
    pub virtual_host: String,
    /// Its name there.
    pub name: String,
    /// What it says.
    pub policy: Policy,
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl PolicyDefinition {
    /// Refuses settings that are out of range, and those that operators cannot bound.
    pub(crate) fn check(&self, kind: PolicyKind) -> Result<(), QueueError> {
        let invalid = |field, why: &str| Err(QueueError::InvalidOption { field, why: why.to_owned() });
        if *self == PolicyDefinition::default() {
            return invalid("definition", "must set something");
        }
        for (field, value) in
            [("expires_ms", self.expires_ms), ("consumer_timeout_ms", self.consumer_timeout_ms)]
        {
            if value == Some(0) {
                return invalid(field, "must be at least 1");
            }
        }
        let texts = [
            ("dead_letter_exchange", &self.dead_letter_exchange),
            ("dead_letter_routing_key", &self.dead_letter_routing_key),
            ("alternate_exchange", &self.alternate_exchange),
        ];
        for (field, value) in texts {
            if value.as_ref().is_some_and(|text| text.len() > 255) {
                return invalid(field, "must be at most 255 bytes");
            }
        }
        if self.alternate_exchange.as_ref().is_some_and(String::is_empty) {
            return invalid("alternate_exchange", "must be the name of an exchange");
        }
        self.delayed_retry.map_or(Ok(()), |retry| retry.check("delayed_retry"))?;
        if kind == PolicyKind::User {
            return Ok(());
        }
        let why =
            "is not for operator policies, which bound lengths, times, delivery limits and the overflow";
        if let Some((field, _)) = texts.iter().find(|(_, value)| value.is_some()) {
            return invalid(field, why);
        }
        if self.dead_letter_strategy.is_some() {
            return invalid("dead_letter_strategy", why);
        }
        if self.consumer_timeout_ms.is_some() {
            return invalid("consumer_timeout_ms", why);
        }
        if self.delayed_retry.is_some() {
            return invalid("delayed_retry", why);
        }
        Ok(())
    }

    /// What a user's policy and an operator's say together: of numbers the smaller one, else the operator.
    fn capped_by(&self, operator: &PolicyDefinition) -> PolicyDefinition {
        PolicyDefinition {
            message_ttl_ms: least(self.message_ttl_ms, operator.message_ttl_ms),
            expires_ms: least(self.expires_ms, operator.expires_ms),
            max_length: least(self.max_length, operator.max_length),
            max_length_bytes: least(self.max_length_bytes, operator.max_length_bytes),
            delivery_limit: least(self.delivery_limit, operator.delivery_limit),
            overflow: operator.overflow.or(self.overflow),
            ..self.clone()
        }
    }

    /// The options in force for a queue that was declared with these.
    fn fill_in(&self, declared: &QueueOptions) -> QueueOptions {
        let quorum = declared.kind == QueueType::Quorum;
        let overflow = match declared.overflow {
            Overflow::DropHead => self.overflow.unwrap_or_default(),
            own => own,
        };
        QueueOptions {
            message_ttl_ms: least(declared.message_ttl_ms, self.message_ttl_ms),
            expires_ms: least(declared.expires_ms, self.expires_ms),
            max_length: least(declared.max_length, self.max_length),
            max_length_bytes: least(declared.max_length_bytes, self.max_length_bytes),
            delivery_limit: least(declared.delivery_limit, self.delivery_limit),
            overflow,
            dead_letter_exchange: declared.dead_letter_exchange.clone().or(self.dead_letter_exchange.clone()),
            dead_letter_routing_key: declared
                .dead_letter_routing_key
                .clone()
                .or(self.dead_letter_routing_key.clone()),
            dead_letter_strategy: declared.dead_letter_strategy.or(self.dead_letter_strategy),
            consumer_timeout_ms: least(
                declared.consumer_timeout_ms,
                self.consumer_timeout_ms.filter(|_| quorum),
            ),
            retry: declared.retry.clone().or(self.delayed_retry.filter(|_| quorum).map(RetryPolicy::Linear)),
            ..declared.clone()
        }
    }
}

impl ApplyTo {
    /// Every choice.
    pub const ALL: [ApplyTo; 5] =
        [ApplyTo::All, ApplyTo::Queues, ApplyTo::ClassicQueues, ApplyTo::QuorumQueues, ApplyTo::Exchanges];

    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ApplyTo::All => "all",
            ApplyTo::Queues => "queues",
            ApplyTo::ClassicQueues => "classic_queues",
            ApplyTo::QuorumQueues => "quorum_queues",
            ApplyTo::Exchanges => "exchanges",
        }
    }

    fn takes_queue(self, kind: QueueType) -> bool {
        match self {
            ApplyTo::All | ApplyTo::Queues => true,
            ApplyTo::ClassicQueues => kind == QueueType::Classic,
            ApplyTo::QuorumQueues => kind == QueueType::Quorum,
            ApplyTo::Exchanges => false,
        }
    }

    fn takes_exchanges(self) -> bool {
        matches!(self, ApplyTo::All | ApplyTo::Exchanges)
    }
}

#[derive(Debug)]
struct Compiled {
    name: Arc<str>,
    policy: Policy,
    pattern: Regex,
}

/// Longest pattern, in bytes, and most memory that its automaton may take.
const PATTERN_BYTES: usize = 1024;
const PATTERN_MEMORY: usize = 1 << 20;

fn compile(pattern: &str) -> Result<Regex, QueueError> {
    let invalid = |why: String| QueueError::InvalidOption { field: "pattern", why };
    if pattern.len() > PATTERN_BYTES {
        return Err(invalid(format!("must be at most {PATTERN_BYTES} bytes")));
    }
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_MEMORY).build();
    built.map_err(|error| invalid(format!("is no regular expression: {error}")))
}

/// What is in force for one queue.
pub(crate) struct InForce {
    pub(crate) options: QueueOptions,
    pub(crate) policy: Option<Arc<str>>,
    pub(crate) operator_policy: Option<Arc<str>>,
}

/// All policies, by kind, prefix of the virtual host, and name.
#[derive(Debug, Default)]
pub(crate) struct Policies(BTreeMap<(PolicyKind, Box<str>, Box<str>), Compiled>);

impl Policies {
    pub(crate) fn check(kind: PolicyKind, name: &str, policy: &Policy) -> Result<(), QueueError> {
        if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
            let why = "must be 1 to 255 bytes without control characters".to_owned();
            return Err(QueueError::InvalidOption { field: "name", why });
        }
        if name == "." || name == ".." {
            let why = "must not be a path segment that URLs cannot carry".to_owned();
            return Err(QueueError::InvalidOption { field: "name", why });
        }
        policy.definition.check(kind)?;
        let exchanges_only = PolicyDefinition {
            alternate_exchange: policy.definition.alternate_exchange.clone(),
            ..PolicyDefinition::default()
        };
        let invalid = |field, why: &str| Err(QueueError::InvalidOption { field, why: why.to_owned() });
        match policy.apply_to {
            ApplyTo::Exchanges if policy.definition != exchanges_only => {
                return invalid("apply_to", "is exchanges, but the definition sets something for queues");
            }
            ApplyTo::Queues | ApplyTo::ClassicQueues | ApplyTo::QuorumQueues
                if exchanges_only.alternate_exchange.is_some() =>
            {
                return invalid("apply_to", "is for queues, but the definition sets alternate_exchange");
            }
            _ => {}
        }
        if kind == PolicyKind::Operator && policy.apply_to == ApplyTo::Exchanges {
            return invalid("apply_to", "an operator policy is for queues");
        }
        compile(&policy.pattern).map(drop)
    }

    /// Sets a policy that was checked.
    pub(crate) fn set(&mut self, kind: PolicyKind, prefix: &str, name: &str, policy: Policy) {
        let Ok(pattern) = compile(&policy.pattern) else { return };
        self.0.insert((kind, prefix.into(), name.into()), Compiled { name: name.into(), policy, pattern });
    }

    pub(crate) fn get(&self, kind: PolicyKind, prefix: &str, name: &str) -> Option<&Policy> {
        self.0.get(&(kind, prefix.into(), name.into())).map(|compiled| &compiled.policy)
    }

    pub(crate) fn remove(&mut self, kind: PolicyKind, prefix: &str, name: &str) {
        self.0.remove(&(kind, prefix.into(), name.into()));
    }

    pub(crate) fn remove_below(&mut self, prefix: &str) {
        self.0.retain(|(_, have, _), _| **have != *prefix);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PolicyKind, &str, &str, &Policy)> {
        self.0.iter().map(|((kind, prefix, name), compiled)| (*kind, &**prefix, &**name, &compiled.policy))
    }

    /// The policy in force: the highest priority, of equals the first by name.
    fn choose(
        &self,
        kind: PolicyKind,
        prefix: &str,
        local: &str,
        takes: impl Fn(ApplyTo) -> bool,
    ) -> Option<&Compiled> {
        if self.0.is_empty() {
            return None;
        }
        let matching = self
            .0
            .range((kind, prefix.into(), "".into())..)
            .take_while(|((of, at, _), _)| *of == kind && **at == *prefix);
        let matching = matching.map(|(_, compiled)| compiled);
        let matching = matching.filter(|have| takes(have.policy.apply_to) && have.pattern.is_match(local));
        matching.min_by_key(|compiled| Reverse(compiled.policy.priority))
    }

    /// What is in force for a queue that was declared with these options.
    pub(crate) fn for_queue(&self, prefix: &str, local: &str, declared: &QueueOptions) -> InForce {
        let takes = |apply_to: ApplyTo| apply_to.takes_queue(declared.kind);
        let policy = self.choose(PolicyKind::User, prefix, local, takes);
        let operator = self.choose(PolicyKind::Operator, prefix, local, takes);
        let name = |chosen: Option<&Compiled>| chosen.map(|compiled| compiled.name.clone());
        let options = match (policy, operator) {
            (None, None) => declared.clone(),
            (Some(one), None) | (None, Some(one)) => one.policy.definition.fill_in(declared),
            (Some(policy), Some(operator)) => {
                policy.policy.definition.capped_by(&operator.policy.definition).fill_in(declared)
            }
        };
        InForce { options, policy: name(policy), operator_policy: name(operator) }
    }

    /// The alternate exchange that a policy gives an exchange, and the policy's name.
    pub(crate) fn for_exchange(&self, prefix: &str, local: &str) -> (Option<String>, Option<Arc<str>>) {
        let chosen = self.choose(PolicyKind::User, prefix, local, ApplyTo::takes_exchanges);
        let alternate = chosen.and_then(|compiled| compiled.policy.definition.alternate_exchange.clone());
        (alternate, chosen.map(|compiled| compiled.name.clone()))
    }
}
