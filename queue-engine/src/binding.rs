use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ::message::{ExchangeName, HeaderTable, TopicName};
use bytes::Bytes;

use crate::exchange::{Dice, Exchange};
use crate::exchange_kind::{ExchangeKind, ExchangeOptions};
use crate::hash_choice::{hash, mix};
use crate::identity::IdMap;
use crate::routing::{Address, Route, delay_ms};
use crate::virtual_host::qualify;
use crate::{QueueError, QueueId};

/// What an exchange can feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingTarget {
    /// Another exchange.
    Exchange(ExchangeName),
    /// A queue.
    Queue(TopicName),
    /// A log, which the engine does not know: it reports what the log is to get.
    Log(TopicName),
}

/// Names an exchange inside the engine; not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ExchangeId(pub(crate) u32);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    Exchange(ExchangeId),
    Queue(QueueId),
    Log(TopicName),
}

impl Target {
    const FIRST: Target = Target::Exchange(ExchangeId(0));
}

/// What tells one binding of a source to a target from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition {
    pub(crate) key: Arc<str>,
    pub(crate) arguments: Bytes,
}

impl Condition {
    pub(crate) fn new(key: &str, arguments: &HeaderTable) -> Condition {
        Condition { key: key.into(), arguments: arguments.as_bytes().clone() }
    }

    fn first() -> Condition {
        Condition { key: "".into(), arguments: Bytes::new() }
    }

    pub(crate) fn table(&self) -> HeaderTable {
        HeaderTable::from_bytes(self.arguments.clone()).unwrap_or_default()
    }
}

/// The exchanges and what they feed.
#[derive(Debug)]
pub(crate) struct Topology {
    exchanges: IdMap<ExchangeId, Exchange>,
    names: HashMap<Box<str>, ExchangeId>,
    next: u32,
    by_source: BTreeSet<(ExchangeId, Target, Condition)>,
    by_target: BTreeSet<(Target, ExchangeId, Condition)>,
    routings: u64,
    pub(crate) dice: Dice,
    /// What exchanges that went kept messages in, to be dropped.
    pub(crate) orphans: Vec<QueueId>,
}

impl std::hash::Hash for Condition {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// The exchanges that always exist, as in RabbitMQ.
const PREDECLARED: [(&str, ExchangeKind); 5] = [
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
    ("amq.topic", ExchangeKind::Topic),
];

impl Topology {
    pub(crate) fn new() -> Topology {
        let mut topology = Topology {
            exchanges: IdMap::default(),
            names: HashMap::new(),
            next: 0,
            by_source: BTreeSet::new(),
            by_target: BTreeSet::new(),
            routings: 0,
            dice: Dice(0),
            orphans: Vec::new(),
        };
        topology.add_predeclared("");
        topology
    }

    /// Adds the exchanges that always exist in a virtual host.
    pub(crate) fn add_predeclared(&mut self, prefix: &str) {
        for (name, kind) in PREDECLARED {
            let Ok(name) = ExchangeName::new(&qualify(prefix, name)) else { continue };
            let mut exchange = Exchange::new(name, prefix.len(), kind, ExchangeOptions::default());
            exchange.predeclared = true;
            self.add(exchange);
        }
    }

    /// Takes all exchanges of a virtual host out.
    pub(crate) fn remove_below(&mut self, prefix: &str) {
        let below = self.exchanges.iter().filter(|(_, exchange)| exchange.prefix() == prefix);
        let below: Vec<ExchangeId> = below.map(|(id, _)| *id).collect();
        below.into_iter().for_each(|id| self.remove(id));
    }

    /// Adds an exchange whose name is free.
    pub(crate) fn add(&mut self, exchange: Exchange) -> ExchangeId {
        let id = ExchangeId(self.next);
        self.next += 1;
        self.names.insert(exchange.name.as_str().into(), id);
        self.exchanges.insert(id, exchange);
        id
    }

    pub(crate) fn id(&self, name: &str) -> Option<ExchangeId> {
        self.names.get(name).copied()
    }

    pub(crate) fn find(&self, name: &str) -> Result<ExchangeId, QueueError> {
        self.id(name).ok_or_else(|| QueueError::UnknownExchange(name.to_owned()))
    }

    pub(crate) fn get(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.exchanges.values_mut()
    }

    /// Takes an exchange and all its bindings out, on either side.
    pub(crate) fn remove(&mut self, id: ExchangeId) {
        let fed: Vec<_> = self.bindings_of(id).cloned().collect();
        for (source, target, condition) in fed {
            self.unbind(source, &target, &condition);
        }
        self.forget(&Target::Exchange(id));
        if let Some(exchange) = self.exchanges.remove(&id) {
            self.names.remove(exchange.name.as_str());
            self.orphans.extend(exchange.store);
        }
    }

    /// The bindings that an exchange feeds.
    pub(crate) fn bindings_of(
        &self,
        id: ExchangeId,
    ) -> impl Iterator<Item = &(ExchangeId, Target, Condition)> {
        let from = (id, Target::FIRST, Condition::first());
        self.by_source.range(from..).take_while(move |(source, _, _)| *source == id)
    }

    /// All bindings.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = &(ExchangeId, Target, Condition)> {
        self.by_source.iter()
    }

    pub(crate) fn has(&self, source: ExchangeId, target: &Target, condition: &Condition) -> bool {
        self.by_source.contains(&(source, target.clone(), condition.clone()))
    }

    /// Whether anything feeds the target.
    pub(crate) fn is_fed(&self, target: &Target) -> bool {
        self.feeding(target).next().is_some()
    }

    fn feeding(&self, target: &Target) -> impl Iterator<Item = &(Target, ExchangeId, Condition)> {
        let from = (target.clone(), ExchangeId(0), Condition::first());
        self.by_target.range(from..).take_while(move |(have, _, _)| have == target)
    }

    /// Takes out the exchanges that do not survive a restart.
    pub(crate) fn forget_transient(&mut self) {
        let transient = self.exchanges.iter().filter(|(_, exchange)| !exchange.options.durable);
        let transient: Vec<ExchangeId> = transient.map(|(id, _)| *id).collect();
        transient.into_iter().for_each(|id| self.remove(id));
    }

    /// Adds a binding; nothing changes when it is there.
    pub(crate) fn bind(&mut self, source: ExchangeId, target: Target, condition: Condition) {
        let seed = self.seed(&target);
        let Some(exchange) = self.exchanges.get_mut(&source) else { return };
        if self.by_source.insert((source, target.clone(), condition.clone())) {
            exchange.bind(&condition, target.clone(), seed);
            self.by_target.insert((target, source, condition));
        }
    }

    /// What stands for a target wherever hashes decide: the same after every restart.
    fn seed(&self, target: &Target) -> u64 {
        match target {
            Target::Queue(id) => mix(u64::from(id.0)),
            Target::Log(topic) => hash(topic.as_str().as_bytes()),
            Target::Exchange(id) => {
                let name = self.get(*id).map_or("", |exchange| exchange.name.as_str());
                mix(hash(name.as_bytes()))
            }
        }
    }

    pub(crate) fn unbind(&mut self, source: ExchangeId, target: &Target, condition: &Condition) {
        let entry = (source, target.clone(), condition.clone());
        if self.by_source.remove(&entry) {
            let (source, target, condition) = entry;
            if let Some(exchange) = self.exchanges.get_mut(&source) {
                exchange.unbind(&condition, &target);
            }
            self.by_target.remove(&(target, source, condition));
        }
    }

    /// Takes out every binding to a target that is gone, and the exchanges that go with their last binding.
    pub(crate) fn forget(&mut self, target: &Target) {
        let feeding: Vec<_> = self.feeding(target).cloned().collect();
        for (target, source, condition) in feeding {
            self.unbind(source, &target, &condition);
            self.remove_if_abandoned(source);
        }
    }

    /// Deletes an auto-delete exchange that just lost its last binding.
    pub(crate) fn remove_if_abandoned(&mut self, id: ExchangeId) {
        let gone = self.exchanges.get(&id).is_some_and(|e| e.options.auto_delete && e.bindings == 0);
        if gone {
            self.remove(id);
        }
    }

    /// Counts messages that were published to an exchange, and what they reached.
    pub(crate) fn count(&mut self, id: ExchangeId, messages: usize, reached: usize) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.counts.published_in += messages as u64;
            exchange.counts.published_out += reached as u64;
        }
    }

    /// Follows a message from an exchange to everything that it reaches, each once, cycles included.
    pub(crate) fn route(&mut self, from: ExchangeId, address: &Address<'_>, route: &mut Route) {
        self.routings += 1;
        let mut ahead = vec![from];
        while let Some(id) = ahead.pop() {
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            if std::mem::replace(&mut exchange.visited, self.routings) == self.routings {
                continue;
            }
            route.per_message |= exchange.decides_per_message();
            match (exchange.kind, exchange.store) {
                (ExchangeKind::Delayed, Some(store)) if delay_ms(address.headers).is_some() => {
                    route.delayed.push(store);
                    continue;
                }
                (ExchangeKind::RecentHistory, Some(store)) if address.may_be_kept() => {
                    route.histories.push(store);
                }
                _ => {}
            }
            let mut matched = false;
            exchange.matches(address, &mut self.dice, &mut |target| {
                matched = true;
                match target {
                    Target::Exchange(id) => ahead.push(*id),
                    Target::Queue(id) => route.queues.push(*id),
                    Target::Log(topic) => route.logs.push(topic.clone()),
                }
            });
            if let (false, Some(name)) = (matched, exchange.alternate()) {
                ahead.extend(match exchange.prefix() {
                    "" => self.names.get(name),
                    prefix => self.names.get(qualify(prefix, name).as_str()),
                });
            }
        }
        route.settle();
    }
}
