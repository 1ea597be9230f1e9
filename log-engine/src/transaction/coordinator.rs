use std::collections::{BTreeMap, BTreeSet, HashMap};

use message::{GroupName, Timestamp};

use super::{Flag, Transaction, TransactionalId};
use crate::PartitionId;
use crate::producer::{Producer, ProducerId};

/// All transactional ids, found by producer, by name and by when something is due.
#[derive(Debug, Default)]
pub(crate) struct Coordinator {
    by_producer: HashMap<ProducerId, Transaction>,
    by_name: HashMap<TransactionalId, ProducerId>,
    /// Open transactions, by when they time out.
    deadlines: BTreeSet<(Timestamp, ProducerId)>,
    /// Ids at rest, by when they changed last: those for one transaction, and others.
    resting: [BTreeSet<(Timestamp, ProducerId)>; 2],
    /// Open transactions with offsets for a group.
    waiting: BTreeMap<GroupName, BTreeSet<ProducerId>>,
    /// The producer id to give next.
    pub next_producer: i64,
}

impl Coordinator {
    pub(crate) fn get(&self, producer: ProducerId) -> Option<&Transaction> {
        self.by_producer.get(&producer)
    }

    /// The transactional id that is this producer's, or was before its last bump.
    pub(crate) fn by(&self, producer: Producer) -> Option<&Transaction> {
        let same = || self.by_producer.values().find(|transaction| transaction.was(producer));
        self.by_producer.get(&producer.id).or_else(same)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Transaction> {
        self.by_producer.get(self.by_name.get(id)?)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_producer.len()
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transaction> {
        let mut all: Vec<_> = self.by_producer.values().collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all.into_iter()
    }

    /// A producer id that nobody has.
    pub(crate) fn new_producer(&mut self) -> ProducerId {
        let id = ProducerId(self.next_producer);
        self.next_producer += 1;
        id
    }

    /// Puts a transaction, new or changed, in its places.
    pub(crate) fn put(&mut self, transaction: Transaction) {
        let producer = transaction.producer.id;
        self.next_producer = self.next_producer.max(producer.0.saturating_add(1));
        if let Some(before) = self.by_name.insert(transaction.id.clone(), producer) {
            self.take_out(before);
        }
        if transaction.is_ongoing() {
            self.deadlines.insert((transaction.deadline(), producer));
        } else {
            self.resting_of(&transaction).insert((transaction.updated, producer));
        }
        for group in transaction.offsets.keys() {
            self.waiting.entry(group.clone()).or_default().insert(producer);
        }
        self.by_producer.insert(producer, transaction);
    }

    /// Changes a transaction in place.
    pub(crate) fn change<T>(
        &mut self,
        producer: ProducerId,
        change: impl FnOnce(&mut Transaction, &mut i64) -> T,
    ) -> Option<T> {
        let mut transaction = self.take_out(producer)?;
        let answer = change(&mut transaction, &mut self.next_producer);
        self.put(transaction);
        Some(answer)
    }

    /// Adds a partition to an open transaction: what happens too often for [`Coordinator::change`].
    pub(crate) fn add_partition(&mut self, producer: ProducerId, partition: PartitionId) {
        if let Some(transaction) = self.by_producer.get_mut(&producer) {
            transaction.partitions.insert(partition);
        }
    }

    pub(crate) fn remove(&mut self, producer: ProducerId) {
        if let Some(transaction) = self.take_out(producer) {
            self.by_name.remove(&transaction.id);
        }
    }

    fn take_out(&mut self, producer: ProducerId) -> Option<Transaction> {
        let transaction = self.by_producer.remove(&producer)?;
        self.deadlines.remove(&(transaction.deadline(), producer));
        self.resting_of(&transaction).remove(&(transaction.updated, producer));
        for group in transaction.offsets.keys() {
            if let Some(waiting) = self.waiting.get_mut(group) {
                waiting.remove(&producer);
                if waiting.is_empty() {
                    self.waiting.remove(group);
                }
            }
        }
        Some(transaction)
    }

    fn resting_of(&mut self, transaction: &Transaction) -> &mut BTreeSet<(Timestamp, ProducerId)> {
        &mut self.resting[usize::from(!transaction.is(Flag::Brief))]
    }

    /// The open transaction that times out first, and when.
    pub(crate) fn first_deadline(&self) -> Option<(Timestamp, ProducerId)> {
        self.deadlines.first().copied()
    }

    /// The id that rests the longest, of those for one transaction or of the others, and since when.
    pub(crate) fn first_resting(&self, brief: bool) -> Option<(Timestamp, ProducerId)> {
        self.resting[usize::from(!brief)].first().copied()
    }

    /// How many transactions are open.
    pub(crate) fn open_count(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether an open transaction is to move a group's offset in this partition.
    pub(crate) fn is_pending(&self, group: &GroupName, partition: PartitionId) -> bool {
        let waiting = self.waiting.get(group).into_iter().flatten();
        let pending = |producer: &ProducerId| {
            let offsets = self.by_producer.get(producer)?.offsets.get(group)?;
            Some(offsets.contains_key(&partition))
        };
        waiting.filter_map(pending).any(|pending| pending)
    }

    /// Whether any open transaction has offsets for the group.
    pub(crate) fn is_awaited_by(&self, group: &GroupName) -> bool {
        self.waiting.contains_key(group)
    }

    /// Producers of open transactions.
    pub(crate) fn open(&self) -> impl Iterator<Item = ProducerId> {
        self.deadlines.iter().map(|(_, producer)| *producer)
    }
}
