use std::collections::HashMap;

use ::message::{ExchangeName, HeaderTable};

use crate::binding::Target;
use crate::fields::{Fields, Malformed, put_bytes};
use crate::header_match::HeaderMatch;
use crate::topic_trie::TopicTrie;
use crate::{BindingTarget, QueueError};

/// How an exchange chooses among its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// Bindings whose key equals the routing key.
    Direct,
    /// All bindings.
    Fanout,
    /// Bindings whose pattern matches the routing key, `*` for one word and `#` for any number.
    Topic,
    /// Bindings whose arguments match the message's headers.
    Headers,
}

impl ExchangeKind {
    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ExchangeKind> {
        let all = [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic, ExchangeKind::Headers];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How an exchange behaves beside its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeOptions {
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes when its last binding goes.
    pub auto_delete: bool,
    /// Whether only other exchanges may feed it.
    pub internal: bool,
    /// The exchange that gets what no binding of this one matches.
    pub alternate_exchange: Option<String>,
}

impl Default for ExchangeOptions {
    fn default() -> ExchangeOptions {
        ExchangeOptions { durable: true, auto_delete: false, internal: false, alternate_exchange: None }
    }
}

impl ExchangeOptions {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let flag = |bit: u8, set: bool| u8::from(set) << bit;
        let alternate = self.alternate_exchange.as_deref();
        out.push(
            flag(0, self.durable)
                | flag(1, self.auto_delete)
                | flag(2, self.internal)
                | flag(3, alternate.is_some()),
        );
        if let Some(name) = alternate {
            put_bytes(out, name.as_bytes());
        }
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<ExchangeOptions, Malformed> {
        let flags = fields.byte()?;
        let alternate = if flags & 8 != 0 { Some(fields.text()?.to_owned()) } else { None };
        Ok(ExchangeOptions {
            durable: flags & 1 != 0,
            auto_delete: flags & 2 != 0,
            internal: flags & 4 != 0,
            alternate_exchange: alternate,
        })
    }
}

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
    /// How many bindings it feeds.
    pub bindings: usize,
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
    pub(crate) kind: ExchangeKind,
    pub(crate) options: ExchangeOptions,
    pub(crate) predeclared: bool,
    table: Table,
    pub(crate) bindings: usize,
    /// The last routing that came by, so that none comes twice.
    pub(crate) visited: u64,
}

#[derive(Debug)]
enum Table {
    Direct(HashMap<Box<str>, Vec<Target>>),
    Fanout(Vec<Target>),
    Topic(TopicTrie<Target>),
    Headers(Vec<(HeaderMatch, Target)>),
}

fn remove_one<T: PartialEq>(list: &mut Vec<T>, what: &T) {
    if let Some(at) = list.iter().position(|have| have == what) {
        list.swap_remove(at);
    }
}

impl Exchange {
    pub(crate) fn new(name: ExchangeName, kind: ExchangeKind, options: ExchangeOptions) -> Exchange {
        let table = match kind {
            ExchangeKind::Direct => Table::Direct(HashMap::new()),
            ExchangeKind::Fanout => Table::Fanout(Vec::new()),
            ExchangeKind::Topic => Table::Topic(TopicTrie::default()),
            ExchangeKind::Headers => Table::Headers(Vec::new()),
        };
        Exchange { name, kind, options, predeclared: false, table, bindings: 0, visited: 0 }
    }

    pub(crate) fn info(&self) -> ExchangeInfo {
        ExchangeInfo {
            name: self.name.clone(),
            kind: self.kind,
            options: self.options.clone(),
            predeclared: self.predeclared,
            bindings: self.bindings,
        }
    }

    /// Whether the choice depends on more than the routing key.
    pub(crate) fn reads_headers(&self) -> bool {
        self.kind == ExchangeKind::Headers
    }

    /// Refuses arguments that this kind cannot work with.
    pub(crate) fn check(&self, arguments: &HeaderTable) -> Result<(), QueueError> {
        match self.kind {
            ExchangeKind::Headers => HeaderMatch::from_arguments(arguments).map(drop),
            _ => Ok(()),
        }
    }

    /// Adds a binding whose arguments were checked.
    pub(crate) fn bind(&mut self, key: &str, arguments: &HeaderTable, target: Target) {
        self.bindings += 1;
        match &mut self.table {
            Table::Direct(by_key) => by_key.entry(key.into()).or_default().push(target),
            Table::Fanout(targets) => targets.push(target),
            Table::Topic(trie) => trie.insert(key, target),
            Table::Headers(list) => {
                if let Ok(condition) = HeaderMatch::from_arguments(arguments) {
                    list.push((condition, target));
                }
            }
        }
    }

    pub(crate) fn unbind(&mut self, key: &str, arguments: &HeaderTable, target: &Target) {
        self.bindings -= 1;
        match &mut self.table {
            Table::Direct(by_key) => {
                if let Some(targets) = by_key.get_mut(key) {
                    remove_one(targets, target);
                    if targets.is_empty() {
                        by_key.remove(key);
                    }
                }
            }
            Table::Fanout(targets) => remove_one(targets, target),
            Table::Topic(trie) => trie.remove(key, target),
            Table::Headers(list) => {
                if let Ok(condition) = HeaderMatch::from_arguments(arguments) {
                    remove_one(list, &(condition, target.clone()));
                }
            }
        }
    }

    /// Calls `found` with each target of each matching binding.
    pub(crate) fn matches(&self, key: &str, headers: &HeaderTable, found: &mut dyn FnMut(&Target)) {
        match &self.table {
            Table::Direct(by_key) => by_key.get(key).into_iter().flatten().for_each(found),
            Table::Fanout(targets) => targets.iter().for_each(found),
            Table::Topic(trie) => trie.matches(key, found),
            Table::Headers(list) => {
                let headers: Vec<_> = headers.iter().collect();
                let matching = list.iter().filter(|(condition, _)| condition.matches(&headers));
                matching.for_each(|(_, target)| found(target));
            }
        }
    }
}
