use ::message::{Timestamp, TopicName};
use segment_store::Block;

use crate::binding::Target;
use crate::engine::QueueEngine;
use crate::outbox::Ended;
use crate::queue::Queue;
use crate::record::Record;
use crate::slots::State;
use crate::totals::QueueInfo;
use crate::{OwnerId, QueueError, QueueId, QueueOptions};

/// Whether messages keep a queue from being deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfEmpty {
    /// They go with it.
    #[default]
    Never,
    /// Those that wait do; those that are out with consumers go with it, as with AMQP's `if-empty` in RabbitMQ.
    NoneWaiting,
    /// All of them do.
    NoneAtAll,
}

/// The answer to a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The queue.
    pub id: QueueId,
    /// Whether it was made now.
    pub created: bool,
}

/// A queue as somebody wants it, beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueDeclaration {
    /// How it behaves.
    pub options: QueueOptions,
    /// Makes it exclusive: closed to everybody else, gone when its owner ends, never durable.
    pub owner: Option<OwnerId>,
    /// Whether the broker made its name up, so that it may start with `amq.`.
    pub server_named: bool,
    /// Whether it came as AMQP arguments: another declaration is then the same if those say the same.
    pub by_arguments: bool,
}

/// The answer to a purge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Messages that went.
    pub messages: u64,
    /// Whether all ready messages went. Otherwise end the group and purge again.
    pub complete: bool,
}

/// Most messages that one purge takes, so that nobody else waits for long.
const PURGED_AT_A_TIME: usize = 100_000;

impl QueueEngine {
    /// Makes a queue, or confirms that it is there as described.
    pub fn declare_queue(
        &mut self,
        block: &mut Block,
        name: &TopicName,
        options: QueueOptions,
        now: Timestamp,
    ) -> Result<Declared, QueueError> {
        self.declare(block, name, QueueDeclaration { options, ..QueueDeclaration::default() }, now)
    }

    /// The same, for queues that may belong to somebody.
    pub fn declare(
        &mut self,
        block: &mut Block,
        name: &TopicName,
        declaration: QueueDeclaration,
        now: Timestamp,
    ) -> Result<Declared, QueueError> {
        self.begin(block);
        let QueueDeclaration { mut options, owner, server_named, by_arguments } = declaration;
        options.durable &= owner.is_none();
        options.check()?;
        if let Ok(queue) = self.queue_mut(name) {
            if queue.owner != owner {
                return Err(QueueError::Locked(name.clone()));
            }
            if by_arguments {
                queue.declared().check_equivalent(name, &options)?;
            } else if let Some((field, have, want)) = queue.declared().difference(&options) {
                let what = format!("queue {:?}", name.as_str());
                return Err(QueueError::Differs { what, field, have, want });
            }
            queue.used_at = now;
            return Ok(Declared { id: queue.id, created: false });
        }
        if !server_named {
            self.check_free("queue", name.as_str())?;
        }
        let id = QueueId(self.next_queue);
        if id.0 == u32::MAX {
            return Err(QueueError::OutOfIds);
        }
        self.change(block, Record::QueueDeclared { id, name: name.clone(), next_sequence: 0, options })?;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.used_at = now;
            if queue.options.expires_ms.is_some() {
                self.touched.push(id);
            }
        }
        if let Some(owner) = owner {
            self.give_to(id, owner);
        }
        self.wind_up(block, now);
        Ok(Declared { id, created: true })
    }

    /// Changes how a queue behaves, from now on. Messages keep the time to live that they came in with.
    pub fn update_queue(
        &mut self,
        block: &mut Block,
        name: &TopicName,
        mut options: QueueOptions,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.begin(block);
        options.check()?;
        let queue = self.queue(name)?;
        let order = (queue.options.max_priority, queue.options.order_per_key);
        let (id, single) = (queue.id, queue.options.single_active_consumer);
        options.arguments.clone_from(&queue.declared().arguments);
        if *queue.declared() == options {
            return Ok(());
        }
        let fixed = |field, why: &str| Err(QueueError::ConflictingOptions { field, why: why.to_owned() });
        if queue.options.kind != options.kind {
            return fixed("type", "the type of a queue cannot be changed; delete it and declare it anew");
        }
        if queue.owner.is_some() && options.durable {
            return fixed("durable", "an exclusive queue goes with its connection and cannot be durable");
        }
        self.change(block, Record::QueueChanged { id, options })?;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.used_at = now;
            queue.had_subscriber = queue.subscribers > 0;
            if (queue.options.max_priority, queue.options.order_per_key) != order {
                queue.rebuild_order();
            }
            if queue.options.single_active_consumer != single {
                self.reform_consumers(id);
            }
        }
        self.touched.push(id);
        self.wind_up(block, now);
        Ok(())
    }

    /// Deletes a queue with its messages, bindings and subscriptions. Answers how many messages went; none of them is
    /// dead-lettered.
    pub fn delete_queue(
        &mut self,
        block: &mut Block,
        name: &TopicName,
        if_unused: bool,
        if_empty: IfEmpty,
    ) -> Result<u64, QueueError> {
        self.begin(block);
        let queue = self.queue(name)?;
        if if_unused && !queue.consumers.is_empty() {
            return Err(QueueError::InUse(format!("queue {:?} has consumers", name.as_str())));
        }
        let held = match if_empty {
            IfEmpty::Never => 0,
            IfEmpty::NoneWaiting => queue.counts.all() - queue.counts.leased,
            IfEmpty::NoneAtAll => queue.counts.all(),
        };
        if held > 0 {
            return Err(QueueError::InUse(format!("queue {:?} is not empty", name.as_str())));
        }
        let (id, messages) = (queue.id, queue.counts.all());
        if !self.drop_queue(block, id) {
            return Err(QueueError::BlockFull);
        }
        self.regain();
        Ok(messages)
    }

    /// Removes ready messages, a bounded number at a time; leased and delayed ones stay.
    pub fn purge_queue(
        &mut self,
        block: &mut Block,
        name: &TopicName,
        now: Timestamp,
    ) -> Result<Purged, QueueError> {
        self.begin(block);
        let id = self.find_queue(name)?;
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(Purged::default()) };
        self.core.write_runs(block);
        let mut purged = Purged { messages: 0, complete: true };
        let mut runs = crate::runs::Runs::default();
        let ready = queue.slots.iter_from(0).filter(|(_, slot)| slot.state == State::Ready);
        for (taken, (sequence, _)) in ready.enumerate() {
            if taken == PURGED_AT_A_TIME || !block.fits(runs.bound() + 1024) {
                purged.complete = false;
                break;
            }
            runs.push(id, sequence);
        }
        for sequence in runs.iter().flat_map(|run| run.sequences()) {
            purged.messages += u64::from(queue.remove(sequence, &mut self.core.ledger).is_some());
        }
        queue.used_at = now;
        if !runs.is_empty() {
            self.core.write(block, &Record::Removed(runs));
        }
        self.touched.push(id);
        self.wind_up(block, now);
        Ok(purged)
    }

    /// What is known of a queue.
    pub fn queue_info(&self, name: &TopicName) -> Result<QueueInfo, QueueError> {
        self.queue(name).map(Queue::info)
    }

    /// The name of a queue.
    #[must_use]
    pub fn queue_name(&self, id: QueueId) -> Option<&TopicName> {
        self.queues.get(&id).map(|queue| &queue.name)
    }

    /// The options that a queue was declared with.
    pub fn queue_options(&self, name: &TopicName) -> Result<&QueueOptions, QueueError> {
        self.queue(name).map(Queue::declared)
    }

    /// Whether there is a queue of that name.
    #[must_use]
    pub fn has_queue(&self, name: &TopicName) -> bool {
        self.names.get(name.as_str()).is_some()
    }

    /// Whether there is a queue with this id.
    #[must_use]
    pub fn has_queue_id(&self, id: QueueId) -> bool {
        self.queues.contains_key(&id)
    }

    /// All queues, in no order.
    pub fn queues(&self) -> impl Iterator<Item = QueueInfo> {
        self.queues.values().filter(|queue| queue.store_of.is_none()).map(|queue| queue.info())
    }

    /// The names of all queues, in no order.
    pub fn queue_names(&self) -> impl Iterator<Item = &TopicName> {
        self.queues.values().filter(|queue| queue.store_of.is_none()).map(|queue| &queue.name)
    }

    /// Deletes a queue; `false` when the block is full.
    pub(crate) fn drop_queue(&mut self, block: &mut Block, id: QueueId) -> bool {
        self.change(block, Record::QueueDeleted { id }).is_ok()
    }

    pub(crate) fn add_queue(
        &mut self,
        id: QueueId,
        name: TopicName,
        next_sequence: u64,
        options: QueueOptions,
    ) {
        self.next_queue = self.next_queue.max(id.0.saturating_add(1));
        self.keeps_any |= options.keep_in.is_some();
        match self.queues.get_mut(&id) {
            Some(queue) => {
                queue.redeclare(options);
                queue.next_sequence = queue.next_sequence.max(next_sequence);
            }
            None => {
                // Only recovery finds the name taken: by a transient queue of an earlier run.
                if let Some(old) = self.names.get(name.as_str()) {
                    self.forget_queue(old);
                }
                self.names.insert(name.as_str(), id);
                let prefix_len = self.hosts.prefix_len(name.as_str());
                let mut queue = Queue::new(id, name, prefix_len, options);
                queue.next_sequence = next_sequence;
                self.queues.insert(id, Box::new(queue));
            }
        }
        self.enforce_policy(id);
    }

    pub(crate) fn forget_queue(&mut self, id: QueueId) {
        let Some(mut queue) = self.queues.remove(&id) else { return };
        queue.empty(&mut self.core.ledger);
        if self.names.get(queue.name.as_str()) == Some(id) {
            self.names.remove(queue.name.as_str());
        }
        self.topology.forget(&Target::Queue(id));
        // An auto-delete exchange may have gone with its last binding.
        self.drop_orphans();
        self.disown(id, queue.owner);
        for consumer in queue.consumers {
            if let Some(ended) = self.consumers.remove(&consumer) {
                self.pools.leave(consumer, &ended);
            }
            self.outbox.ended.push((consumer, Ended::QueueDeleted));
        }
    }
}
