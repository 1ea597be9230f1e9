//! Where messages should go, written as plainly as possible: bindings in a list, every choice by looking at all.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use queue_engine::ExchangeKind;

/// How much a recent-history exchange keeps here.
pub const HISTORY: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Queue(String),
    Exchange(String),
}

#[derive(Clone, Debug)]
pub struct Letter {
    pub body: String,
    pub key: String,
    /// Keys of `CC`, then those of `BCC`.
    pub copies: Vec<String>,
    /// How many of them everybody may see.
    pub open: usize,
    pub delay: i64,
}

#[derive(Clone, Debug)]
pub struct Exchange {
    pub serial: u32,
    pub kind: ExchangeKind,
    /// How it chooses: for a delayed-message exchange, the kind behind it.
    pub chooses_as: ExchangeKind,
    pub alternate: Option<String>,
    pub auto_delete: bool,
    pub bindings: BTreeSet<(Target, String)>,
    pub history: VecDeque<Letter>,
    pub held: Vec<(i64, u32, Letter)>,
}

#[derive(Clone, Debug)]
pub struct Policy {
    pub host: String,
    pub pattern: String,
    pub priority: i32,
    pub max_length: Option<u64>,
    pub alternate: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct World {
    pub queues: BTreeMap<String, Queue>,
    pub exchanges: BTreeMap<String, Exchange>,
    pub policies: BTreeMap<(String, u8), Policy>,
    pub serial: u32,
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub max_length: Option<u64>,
    pub messages: Vec<String>,
}

/// What a message must reach, and where exactly one of several must be chosen for every key.
#[derive(Clone, Debug, Default)]
pub struct Way {
    pub queues: BTreeSet<String>,
    pub choices: Vec<BTreeSet<String>>,
    pub keeps: Vec<String>,
    pub holds: Vec<String>,
}

pub fn host(name: &str) -> &str {
    name.split_once('/').map_or("", |(host, _)| &name[..=host.len()])
}

fn topic_matches(pattern: &str, key: &str) -> bool {
    // The patterns of this test: words, `#` alone, and `word.#`.
    match pattern.strip_suffix(".#") {
        Some(first) => key == first || key.starts_with(&format!("{first}.")),
        None => pattern == "#" || pattern == key,
    }
}

fn matches(kind: ExchangeKind, pattern: &str, key: &str) -> bool {
    match kind {
        ExchangeKind::Direct => pattern == key,
        ExchangeKind::Topic => topic_matches(pattern, key),
        _ => true,
    }
}

pub fn chooses_one(kind: ExchangeKind) -> bool {
    use ExchangeKind::{ConsistentHash, LocalRandom, ModulusHash, Random};
    matches!(kind, ConsistentHash | ModulusHash | Random | LocalRandom)
}

impl World {
    fn policy(&self, name: &str, has: impl Fn(&Policy) -> bool) -> Option<&Policy> {
        let local = &name[host(name).len()..];
        let matching = self
            .policies
            .values()
            .filter(|policy| policy.host == host(name) && local.contains(&policy.pattern) && has(policy));
        // Of equals the first by name, which is how the map is ordered.
        matching.min_by_key(|policy| std::cmp::Reverse(policy.priority))
    }

    pub fn alternate(&self, name: &str) -> Option<String> {
        let own = self.exchanges[name].alternate.clone();
        let by_policy = self.policy(name, |_| true).and_then(|policy| policy.alternate.clone());
        own.or(by_policy).map(|local| format!("{}{local}", host(name)))
    }

    pub fn max_length(&self, name: &str) -> Option<u64> {
        let by_policy = self.policy(name, |_| true).and_then(|policy| policy.max_length);
        match (self.queues[name].max_length, by_policy) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        }
    }

    pub fn trim(&mut self) {
        let names: Vec<String> = self.queues.keys().cloned().collect();
        for name in names {
            let most = self.max_length(&name).unwrap_or(u64::MAX);
            let messages = &mut self.queues.get_mut(&name).unwrap().messages;
            while messages.len() as u64 > most {
                messages.remove(0);
            }
        }
    }

    /// From an exchange, or from the default one of a virtual host (`""`, `"v/"`).
    pub fn way(&self, from: &str, letter: &Letter) -> Way {
        let mut way = Way::default();
        let keys: Vec<&String> = std::iter::once(&letter.key).chain(&letter.copies).collect();
        if from.is_empty() || from.ends_with('/') {
            let names = keys.iter().map(|key| format!("{from}{key}"));
            way.queues = names.filter(|name| self.queues.contains_key(name)).collect();
            return way;
        }
        let mut seen = BTreeSet::new();
        let mut ahead = vec![from.to_owned()];
        while let Some(name) = ahead.pop() {
            let Some(exchange) = self.exchanges.get(&name) else { continue };
            if !seen.insert(name.clone()) {
                continue;
            }
            if exchange.kind == ExchangeKind::Delayed && letter.delay > 0 {
                way.holds.push(name);
                continue;
            }
            if exchange.kind == ExchangeKind::RecentHistory {
                way.keeps.push(name.clone());
            }
            if chooses_one(exchange.chooses_as) {
                let candidates = exchange.bindings.iter().map(|(target, _)| match target {
                    Target::Queue(queue) => queue.clone(),
                    Target::Exchange(_) => unreachable!("such exchanges feed queues here"),
                });
                let candidates: BTreeSet<String> = candidates.collect();
                if candidates.is_empty() {
                    ahead.extend(self.alternate(&name));
                } else {
                    way.choices.push(candidates);
                }
                continue;
            }
            let mut matched = false;
            for (target, pattern) in &exchange.bindings {
                if keys.iter().any(|key| matches(exchange.chooses_as, pattern, key)) {
                    matched = true;
                    match target {
                        Target::Queue(queue) => drop(way.queues.insert(queue.clone())),
                        Target::Exchange(next) => ahead.push(next.clone()),
                    }
                }
            }
            if !matched {
                ahead.extend(self.alternate(&name));
            }
        }
        way
    }

    pub fn drop_exchange(&mut self, name: &str) {
        self.exchanges.remove(name);
        self.forget(&Target::Exchange(name.to_owned()));
    }

    /// Takes out bindings to what is gone, and the exchanges that go with their last binding.
    pub fn forget(&mut self, target: &Target) {
        let mut abandoned = Vec::new();
        for (name, exchange) in &mut self.exchanges {
            let before = exchange.bindings.len();
            exchange.bindings.retain(|(have, _)| have != target);
            if exchange.bindings.len() < before && exchange.bindings.is_empty() && exchange.auto_delete {
                abandoned.push(name.clone());
            }
        }
        abandoned.iter().for_each(|name| self.drop_exchange(name));
    }

    /// Removes a virtual host's things.
    pub fn drop_host(&mut self, prefix: &str) {
        self.queues.retain(|name, _| host(name) != prefix);
        self.exchanges.retain(|name, _| host(name) != prefix);
        self.policies.retain(|_, policy| policy.host != prefix);
    }
}
