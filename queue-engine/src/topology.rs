use ::message::{ExchangeName, HeaderTable, Timestamp, TopicName};
use segment_store::Block;

use crate::binding::{Condition, Target};
use crate::binding_record::{BindingRecord, RecordTarget};
use crate::dedup::SeenIds;
use crate::engine::QueueEngine;
use crate::exchange::{Binding, Exchange, ExchangeInfo};
use crate::exchange_kind::{ExchangeKind, ExchangeOptions};
use crate::exchange_store::BINDING_BYTES;
use crate::record::Record;
use crate::{BindingTarget, QueueError};

/// Names that start like this are the broker's.
const RESERVED: &str = "amq.";

pub(crate) fn check_reserved(what: &str, name: &str) -> Result<(), QueueError> {
    if name.starts_with(RESERVED) {
        let why = format!("{what} {name:?}: names that start with \"amq.\" are the broker's own");
        return Err(QueueError::Reserved(why));
    }
    Ok(())
}

impl QueueEngine {
    /// Makes an exchange, or confirms that it is there as described. Answers whether it was made.
    pub fn declare_exchange(
        &mut self,
        block: &mut Block,
        name: &ExchangeName,
        kind: ExchangeKind,
        options: ExchangeOptions,
    ) -> Result<bool, QueueError> {
        self.begin(block);
        if let Some(have) = self.topology.id(name.as_str()).and_then(|id| self.topology.get(id)) {
            let difference = if have.kind == kind {
                have.options.difference(&options)
            } else {
                Some(("type", have.kind.as_str().to_owned(), kind.as_str().to_owned()))
            };
            if let Some((field, have, want)) = difference {
                let what = format!("exchange {:?}", name.as_str());
                return Err(QueueError::Differs { what, field, have, want });
            }
            return Ok(false);
        }
        self.check_free("exchange", name.as_str())?;
        options.check(kind)?;
        let store = self.new_store(kind)?;
        self.change(block, Record::ExchangeDeclared { name: name.clone(), kind, options, store })?;
        Ok(true)
    }

    /// Deletes an exchange and its bindings.
    pub fn delete_exchange(
        &mut self,
        block: &mut Block,
        name: &ExchangeName,
        if_unused: bool,
    ) -> Result<(), QueueError> {
        self.begin(block);
        let id = self.topology.find(name.as_str())?;
        let exchange = self.topology.get(id);
        if exchange.is_some_and(|exchange| exchange.predeclared) {
            let why = format!("exchange {:?} always exists and cannot be deleted", name.as_str());
            return Err(QueueError::Reserved(why));
        }
        if if_unused && exchange.is_some_and(|exchange| exchange.bindings > 0) {
            return Err(QueueError::InUse(format!("exchange {:?} has bindings", name.as_str())));
        }
        self.change(block, Record::ExchangeDeleted { name: name.clone() })
    }

    /// What is known of an exchange.
    pub fn exchange(&self, name: &ExchangeName) -> Result<ExchangeInfo, QueueError> {
        let id = self.topology.find(name.as_str())?;
        let unknown = || QueueError::UnknownExchange(name.as_str().to_owned());
        self.topology.get(id).map(Exchange::info).ok_or_else(unknown)
    }

    /// All exchanges by name, those that always exist included; the default exchange has no name and is not there.
    #[must_use]
    pub fn exchanges(&self) -> Vec<ExchangeInfo> {
        let mut all: Vec<ExchangeInfo> = self.topology.iter().map(Exchange::info).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Lets an exchange feed a queue, a log or another exchange. Answers whether the binding is new.
    ///
    /// Whether a log of that name exists is for the caller to know. Make sure of [`bind_bytes`] first.
    ///
    /// [`bind_bytes`]: QueueEngine::bind_bytes
    pub fn bind(
        &mut self,
        block: &mut Block,
        source: &ExchangeName,
        target: &BindingTarget,
        routing_key: &str,
        arguments: &HeaderTable,
        now: Timestamp,
    ) -> Result<bool, QueueError> {
        self.begin(block);
        let id = self.topology.find(source.as_str())?;
        let stored = self.target(target)?;
        self.check_same_host(source, target)?;
        if let Some(exchange) = self.topology.get(id) {
            exchange.check(target, routing_key, arguments)?;
        }
        if routing_key.len() > 255 {
            let why = "must be at most 255 bytes".to_owned();
            return Err(QueueError::InvalidOption { field: "routing_key", why });
        }
        if self.topology.has(id, &stored, &Condition::new(routing_key, arguments)) {
            return Ok(false);
        }
        let history = self.history_bytes(source, &stored);
        if history > 0 && !block.fits(history + BINDING_BYTES + arguments.as_bytes().len()) {
            return Err(QueueError::BlockFull);
        }
        if history > 0 && self.logs_full {
            return Err(QueueError::LogsFull);
        }
        self.change(block, Record::Bound(binding_record(source, target, &stored, routing_key, arguments)))?;
        self.retell(block, id, &stored, now);
        self.wind_up(block, now);
        Ok(true)
    }

    /// Takes a binding away. It is named by all that it was made with.
    pub fn unbind(
        &mut self,
        block: &mut Block,
        source: &ExchangeName,
        target: &BindingTarget,
        routing_key: &str,
        arguments: &HeaderTable,
    ) -> Result<(), QueueError> {
        self.begin(block);
        let id = self.topology.find(source.as_str())?;
        let stored = self.target(target)?;
        if !self.topology.has(id, &stored, &Condition::new(routing_key, arguments)) {
            return Err(QueueError::UnknownBinding(source.as_str().to_owned()));
        }
        self.change(block, Record::Unbound(binding_record(source, target, &stored, routing_key, arguments)))
    }

    /// Takes all bindings to a log away, because the log goes.
    pub fn unbind_log(&mut self, block: &mut Block, topic: &TopicName) -> Result<(), QueueError> {
        self.begin(block);
        let target = Target::Log(topic.clone());
        let all: Vec<_> = self.topology.bindings().filter(|(_, have, _)| *have == target).cloned().collect();
        for (source, target, condition) in all {
            let Some(name) = self.topology.get(source).map(|exchange| exchange.name.clone()) else {
                continue;
            };
            let log = BindingTarget::Log(topic.clone());
            let record = binding_record(&name, &log, &target, &condition.key, &condition.table());
            self.change(block, Record::Unbound(record))?;
        }
        Ok(())
    }

    /// A queue that keeps what passes it in this log.
    #[must_use]
    pub fn kept_by(&self, topic: &TopicName) -> Option<&TopicName> {
        let keeps = self.queues.values().filter(|queue| queue.declared().keep_in.as_ref() == Some(topic));
        keeps.map(|queue| &queue.name).min()
    }

    /// Whether an exchange feeds the log.
    #[must_use]
    pub fn feeds_log(&self, topic: &TopicName) -> bool {
        self.topology.is_fed(&Target::Log(topic.clone()))
    }

    /// All bindings, by source in the order of declaration.
    #[must_use]
    pub fn bindings(&self) -> Vec<Binding> {
        let binding = |(source, target, condition): &(_, Target, Condition)| {
            Some(Binding {
                source: self.topology.get(*source)?.name.clone(),
                target: match target {
                    Target::Exchange(id) => BindingTarget::Exchange(self.topology.get(*id)?.name.clone()),
                    Target::Queue(id) => BindingTarget::Queue(self.queues.get(id)?.name.clone()),
                    Target::Log(topic) => BindingTarget::Log(topic.clone()),
                },
                routing_key: condition.key.to_string(),
                arguments: condition.table(),
            })
        };
        self.topology.bindings().filter_map(binding).collect()
    }

    /// All bindings as a checkpoint keeps them.
    pub(crate) fn binding_records(&self) -> impl Iterator<Item = BindingRecord> {
        self.topology.bindings().filter_map(|(source, target, condition)| {
            Some(BindingRecord {
                source: self.topology.get(*source)?.name.clone(),
                target: match target {
                    Target::Exchange(id) => RecordTarget::Exchange(self.topology.get(*id)?.name.clone()),
                    Target::Queue(id) => RecordTarget::Queue(*id),
                    Target::Log(topic) => RecordTarget::Log(topic.clone()),
                },
                key: condition.key.to_string(),
                arguments: condition.table(),
            })
        })
    }

    /// Refuses a new name that is the broker's own, or that is nothing but the start of a virtual host's names.
    pub(crate) fn check_free(&self, what: &str, name: &str) -> Result<(), QueueError> {
        let local = name.get(self.hosts.prefix_len(name)..).unwrap_or_default();
        if local.is_empty() {
            let why = format!("{what} {name:?}: a name in a virtual host needs something behind the slash");
            return Err(QueueError::Reserved(why));
        }
        check_reserved(what, local)
    }

    /// Virtual hosts know nothing of each other; logs are in the default one.
    fn check_same_host(&self, source: &ExchangeName, target: &BindingTarget) -> Result<(), QueueError> {
        let target = match target {
            BindingTarget::Exchange(name) => name.as_str(),
            BindingTarget::Queue(name) | BindingTarget::Log(name) => name.as_str(),
        };
        let (from, to) = (self.virtual_host_of(source.as_str()), self.virtual_host_of(target));
        if from == to {
            return Ok(());
        }
        let why = format!("is in virtual host {to:?}, the source in {from:?}; a binding stays in one");
        Err(QueueError::InvalidOption { field: "destination", why })
    }

    pub(crate) fn target(&self, target: &BindingTarget) -> Result<Target, QueueError> {
        Ok(match target {
            BindingTarget::Exchange(name) => Target::Exchange(self.topology.find(name.as_str())?),
            BindingTarget::Queue(name) => Target::Queue(self.find_queue(name)?),
            BindingTarget::Log(name) => Target::Log(name.clone()),
        })
    }

    /// Writes a definition down and applies it, the same way as when it is read back.
    pub(crate) fn change(&mut self, block: &mut Block, record: Record<'_>) -> Result<(), QueueError> {
        if !self.core.write(block, &record) {
            return Err(QueueError::BlockFull);
        }
        self.apply_definition(record);
        self.core.undelivered.hurry();
        Ok(())
    }

    /// The durable effect of a definition, live and when it is read back. Applying one again changes nothing.
    pub(crate) fn apply_definition(&mut self, record: Record<'_>) {
        match record {
            Record::QueueDeclared { id, name, next_sequence, options } => {
                self.add_queue(id, name, next_sequence, options);
            }
            Record::QueueChanged { id, options } => {
                self.keeps_any |= options.keep_in.is_some();
                if let Some(queue) = self.queues.get_mut(&id) {
                    if options.dedup.is_none() {
                        queue.seen = SeenIds::default();
                    }
                    queue.redeclare(options);
                    self.enforce_policy(id);
                }
            }
            Record::QueueDeleted { id } => self.forget_queue(id),
            Record::ExchangeDeclared { name, kind, options, store } => {
                let id = match self.topology.id(name.as_str()) {
                    Some(id) => id,
                    None => {
                        let prefix_len = self.hosts.prefix_len(name.as_str());
                        let mut exchange = Exchange::new(name, prefix_len, kind, options);
                        exchange.enforce(&self.policies);
                        self.topology.add(exchange)
                    }
                };
                if let Some((store, next_sequence)) = store {
                    self.add_store(id, store, next_sequence);
                }
            }
            Record::ExchangeDeleted { name } => {
                if let Some(id) = self.topology.id(name.as_str()) {
                    self.topology.remove(id);
                    self.drop_orphans();
                }
            }
            Record::Bound(binding) => {
                if let Some((source, target, condition)) = self.resolve_binding(binding) {
                    self.topology.bind(source, target, condition);
                }
            }
            Record::Unbound(binding) => {
                if let Some((source, target, condition)) = self.resolve_binding(binding) {
                    self.topology.unbind(source, &target, &condition);
                    self.topology.remove_if_abandoned(source);
                    self.drop_orphans();
                }
            }
            Record::Reached { queue, sequence, reached } => {
                self.core.under_way.insert((queue, sequence), reached);
            }
            Record::VirtualHostCreated { name } => self.add_virtual_host(&name),
            Record::VirtualHostDeleted { name } => self.remove_virtual_host(&name),
            Record::PolicySet { kind, host, name, policy } => {
                if let Ok(prefix) = self.hosts.prefix(&host) {
                    self.policies.set(kind, &prefix, &name, policy);
                }
            }
            Record::PolicyDeleted { kind, host, name } => {
                if let Ok(prefix) = self.hosts.prefix(&host) {
                    self.policies.remove(kind, &prefix, &name);
                }
            }
            Record::NextQueue { id } => self.next_queue = self.next_queue.max(id.0),
            Record::Seen { queue, seen } => {
                if let Some(queue) = self.queues.get_mut(&queue)
                    && let Some(window) = queue.options.dedup
                {
                    seen.iter().for_each(|seen| queue.seen.remember(&seen.id, seen.message, window, seen.at));
                }
            }
            Record::Published(_)
            | Record::Moved { .. }
            | Record::Removed(_)
            | Record::Delivered(_)
            | Record::Forgiven(_)
            | Record::Delayed { .. }
            | Record::Doomed { .. }
            | Record::Relocated(_)
            | Record::Failed { .. }
            | Record::Ranked { .. }
            | Record::Released(_) => unreachable!("is_definition() was asked"),
        }
    }

    /// What a stored binding connects, as far as it still exists.
    fn resolve_binding(
        &self,
        binding: BindingRecord,
    ) -> Option<(crate::binding::ExchangeId, Target, Condition)> {
        let source = self.topology.id(binding.source.as_str())?;
        let target = match binding.target {
            RecordTarget::Exchange(name) => Target::Exchange(self.topology.id(name.as_str())?),
            RecordTarget::Queue(id) => Target::Queue(self.queues.get(&id)?.id),
            RecordTarget::Log(topic) => Target::Log(topic),
        };
        Some((source, target, Condition::new(&binding.key, &binding.arguments)))
    }
}

pub(crate) fn binding_record(
    source: &ExchangeName,
    target: &BindingTarget,
    stored: &Target,
    key: &str,
    arguments: &HeaderTable,
) -> BindingRecord {
    let queue = if let Target::Queue(id) = stored { Some(*id) } else { None };
    BindingRecord {
        source: source.clone(),
        target: RecordTarget::from_binding(target, queue),
        key: key.to_owned(),
        arguments: arguments.clone(),
    }
}
