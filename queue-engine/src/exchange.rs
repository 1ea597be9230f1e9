use std::collections::HashMap;
use std::sync::Arc;

use ::message::{ExchangeName, HeaderTable};

use crate::binding::{Condition, Target};
use crate::exchange_kind::{ExchangeKind, ExchangeOptions};
use crate::hash_choice::{HashChoice, hash, mix};
use crate::header_match::HeaderMatch;
use crate::policy::Policies;
use crate::routing::Address;
use crate::topic_trie::TopicTrie;
use crate::{BindingTarget, QueueError, QueueId};

/// What is known of an exchange from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeInfo {
    /// Its name.
    pub name: ExchangeName,
    /// How it chooses.
    pub kind: ExchangeKind,
    /// How else it behaves.
    pub options: ExchangeOptions,
    /// Whether it is one of the `amq.` exchanges that always exist.
    pub predeclared: bool,
    /// The policy in force.
    pub policy: Option<String>,
    /// The alternate exchange in force: its own, or the policy's.
    pub alternate_exchange: Option<String>,
    /// How many bindings it feeds.
    pub bindings: usize,
    /// What was published to it.
    pub counts: ExchangeCounts,
}

/// Messages that were published to an exchange since the start. What comes to it from another exchange, or as a dead letter,
/// is not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExchangeCounts {
    /// How many.
    pub published_in: u64,
    /// How many queues and logs they reached, by whatever way.
    pub published_out: u64,
}

/// A connection from an exchange to what it feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The exchange that feeds.
    pub source: ExchangeName,
    /// What is fed.
    pub target: BindingTarget,
    /// Key or pattern; fanout and headers exchanges ignore it.
    pub routing_key: String,
    /// Conditions of a headers exchange; others ignore them. Part of the binding's identity.
    pub arguments: HeaderTable,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) name: ExchangeName,
    /// The name in its virtual host.
    pub(crate) local: ExchangeName,
    pub(crate) kind: ExchangeKind,
    pub(crate) options: ExchangeOptions,
    pub(crate) predeclared: bool,
    /// The alternate exchange that a policy gives, and the policy.
    policy_alternate: Option<String>,
    policy: Option<Arc<str>>,
    /// What it keeps messages in, if its kind does.
    pub(crate) store: Option<QueueId>,
    table: Table,
    pub(crate) bindings: usize,
    /// The last routing that came by, so that none comes twice.
    pub(crate) visited: u64,
    pub(crate) counts: ExchangeCounts,
}

#[derive(Debug)]
enum Table {
    Direct(HashMap<Box<str>, Vec<Target>>),
    /// Fanout and recent-history.
    All(Vec<Target>),
    Topic(TopicTrie<Target>),
    Headers(Vec<(HeaderMatch, Target)>),
    Hash(HashChoice),
    /// In an order that does not depend on when they came.
    Modulus(Vec<(u64, Target)>),
    Random(Vec<Target>),
}

/// Random numbers that are the same in two runs with the same seed.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        ((u128::from(mix(self.0)) * end as u128) >> 64) as usize
    }
}

/// A binding's weight in a consistent-hash exchange.
fn weight(key: &str) -> Result<u32, QueueError> {
    let weight = key.parse().ok().filter(|weight| *weight > 0);
    let why =
        || format!("is {key:?}; for a consistent-hash exchange it is a weight, a whole number from 1 on");
    weight.ok_or_else(|| QueueError::InvalidOption { field: "routing_key", why: why() })
}

fn remove_one<T: PartialEq>(list: &mut Vec<T>, what: &T) {
    if let Some(at) = list.iter().position(|have| have == what) {
        list.swap_remove(at);
    }
}

impl Exchange {
    /// An exchange without bindings. The first `prefix_len` bytes of its name are those of its virtual host.
    pub(crate) fn new(
        name: ExchangeName,
        prefix_len: usize,
        kind: ExchangeKind,
        options: ExchangeOptions,
    ) -> Exchange {
        let local = name.as_str().get(prefix_len..).and_then(|local| ExchangeName::new(local).ok());
        let local = local.filter(|_| prefix_len > 0).unwrap_or_else(|| name.clone());
        let chooses_as = options.delayed_kind.unwrap_or(kind);
        let table = match chooses_as {
            ExchangeKind::Direct | ExchangeKind::Delayed => Table::Direct(HashMap::new()),
            ExchangeKind::Fanout | ExchangeKind::RecentHistory => Table::All(Vec::new()),
            ExchangeKind::Topic => Table::Topic(TopicTrie::default()),
            ExchangeKind::Headers => Table::Headers(Vec::new()),
            ExchangeKind::ConsistentHash => Table::Hash(HashChoice::default()),
            ExchangeKind::ModulusHash => Table::Modulus(Vec::new()),
            ExchangeKind::Random | ExchangeKind::LocalRandom => Table::Random(Vec::new()),
        };
        Exchange {
            name,
            local,
            kind,
            options,
            predeclared: false,
            policy_alternate: None,
            policy: None,
            store: None,
            table,
            bindings: 0,
            visited: 0,
            counts: ExchangeCounts::default(),
        }
    }

    pub(crate) fn info(&self) -> ExchangeInfo {
        ExchangeInfo {
            name: self.name.clone(),
            kind: self.kind,
            options: self.options.clone(),
            predeclared: self.predeclared,
            policy: self.policy.as_deref().map(str::to_owned),
            alternate_exchange: self.alternate().map(str::to_owned),
            bindings: self.bindings,
            counts: self.counts,
        }
    }

    /// What names in the exchange's virtual host start with.
    pub(crate) fn prefix(&self) -> &str {
        let name = self.name.as_str();
        name.get(..name.len() - self.local.as_str().len()).unwrap_or_default()
    }

    /// Where messages go that no binding takes: its own choice beats a policy's.
    pub(crate) fn alternate(&self) -> Option<&str> {
        self.options.alternate_exchange.as_deref().or(self.policy_alternate.as_deref())
    }

    /// Lets policies decide.
    pub(crate) fn enforce(&mut self, policies: &Policies) {
        (self.policy_alternate, self.policy) = policies.for_exchange(self.prefix(), self.local.as_str());
    }

    /// How it chooses: a delayed-message exchange as the kind that it stands for.
    fn chooses_as(&self) -> ExchangeKind {
        self.options.delayed_kind.unwrap_or(self.kind)
    }

    /// Whether the choice depends on more than the routing key.
    pub(crate) fn decides_per_message(&self) -> bool {
        match self.chooses_as() {
            ExchangeKind::Direct | ExchangeKind::Fanout | ExchangeKind::Topic | ExchangeKind::ModulusHash => {
                self.kind == ExchangeKind::Delayed
            }
            ExchangeKind::ConsistentHash => {
                self.kind == ExchangeKind::Delayed
                    || self.options.hash_header.is_some()
                    || self.options.hash_property.is_some()
            }
            ExchangeKind::Headers
            | ExchangeKind::Random
            | ExchangeKind::LocalRandom
            | ExchangeKind::RecentHistory
            | ExchangeKind::Delayed => true,
        }
    }

    /// Refuses bindings that this kind cannot work with.
    pub(crate) fn check(
        &self,
        target: &BindingTarget,
        key: &str,
        arguments: &HeaderTable,
    ) -> Result<(), QueueError> {
        let invalid = |field, why: &str| Err(QueueError::InvalidOption { field, why: why.to_owned() });
        match self.chooses_as() {
            ExchangeKind::Headers => HeaderMatch::from_arguments(arguments).map(drop),
            ExchangeKind::ConsistentHash => weight(key).map(drop),
            ExchangeKind::LocalRandom if !key.is_empty() => {
                invalid("routing_key", "must be empty: a local-random exchange does not look at it")
            }
            ExchangeKind::LocalRandom if !matches!(target, BindingTarget::Queue(_)) => {
                invalid("destination_type", "must be a queue: a local-random exchange feeds nothing else")
            }
            _ => Ok(()),
        }
    }

    /// Adds a binding that was checked. `seed` stands for the target wherever hashes decide.
    pub(crate) fn bind(&mut self, condition: &Condition, target: Target, seed: u64) {
        self.bindings += 1;
        let key = condition.key.as_ref();
        match &mut self.table {
            Table::Direct(by_key) => by_key.entry(key.into()).or_default().push(target),
            Table::All(targets) | Table::Random(targets) => targets.push(target),
            Table::Topic(trie) => trie.insert(key, target),
            Table::Headers(list) => {
                if let Ok(condition) = HeaderMatch::from_arguments(&condition.table()) {
                    list.push((condition, target));
                }
            }
            Table::Hash(choice) => {
                if let Ok(weight) = weight(key) {
                    choice.insert(mix(seed ^ hash(key.as_bytes())), weight, target);
                }
            }
            Table::Modulus(list) => {
                let entry = (seed, target);
                list.insert(list.partition_point(|have| *have < entry), entry);
            }
        }
    }

    pub(crate) fn unbind(&mut self, condition: &Condition, target: &Target) {
        self.bindings -= 1;
        let key = condition.key.as_ref();
        match &mut self.table {
            Table::Direct(by_key) => {
                if let Some(targets) = by_key.get_mut(key) {
                    remove_one(targets, target);
                    if targets.is_empty() {
                        by_key.remove(key);
                    }
                }
            }
            Table::All(targets) | Table::Random(targets) => remove_one(targets, target),
            Table::Topic(trie) => trie.remove(key, target),
            Table::Headers(list) => {
                if let Ok(condition) = HeaderMatch::from_arguments(&condition.table()) {
                    remove_one(list, &(condition, target.clone()));
                }
            }
            Table::Hash(choice) => {
                if let Ok(weight) = weight(key) {
                    choice.remove(weight, target);
                }
            }
            Table::Modulus(list) => {
                if let Some(at) = list.iter().position(|(_, have)| have == target) {
                    list.remove(at);
                }
            }
        }
    }

    /// Calls `found` with each target of each matching binding.
    pub(crate) fn matches(&self, address: &Address<'_>, dice: &mut Dice, found: &mut dyn FnMut(&Target)) {
        match &self.table {
            Table::Direct(by_key) => {
                for key in address.keys {
                    by_key.get(*key).into_iter().flatten().for_each(&mut *found);
                }
            }
            Table::All(targets) => targets.iter().for_each(found),
            Table::Topic(trie) => address.keys.iter().for_each(|key| trie.matches(key, found)),
            Table::Headers(list) => {
                let headers: Vec<_> = address.headers.iter().collect();
                let matching = list.iter().filter(|(condition, _)| condition.matches(&headers));
                matching.for_each(|(_, target)| found(target));
            }
            Table::Hash(choice) => match address.hash_by(&self.options) {
                Some(hash) => choice.choose(hash).into_iter().for_each(found),
                None => {
                    let chosen = address.keys.iter().filter_map(|key| choice.choose(hash(key.as_bytes())));
                    chosen.for_each(found);
                }
            },
            Table::Modulus(list) => {
                let at = |key: &&str| hash(key.as_bytes()).checked_rem(list.len() as u64);
                let chosen = address.keys.iter().filter_map(|key| list.get(at(key)? as usize));
                chosen.for_each(|(_, target)| found(target));
            }
            Table::Random(targets) => targets.get(dice.below(targets.len())).into_iter().for_each(found),
        }
    }
}
