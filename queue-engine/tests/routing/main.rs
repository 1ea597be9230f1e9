//! Routing beside a naive model of it: exchanges of every kind, alternates, copies, delays, histories, policies and
//! virtual hosts, with crashes at any block boundary with and without the last block.
#![allow(clippy::unwrap_used)]

mod command;
#[path = "../model/journal.rs"]
mod journal;
mod world;

use std::collections::BTreeSet;

use command::{Command, INNER, KEYS, command};
use journal::TestJournal;
use message::{ExchangeName, HeaderTable, HeaderValue, Timestamp, TopicName};
use proptest::prelude::*;
use queue_engine::{
    ApplyTo, BindingTarget, Destination, EngineConfig, ExchangeKind, ExchangeOptions, IfEmpty, NewMessage,
    Policy, PolicyDefinition, PolicyKind, QueueEngine, QueueOptions,
};
use segment_store::Block;
use world::{Exchange, HISTORY, Letter, Queue, Target, Way, World, chooses_one};

const HOST: &str = "v";

struct Pair {
    engine: QueueEngine,
    world: World,
    journal: TestJournal,
    config: EngineConfig,
    now: i64,
    published: u32,
    lose_next: bool,
    /// Queues whose content the model takes over at the end of the group.
    unclear: BTreeSet<String>,
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn exchange(name: &str) -> ExchangeName {
    ExchangeName::new(name).unwrap()
}

fn prefix(host: bool) -> &'static str {
    if host { "v/" } else { "" }
}

fn headers(copies: &[String], blind: &[String], delay: i64) -> HeaderTable {
    let list = |keys: &[String]| HeaderValue::List(keys.iter().cloned().map(HeaderValue::Text).collect());
    let mut headers = Vec::new();
    if !copies.is_empty() {
        headers.push(("CC".to_owned(), list(copies)));
    }
    if !blind.is_empty() {
        headers.push(("BCC".to_owned(), list(blind)));
    }
    if delay > 0 {
        headers.push(("x-delay".to_owned(), HeaderValue::Int(delay)));
    }
    headers.into_iter().collect()
}

impl Pair {
    fn new() -> Pair {
        let config = EngineConfig {
            queue_memory_bytes: 700,
            memory_bytes: 1500,
            read_ahead_bytes: 900,
            segment_bytes: 512,
            ..EngineConfig::default()
        };
        let journal = TestJournal::default();
        let engine = journal.recover(config, Timestamp(1000));
        let mut pair = Pair {
            engine,
            world: World::default(),
            journal,
            config,
            now: 1000,
            published: 0,
            lose_next: false,
            unclear: BTreeSet::new(),
        };
        pair.group(|pair, block| assert_eq!(pair.engine.create_virtual_host(block, HOST), Ok(true)));
        pair
    }

    fn group(&mut self, work: impl FnOnce(&mut Pair, &mut Block)) {
        let before = self.world.clone();
        let mut block = self.journal.block();
        work(self, &mut block);
        self.engine.take_outbox(&mut block);
        if std::mem::take(&mut self.lose_next) {
            self.world = before;
            self.unclear.clear();
            return self.crash();
        }
        self.journal.commit(&block);
        for queue in std::mem::take(&mut self.unclear) {
            let bodies = self.bodies(&queue);
            assert!(bodies.len() as u64 <= self.world.max_length(&queue).unwrap_or(u64::MAX));
            self.world.queues.get_mut(&queue).unwrap().messages = bodies;
        }
        self.check();
    }

    fn crash(&mut self) {
        self.engine = self.journal.recover(self.config, Timestamp(self.now));
        // What was due in the lost group is due still.
        self.lose_next = false;
        self.group(|pair, block| pair.tick(block));
    }

    fn step(&mut self, command: &Command) {
        match command {
            Command::Crash => self.crash(),
            Command::LoseNext => self.lose_next = true,
            Command::Checkpoint => self.journal.checkpoint(&self.engine),
            command => self.group(|pair, block| pair.apply(command, block)),
        }
    }

    fn apply(&mut self, command: &Command, block: &mut Block) {
        let now = Timestamp(self.now);
        match command {
            Command::DeclareQueue { host, queue, max_length } => {
                let name = format!("{}q{queue}", prefix(*host));
                let options = QueueOptions { max_length: *max_length, ..QueueOptions::default() };
                let declared = self.engine.declare_queue(block, &topic(&name), options, now);
                let is_new = !self.world.queues.contains_key(&name);
                assert!(!is_new || declared.unwrap().created);
                if is_new {
                    let queue = Queue { max_length: *max_length, messages: Vec::new() };
                    self.world.queues.insert(name, queue);
                }
            }
            Command::DeleteQueue { host, queue } => {
                let name = format!("{}q{queue}", prefix(*host));
                let deleted = self.engine.delete_queue(block, &topic(&name), false, IfEmpty::Never);
                assert_eq!(deleted.is_ok(), self.world.queues.remove(&name).is_some());
                self.world.forget(&Target::Queue(name));
            }
            Command::DeclareExchange { .. } => self.declare_exchange(command, block),
            Command::DeleteExchange { host, exchange: number } => {
                let name = format!("{}x{number}", prefix(*host));
                let deleted = self.engine.delete_exchange(block, &exchange(&name), false);
                assert_eq!(deleted.is_ok(), self.world.exchanges.contains_key(&name));
                self.world.drop_exchange(&name);
            }
            Command::Bind { .. } => self.bind(command, block),
            Command::Unbind { host, exchange: number, nth } => {
                let name = format!("{}x{number}", prefix(*host));
                let Some(source) = self.world.exchanges.get_mut(&name) else { return };
                let Some((target, key)) =
                    source.bindings.iter().nth(nth.index(source.bindings.len().max(1))).cloned()
                else {
                    return;
                };
                source.bindings.remove(&(target.clone(), key.clone()));
                let gone = source.auto_delete && source.bindings.is_empty();
                let target = binding_target(&target);
                let unbound =
                    self.engine.unbind(block, &exchange(&name), &target, &key, &HeaderTable::default());
                assert_eq!(unbound, Ok(()));
                if gone {
                    self.world.drop_exchange(&name);
                }
            }
            Command::Publish { .. } => self.publish(command, block),
            Command::SetPolicy { host, name, pattern, priority, max_length, alternate } => {
                let pattern = ["", "q", "0", "x"][*pattern as usize].to_owned();
                let alternate = alternate.map(|number| format!("x{number}"));
                let definition = PolicyDefinition {
                    max_length: *max_length,
                    alternate_exchange: alternate.clone(),
                    ..PolicyDefinition::default()
                };
                if definition == PolicyDefinition::default() {
                    return;
                }
                let policy = Policy {
                    pattern: pattern.clone(),
                    apply_to: ApplyTo::All,
                    priority: *priority,
                    definition,
                };
                let where_ = if *host { HOST } else { "/" };
                let set =
                    self.engine.set_policy(block, PolicyKind::User, where_, &format!("p{name}"), policy, now);
                let host = prefix(*host).to_owned();
                let policy = world::Policy {
                    host: host.clone(),
                    pattern,
                    priority: *priority,
                    max_length: *max_length,
                    alternate,
                };
                assert_eq!(set, Ok(self.world.policies.insert((host, *name), policy).is_none()));
                self.world.trim();
            }
            Command::DeletePolicy { host, name } => {
                let where_ = if *host { HOST } else { "/" };
                let deleted =
                    self.engine.delete_policy(block, PolicyKind::User, where_, &format!("p{name}"), now);
                let had = self.world.policies.remove(&(prefix(*host).to_owned(), *name)).is_some();
                assert_eq!(deleted.is_ok(), had);
                self.world.trim();
            }
            Command::DropHost => {
                let gone = self.engine.delete_virtual_host(block, HOST).unwrap();
                let had = self.world.queues.keys().filter(|name| world::host(name) == "v/").count();
                assert_eq!(gone.len(), had);
                self.world.drop_host("v/");
                assert_eq!(self.engine.create_virtual_host(block, HOST), Ok(true));
            }
            Command::Pass(ms) => {
                self.now += ms;
                self.tick(block);
            }
            Command::Checkpoint | Command::Crash | Command::LoseNext => unreachable!(),
        }
    }

    fn declare_exchange(&mut self, command: &Command, block: &mut Block) {
        let Command::DeclareExchange { host, exchange: number, kind, inner, alternate, auto } = command
        else {
            return;
        };
        let name = format!("{}x{number}", prefix(*host));
        let inner = (*kind == ExchangeKind::Delayed).then(|| INNER[*inner as usize]);
        let alternate = alternate.map(|number| format!("x{number}"));
        let options = ExchangeOptions {
            auto_delete: *auto,
            alternate_exchange: alternate.clone(),
            history_length: (*kind == ExchangeKind::RecentHistory).then_some(HISTORY as u32),
            delayed_kind: inner,
            ..ExchangeOptions::default()
        };
        let declared = self.engine.declare_exchange(block, &exchange(&name), *kind, options);
        if self.world.exchanges.contains_key(&name) {
            return;
        }
        assert_eq!(declared, Ok(true));
        self.world.serial += 1;
        let made = Exchange {
            serial: self.world.serial,
            kind: *kind,
            chooses_as: inner.unwrap_or(*kind),
            alternate,
            auto_delete: *auto,
            bindings: BTreeSet::new(),
            history: Default::default(),
            held: Vec::new(),
        };
        self.world.exchanges.insert(name, made);
    }

    fn bind(&mut self, command: &Command, block: &mut Block) {
        let Command::Bind { host, exchange: number, to_exchange, target, key } = command else { return };
        let name = format!("{}x{number}", prefix(*host));
        let Some(source) = self.world.exchanges.get(&name) else { return };
        let one = chooses_one(source.chooses_as);
        let key = match source.chooses_as {
            ExchangeKind::ConsistentHash => (u64::from(*key) + 1).to_string(),
            ExchangeKind::LocalRandom => String::new(),
            _ => KEYS[*key as usize].to_owned(),
        };
        let target = if *to_exchange && !one {
            Target::Exchange(format!("{}x{target}", prefix(*host)))
        } else {
            Target::Queue(format!("{}q{target}", prefix(*host)))
        };
        let is_there = match &target {
            Target::Queue(queue) => self.world.queues.contains_key(queue),
            Target::Exchange(exchange) => self.world.exchanges.contains_key(exchange),
        };
        let history: Vec<Letter> = source.history.iter().cloned().collect();
        let now = Timestamp(self.now);
        let to = binding_target(&target);
        let bound = self.engine.bind(block, &exchange(&name), &to, &key, &HeaderTable::default(), now);
        if !is_there {
            assert!(bound.is_err());
            return;
        }
        let source = self.world.exchanges.get_mut(&name).unwrap();
        let is_new = source.bindings.insert((target.clone(), key));
        assert_eq!(bound, Ok(is_new));
        if !is_new {
            return;
        }
        for letter in history {
            match &target {
                Target::Queue(queue) => {
                    self.world.queues.get_mut(queue).unwrap().messages.push(letter.body.clone());
                    self.world.trim();
                }
                Target::Exchange(next) => {
                    let way = self.world.way(next, &letter);
                    self.follow(way, &letter);
                }
            }
        }
    }

    fn publish(&mut self, command: &Command, block: &mut Block) {
        let Command::Publish { host, exchange: to, key, copies, blind, delay } = command else { return };
        let from = to.map_or(prefix(*host).to_owned(), |number| format!("{}x{number}", prefix(*host)));
        self.published += 1;
        let names = |keys: &[u8]| keys.iter().map(|key| KEYS[*key as usize].to_owned()).collect::<Vec<_>>();
        let (copies, blind) = (names(copies), names(blind));
        let letter = Letter {
            body: format!("message {}", self.published),
            key: KEYS[*key as usize].to_owned(),
            copies: [copies.clone(), blind.clone()].concat(),
            open: copies.len(),
            delay: *delay,
        };
        let message = NewMessage {
            body: letter.body.clone().into(),
            headers: headers(&copies, &blind, *delay),
            ..NewMessage::default()
        };
        let to = Destination::Exchange { name: &from, routing_key: &letter.key };
        let needed = self.engine.publish_bytes(to, std::slice::from_ref(&message));
        let before = block.remaining();
        let published = self.engine.publish(block, to, message, Timestamp(self.now));
        if to_is_known(&self.world, &from) {
            let published = published.unwrap();
            assert!(before - block.remaining() <= needed + 64, "the room asked for is enough");
            let way = self.world.way(&from, &letter);
            assert_eq!(published.held, !way.holds.is_empty());
            let expected =
                way.queues.len()..=way.queues.len() + way.choices.len() * (1 + letter.copies.len());
            assert!(expected.contains(&published.queues), "{published:?} {way:?}");
            self.follow(way, &letter);
        } else {
            assert!(published.is_err());
        }
    }

    /// Books a message where it must go, and takes over what the engine chose where it may choose.
    fn follow(&mut self, way: Way, letter: &Letter) {
        let mut reached = way.queues.clone();
        for candidates in &way.choices {
            let chosen: Vec<&String> =
                candidates.iter().filter(|queue| self.gained(queue, &letter.body)).collect();
            // A queue that gave way to later messages does not tell whether it was chosen for this one.
            let bounded = candidates.iter().filter(|queue| self.world.max_length(queue).is_some());
            let bounded: Vec<String> = bounded.cloned().collect();
            assert!(!chosen.is_empty() || !bounded.is_empty(), "one of {candidates:?} has {}", letter.body);
            reached.extend(chosen.into_iter().cloned());
            self.unclear.extend(bounded);
        }
        for name in &reached {
            self.world.queues.get_mut(name).unwrap().messages.push(letter.body.clone());
        }
        self.world.trim();
        for name in way.keeps {
            let history = &mut self.world.exchanges.get_mut(&name).unwrap().history;
            // Blind copies are forgotten.
            let copies = letter.copies[..letter.open].to_vec();
            history.push_back(Letter { copies, ..letter.clone() });
            if history.len() > HISTORY {
                history.pop_front();
            }
        }
        for name in way.holds {
            self.world.serial += 1;
            let due = (self.now + letter.delay, self.world.serial, letter.clone());
            self.world.exchanges.get_mut(&name).unwrap().held.push(due);
        }
    }

    /// Whether the engine has the message once more often than the model.
    fn gained(&self, queue: &str, body: &str) -> bool {
        let count = |bodies: &[String]| bodies.iter().filter(|have| *have == body).count();
        count(&self.bodies(queue)) > count(&self.world.queues[queue].messages)
    }

    fn bodies(&self, queue: &str) -> Vec<String> {
        let page = self.engine.browse(&topic(queue), None, 10_000, u64::MAX).unwrap();
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
        page.messages.iter().map(|browsed| text(&browsed.message.as_ref().unwrap().body)).collect()
    }

    fn tick(&mut self, block: &mut Block) {
        while self.engine.next_deadline().is_some_and(|due| due.0 <= self.now) {
            self.engine.tick(block, Timestamp(self.now));
        }
        let mut names: Vec<(u32, String)> =
            self.world.exchanges.iter().map(|(name, exchange)| (exchange.serial, name.clone())).collect();
        names.sort();
        for (_, name) in names {
            let held = &mut self.world.exchanges.get_mut(&name).unwrap().held;
            let mut due: Vec<_> = held.iter().filter(|(due, ..)| *due <= self.now).cloned().collect();
            held.retain(|(due, ..)| *due > self.now);
            due.sort_by_key(|(due, serial, _)| (*due, *serial));
            for (_, _, letter) in due {
                let letter = Letter { delay: 0, ..letter };
                let way = self.world.way(&name, &letter);
                self.follow(way, &letter);
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.engine.queue_names().count(), self.world.queues.len());
        for (name, queue) in &self.world.queues {
            assert_eq!(self.bodies(name), queue.messages, "{name}");
            let info = self.engine.queue_info(&topic(name)).unwrap();
            assert_eq!(info.in_force.max_length, self.world.max_length(name), "{name}");
            assert_eq!(info.options.max_length, queue.max_length, "{name}");
        }
        let page = |name: &str| self.engine.exchange(&exchange(name)).unwrap();
        for (name, exchange) in &self.world.exchanges {
            assert_eq!(page(name).bindings, exchange.bindings.len(), "{name}");
            let alternate = self.world.alternate(name).map(|full| full[world::host(name).len()..].to_owned());
            assert_eq!(page(name).alternate_exchange, alternate, "{name}");
        }
        let own = self.engine.exchanges().iter().filter(|info| !info.predeclared).count();
        assert_eq!(own, self.world.exchanges.len());
    }
}

fn to_is_known(world: &World, from: &str) -> bool {
    from.is_empty() || from.ends_with('/') || world.exchanges.contains_key(from)
}

fn binding_target(target: &Target) -> BindingTarget {
    match target {
        Target::Queue(name) => BindingTarget::Queue(topic(name)),
        Target::Exchange(name) => BindingTarget::Exchange(exchange(name)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4000, ..ProptestConfig::default() })]
    #[test]
    fn messages_go_where_the_model_says(commands in prop::collection::vec(command(), 1..120)) {
        let mut pair = Pair::new();
        for command in &commands {
            pair.step(command);
        }
        pair.crash();
    }
}
