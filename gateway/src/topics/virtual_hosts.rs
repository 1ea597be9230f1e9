//! Virtual hosts: made, deleted, and how doors name what is in them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use message::{ErrorCode, TopicName};
use parking_lot::RwLock;
use queue_engine::DEFAULT_HOST;

use super::Topics;
use super::authorization::Act;
use super::deeds::Deed;
use super::outgoing::Acks;
use super::shard::{Room, Terms, Turn};
use super::spec::Created;
use crate::refusal::Refusal;

const DEFINE: Terms = Terms { acks: Acks::All, weight: 4 << 10, room: Room::Ordinary };
const UNDEFINE: Terms = Terms { room: Room::Reserved, ..DEFINE };
/// Journal bytes that deleting a log with the bindings to it takes at most.
const DELETION_OF_A_LOG: usize = 512 << 10;

/// A virtual host, as a door names things in it: what is called `name` there is the topic or exchange `host/name`, in
/// the default one plainly `name`. An empty name is the host's default exchange. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VirtualHost {
    prefix: Arc<str>,
}

impl Default for VirtualHost {
    fn default() -> VirtualHost {
        VirtualHost::new(DEFAULT_HOST)
    }
}

impl VirtualHost {
    /// What AMQP clients call the virtual host that always exists.
    pub const DEFAULT_NAME: &str = DEFAULT_HOST;

    fn new(name: &str) -> VirtualHost {
        let prefix = if name == DEFAULT_HOST { "".into() } else { format!("{name}/").into() };
        VirtualHost { prefix }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.prefix.strip_suffix('/').unwrap_or(DEFAULT_HOST)
    }

    /// The full name of what is called so here, unchecked: see [`Topics::name_in`] for names that clients chose.
    #[must_use]
    pub fn full<'a>(&self, local: &'a str) -> Cow<'a, str> {
        match &*self.prefix {
            "" => Cow::Borrowed(local),
            prefix => Cow::Owned([prefix, local].concat()),
        }
    }

    /// What something of this virtual host is called in it.
    #[must_use]
    pub fn local<'a>(&self, full: &'a str) -> &'a str {
        full.strip_prefix(&*self.prefix).unwrap_or(full)
    }
}

/// The names of virtual hosts, for doors. The owner changes it in step with the engine.
#[derive(Default)]
pub(crate) struct HostNames {
    /// Those that were made, by name. What is in one shares its prefix.
    made: RwLock<BTreeMap<Box<str>, VirtualHost>>,
    default: VirtualHost,
}

impl HostNames {
    pub(crate) fn set(&self, names: impl IntoIterator<Item = String>) {
        let host = |name: String| (name.as_str().into(), VirtualHost::new(&name));
        *self.made.write() = names.into_iter().map(host).collect();
    }

    fn get(&self, name: &str) -> Option<VirtualHost> {
        if name == DEFAULT_HOST { Some(self.default.clone()) } else { self.made.read().get(name).cloned() }
    }

    /// The virtual host that a full name belongs to: that with the longest name.
    pub(crate) fn of(&self, full: &str) -> VirtualHost {
        let made = self.made.read();
        let mut slashes = full.bytes().enumerate().rev().filter(|(_, byte)| *byte == b'/');
        let found = slashes.find_map(|(at, _)| made.get(full.get(..at)?));
        found.unwrap_or(&self.default).clone()
    }
}

fn unknown(name: &str) -> Refusal {
    let shown: String = name.chars().take(255).collect();
    let detail = format!("there is no virtual host {shown:?}; create it with PUT /v1/vhosts/{{vhost}}");
    Refusal::new(ErrorCode::UnknownVirtualHost, detail)
}

impl Topics {
    /// The virtual host of that name.
    pub fn virtual_host(&self, name: &str) -> Result<VirtualHost, Refusal> {
        self.allow(Act::EnterHost, name)?;
        self.directory().hosts.get(name).ok_or_else(|| unknown(name))
    }

    /// The virtual host that a topic or exchange of that full name belongs to.
    #[must_use]
    pub fn virtual_host_of(&self, full: &str) -> VirtualHost {
        self.directory().hosts.of(full)
    }

    /// The full name of what a client calls so in a virtual host. Refuses a name that would reach into another one.
    pub fn name_in(&self, host: &VirtualHost, local: &str) -> Result<String, Refusal> {
        let full = host.full(local).into_owned();
        // Without a slash in it no name reaches anywhere else.
        if !local.contains('/') || self.virtual_host_of(&full) == *host {
            return Ok(full);
        }
        let detail =
            format!("{local:?} is a name of the virtual host {:?}", self.virtual_host_of(&full).name());
        Err(Refusal::new(ErrorCode::Reserved, detail))
    }

    /// All virtual hosts by name, from after `after`; the default one, `/`, is among them.
    #[must_use]
    pub fn list_virtual_hosts(&self, after: Option<&str>, limit: usize) -> Vec<String> {
        let made = self.directory().hosts.made.read();
        let mut all: BTreeSet<&str> = made.keys().map(|name| &**name).collect();
        all.insert(DEFAULT_HOST);
        let later = all.into_iter().filter(|name| after.is_none_or(|after| *name > after));
        let later = later.filter(|name| self.may(Act::EnterHost, name));
        later.take(limit).map(str::to_owned).collect()
    }

    /// Makes a virtual host, or finds it made.
    pub async fn create_virtual_host(&self, name: &str) -> Result<Created, Refusal> {
        self.allow(Act::MakeHost, name)?;
        self.check_not_draining()?;
        let (name, topics) = (name.to_owned(), self.clone());
        let create = move |turn: &mut Turn<'_>| {
            let made = turn.engines.queue.create_virtual_host(turn.journal.block(), &name);
            let made = made.map_err(super::exchanges::in_body)?;
            turn.engines.directory.hosts.set(turn.engines.queue.virtual_hosts());
            if made {
                topics.did(Deed::MakeHost, &format!("virtual host {name:?}"));
            }
            Ok(if made { Created::Made } else { Created::Same })
        };
        self.shard().call(DEFINE, create).await?
    }

    /// Deletes the logs of a virtual host, before that itself.
    fn delete_logs_of(&self, turn: &mut Turn<'_>, host: &str) -> Result<(), Refusal> {
        let mut logs = self.directory().logs();
        // The default one cannot be deleted.
        logs.retain(|log| host != VirtualHost::DEFAULT_NAME && log.0.host.name() == host);
        let elsewhere = |queue: &TopicName| self.virtual_host_of(queue.as_str()).name() != host;
        for log in &logs {
            if let Some(queue) = turn.engines.queue.kept_by(log.name()).filter(|queue| elsewhere(queue)) {
                let detail = format!("{queue} keeps in {} what passes it; take that back first", log.name());
                return Err(Refusal::new(ErrorCode::InUse, detail));
            }
        }
        for log in &logs {
            turn.ensure(DELETION_OF_A_LOG)?;
            turn.delete_log(log)?;
        }
        Ok(turn.ensure(UNDEFINE.weight)?)
    }

    /// Deletes a virtual host with every queue, log, exchange, binding, policy and shovel in it, and the rules for what is in it.
    pub async fn delete_virtual_host(&self, name: &str) -> Result<(), Refusal> {
        self.allow(Act::DeleteHost, name)?;
        let (host, topics, by) = (name.to_owned(), self.clone(), self.author());
        let delete = move |turn: &mut Turn<'_>| {
            let queue = &turn.engines.queue;
            let totals: Vec<_> = queue
                .queues()
                .filter(|info| queue.virtual_host_of(info.name.as_str()) == host)
                .map(|info| info.totals)
                .collect();
            topics.delete_logs_of(turn, &host)?;
            turn.delete_shovels_of(&host, &by)?;
            let queue = &mut turn.engines.queue;
            let gone = queue.delete_virtual_host(turn.journal.block(), &host)?;
            topics.did(Deed::DeleteHost, &format!("virtual host {host:?}"));
            turn.engines.directory.hosts.set(turn.engines.queue.virtual_hosts());
            gone.iter().for_each(|queue| turn.engines.forget_topic(queue));
            totals.iter().for_each(|totals| turn.engines.vitals.keep_counts_of(totals));
            Ok::<(), Refusal>(())
        };
        self.shard().call(UNDEFINE, delete).await??;
        self.forget_rules_within(name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_in_and_out_of_their_host() {
        let hosts = HostNames::default();
        hosts.set(["/", "a", "a/b", "/prod"].map(str::to_owned));
        for (full, host, local) in [
            ("q", "/", "q"),
            ("x/q", "/", "x/q"),
            ("a/q", "a", "q"),
            ("a/b/q", "a/b", "q"),
            ("a/c/q", "a", "c/q"),
            ("/prod/q", "/prod", "q"),
        ] {
            let found = hosts.of(full);
            assert_eq!((found.name(), found.local(full)), (host, local));
            assert_eq!(found.full(local), full);
        }
    }
}
