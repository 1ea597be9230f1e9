//! Virtual hosts: name spaces of queues and exchanges that know nothing of each other.
use std::collections::BTreeMap;
use std::sync::Arc;

use ::message::TopicName;
use segment_store::Block;

use crate::engine::QueueEngine;
use crate::names::Found;
use crate::record::Record;
use crate::{QueueError, QueueId};

/// The name of the virtual host that always exists, as AMQP clients call it.
pub const DEFAULT_HOST: &str = "/";

/// The virtual hosts, and which of them a name belongs to.
///
/// What is in the default one has its plain name, what is elsewhere is called `host/name`. **Invariant:** a name never
/// changes hands: a host is refused while anything has a name that would become the host's.
#[derive(Debug, Default)]
pub(crate) struct VirtualHosts {
    /// By name, what names in it start with.
    prefixes: BTreeMap<Box<str>, Arc<str>>,
}

impl VirtualHosts {
    fn insert(&mut self, name: &str) {
        self.prefixes.insert(name.into(), format!("{name}/").into());
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        name == DEFAULT_HOST || self.prefixes.contains_key(name)
    }

    /// How many bytes at the start of a name say where it belongs: none for the default virtual host.
    pub(crate) fn prefix_len(&self, full: &str) -> usize {
        if self.prefixes.is_empty() {
            return 0;
        }
        let mut slashes = full.bytes().enumerate().rev().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        let found = slashes.find(|at| full.get(..*at).is_some_and(|name| self.prefixes.contains_key(name)));
        found.map_or(0, |at| at + 1)
    }

    /// The prefix of the virtual host whose default exchange this name stands for: nothing in front of nothing.
    pub(crate) fn default_exchange(&self, full: &str) -> Option<Option<Arc<str>>> {
        if full.is_empty() {
            return Some(None);
        }
        let prefix = self.prefixes.get(full.strip_suffix('/')?)?;
        Some(Some(prefix.clone()))
    }

    /// What names in the virtual host start with.
    pub(crate) fn prefix(&self, name: &str) -> Result<Arc<str>, QueueError> {
        match name {
            DEFAULT_HOST => Ok("".into()),
            name => {
                let found = self.prefixes.get(name).cloned();
                found.ok_or_else(|| QueueError::UnknownVirtualHost(name.to_owned()))
            }
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.prefixes.keys().map(|name| &**name)
    }
}

/// The virtual host that a prefix stands for.
pub(crate) fn host_of(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(DEFAULT_HOST)
}

/// A name where it belongs.
pub(crate) fn qualify(prefix: &str, local: &str) -> String {
    [prefix, local].concat()
}

/// What a virtual host may be called: names in it need room behind it.
fn check(name: &str) -> Result<(), QueueError> {
    let invalid = |why: &str| Err(QueueError::InvalidOption { field: "vhost", why: why.to_owned() });
    if name.is_empty() || name.len() > 127 {
        return invalid("must be 1 to 127 bytes");
    }
    if name.chars().any(char::is_control) {
        return invalid("must not contain control characters");
    }
    if name.ends_with('/') || name == "." || name == ".." {
        return invalid("must not end with a slash, nor be a path segment that URLs cannot carry");
    }
    Ok(())
}

impl QueueEngine {
    /// Makes a virtual host with the exchanges that always exist. Answers whether it was made.
    pub fn create_virtual_host(&mut self, block: &mut Block, name: &str) -> Result<bool, QueueError> {
        self.begin(block);
        if self.hosts.has(name) {
            return Ok(false);
        }
        check(name)?;
        let prefix = qualify(name, "/");
        let taken = |full: &str| full.starts_with(&prefix) && self.hosts.prefix_len(full) < prefix.len();
        let exchanges = self.topology.iter().map(|exchange| exchange.name.as_str());
        let names = self.names.iter().chain(exchanges);
        let found = names.into_iter().find(|name| taken(name)).map(str::to_owned);
        if let Some(name) = found {
            let why = format!("{name:?} would change hands: its name starts with that of the virtual host");
            return Err(QueueError::InUse(why));
        }
        self.change(block, Record::VirtualHostCreated { name: name.to_owned() })?;
        Ok(true)
    }

    /// Deletes a virtual host with everything in it; answers the queues that went.
    pub fn delete_virtual_host(
        &mut self,
        block: &mut Block,
        name: &str,
    ) -> Result<Vec<TopicName>, QueueError> {
        self.begin(block);
        if name == DEFAULT_HOST {
            let why = format!("the virtual host {DEFAULT_HOST:?} always exists and cannot be deleted");
            return Err(QueueError::Reserved(why));
        }
        let prefix = self.hosts.prefix(name)?;
        let queues = self.queues_below(&prefix);
        let named = |id: &QueueId| self.queues.get(id).filter(|queue| queue.store_of.is_none());
        let names = queues.iter().filter_map(named).map(|queue| queue.name.clone()).collect();
        self.change(block, Record::VirtualHostDeleted { name: name.to_owned() })?;
        Ok(names)
    }

    /// The names of all virtual hosts, the default one first.
    #[must_use]
    pub fn virtual_hosts(&self) -> Vec<String> {
        std::iter::once(DEFAULT_HOST).chain(self.hosts.names()).map(str::to_owned).collect()
    }

    /// Whether there is a virtual host of that name.
    #[must_use]
    pub fn has_virtual_host(&self, name: &str) -> bool {
        self.hosts.has(name)
    }

    /// The virtual host that a queue or exchange of that name belongs to.
    #[must_use]
    pub fn virtual_host_of<'a>(&self, full: &'a str) -> &'a str {
        host_of(full.get(..self.hosts.prefix_len(full)).unwrap_or_default())
    }

    pub(crate) fn add_virtual_host(&mut self, name: &str) {
        if !self.hosts.has(name) {
            self.hosts.insert(name);
            self.topology.add_predeclared(&qualify(name, "/"));
        }
    }

    pub(crate) fn remove_virtual_host(&mut self, name: &str) {
        let Ok(prefix) = self.hosts.prefix(name) else { return };
        for id in self.queues_below(&prefix) {
            self.forget_queue(id);
        }
        self.topology.remove_below(&prefix);
        self.drop_orphans();
        self.policies.remove_below(&prefix);
        self.hosts.prefixes.remove(name);
    }

    /// The queues of one virtual host, in order of their ids.
    pub(crate) fn queues_below(&self, prefix: &str) -> Vec<QueueId> {
        let below = self.queues.values().filter(|queue| queue.prefix() == prefix);
        let mut ids: Vec<QueueId> = below.map(|queue| queue.id).collect();
        ids.sort_unstable();
        ids
    }

    /// The queue that is called so in the virtual host.
    pub(crate) fn queue_in(&self, prefix: &str, local: &str) -> Option<QueueId> {
        match prefix {
            "" => self.named(local),
            prefix => self.named(&qualify(prefix, local)),
        }
    }

    /// The same, where it is told whether somebody asked for it lately.
    pub(crate) fn find_in(&self, prefix: &str, local: &str) -> Option<Found> {
        match prefix {
            "" => self.names.find(local),
            prefix => self.names.find(&qualify(prefix, local)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_host_has_the_name() {
        let mut hosts = VirtualHosts::default();
        assert_eq!(hosts.prefix_len("a/b"), 0);
        for name in ["a", "a/b", "/prod"] {
            hosts.insert(name);
        }
        for (full, prefix) in [
            ("q", ""),
            ("a", ""),
            ("a/", "a/"),
            ("a/q", "a/"),
            ("a/b", "a/"),
            ("a/b/q", "a/b/"),
            ("a/c/q", "a/"),
            ("/prod/q", "/prod/"),
            ("/other/q", ""),
        ] {
            assert_eq!(&full[..hosts.prefix_len(full)], prefix, "{full}");
        }
        assert_eq!(hosts.default_exchange(""), Some(None));
        assert_eq!(hosts.default_exchange("a/"), Some(Some("a/".into())));
        assert_eq!(hosts.default_exchange("b/"), None);
        assert_eq!(hosts.default_exchange("a/x"), None);
    }
}
