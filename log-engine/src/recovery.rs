use bytes::Bytes;
use message::{GroupName, Timestamp, TopicName};
use segment_store::{Lsn, RecordKind, Replayed, Source};

use crate::batch::BatchHeader;
use crate::cleaner::CleanPoint;
use crate::engine::{Doomed, DoomedFiles};
use crate::record::{CommittedOffset, LogRecord};
use crate::settling::orphans;
use crate::tail::TailBatch;
use crate::topic_changes::definition;
use crate::transaction::{ProducerEntry, Transaction, TransactionEntry, TransactionRecord, TransactionalId};
use crate::transactions::entry;
use crate::{LogEngine, LogError, Offset, PartitionId, TopicPartition};

/// Producers, or aborted transactions, in one record of a checkpoint.
const PRODUCERS_PER_RECORD: usize = 64;

/// Records that were lost, found while the journal was replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where.
    pub partition: TopicPartition,
    /// The first offset lost.
    pub first: Offset,
    /// The first offset that can be read again.
    pub next: Offset,
}

impl LogEngine {
    /// Takes one record handed back by the journal. Records of others are passed over.
    pub fn replay(&mut self, replayed: Replayed<'_>) -> Result<(), LogError> {
        if replayed.kind != RecordKind::LOG {
            return Ok(());
        }
        // The checkpoint knows what was defined below its position, but not the batches that had not settled.
        let in_checkpoint = replayed.source == Source::Journal && replayed.lsn < replayed.checkpoint_lsn;
        match LogRecord::decode(replayed.payload)? {
            LogRecord::Append { partition, batch } => {
                self.replay_append(partition, batch, replayed.lsn, in_checkpoint)
            }
            _ if in_checkpoint => Ok(()),
            record => self.replay_change(record, replayed.lsn),
        }
    }

    /// `in_checkpoint`: what the batch did to its producer's state is known already.
    fn replay_append(
        &mut self,
        id: PartitionId,
        bytes: &[u8],
        lsn: Lsn,
        in_checkpoint: bool,
    ) -> Result<(), LogError> {
        // Its topic may be deleted by now.
        let Some(partition) = self.partitions.get_mut(&id) else { return Ok(()) };
        let header = BatchHeader::parse(bytes)?;
        if header.base_offset < partition.next_offset {
            return Ok(());
        }
        if header.base_offset > partition.next_offset {
            self.damage.push(Damage {
                partition: partition.view.name().clone(),
                first: partition.next_offset,
                next: header.base_offset,
            });
        }
        let batch = TailBatch::new(&header, lsn, Bytes::copy_from_slice(bytes));
        self.settling.unsettled += batch.weight();
        if partition.push(batch, Timestamp(0)) {
            self.settling.dirty.push(id);
        }
        if header.producer_id >= 0 && !in_checkpoint {
            partition.replay_producer(&header, bytes);
        }
        Ok(())
    }

    fn replay_change(&mut self, record: LogRecord<'_>, lsn: Lsn) -> Result<(), LogError> {
        match record {
            LogRecord::Append { .. } => {}
            LogRecord::Topic(topic) => {
                let config = self.config.topic_defaults.restored(topic.config.iter().copied())?;
                let name = TopicName::new(topic.name)?;
                self.define_topic(topic.id, &name, topic.created, topic.partitions, config, topic.created);
            }
            LogRecord::TopicDeleted(id) => self.remove_topic(id, lsn),
            LogRecord::Settled { partition, segments } => {
                if let Some(slot) = self.partitions.get_mut(&partition) {
                    let freed = slot.apply_settled(&segments);
                    self.free(freed, lsn);
                }
            }
            LogRecord::LogStart { partition, start } => {
                if let Some(slot) = self.partitions.get_mut(&partition) {
                    let freed = slot.move_start(start);
                    self.free(freed, lsn);
                }
            }
            LogRecord::Cleaned { partition, from, to, clean, segments } => {
                self.replay_cleaned(partition, (from, to), &segments, clean, lsn);
            }
            LogRecord::CleanedTo { partition, clean } => {
                if let Some(slot) = self.partitions.get_mut(&partition) {
                    slot.restore_clean(clean);
                }
            }
            LogRecord::Partition { partition, start, settled, segments } => {
                if let Some(slot) = self.partitions.get_mut(&partition) {
                    slot.restore(start, settled, &segments);
                }
            }
            LogRecord::Transaction(record) => self.replay_transaction(record)?,
            LogRecord::Share(record) => self.replay_share(record)?,
            record @ (LogRecord::Offsets { .. }
            | LogRecord::OffsetsDeleted { .. }
            | LogRecord::GroupOccupation { .. }
            | LogRecord::GroupDeleted(_)) => self.replay_group(record)?,
            LogRecord::Counters { partition, topic } => {
                self.next_partition = self.next_partition.max(partition);
                self.next_topic = self.next_topic.max(topic);
            }
        }
        Ok(())
    }

    fn replay_transaction(&mut self, record: TransactionRecord<'_>) -> Result<(), LogError> {
        match record {
            TransactionRecord::Entry(entry) => {
                let TransactionEntry { producer, previous, timeout_ms, state, flags, .. } = entry;
                let mut transaction =
                    Transaction::new(TransactionalId::new(entry.id)?, producer, entry.started);
                transaction.partitions.extend(entry.partitions);
                let updated = entry.updated;
                self.transactions.put(Transaction {
                    previous,
                    timeout_ms,
                    state,
                    flags,
                    updated,
                    ..transaction
                });
            }
            TransactionRecord::Partitions { producer, at, partitions } => {
                self.note_partitions(producer, &partitions, at);
            }
            TransactionRecord::Offsets { producer, at, group, commits } => {
                let commits: Vec<_> =
                    commits.iter().map(|commit| (commit.partition, commit.committed())).collect();
                self.note_offsets(producer, &GroupName::new(group)?, &commits, at);
            }
            TransactionRecord::Forgotten(producer) => self.transactions.remove(producer),
            TransactionRecord::Producers { partition, producers } => {
                if let Some(slot) = self.partitions.get_mut(&partition) {
                    producers.into_iter().for_each(|entry| slot.producers.restore(entry.id, entry.state));
                }
            }
            TransactionRecord::Aborted { partition, transactions } => {
                if let Some(slot) = self.partitions.get_mut(&partition) {
                    slot.view.holdings.write().aborted.extend(transactions);
                }
            }
            TransactionRecord::NextProducer(next) => {
                self.transactions.next_producer = self.transactions.next_producer.max(next);
            }
            TransactionRecord::Flags { producer, flags } => {
                self.transactions.change(producer, |transaction, _| transaction.flags = flags);
            }
        }
        Ok(())
    }

    /// Ends replay: everything replayed becomes visible. Answers what was lost. Looks at no file of any partition, so
    /// that starting takes the same time whatever the logs hold; leftovers of a crash are removed while settling.
    pub fn finish_recovery(&mut self, now: Timestamp) -> Result<Vec<Damage>, LogError> {
        self.recover_transactions(now);
        self.finish_group_recovery(now);
        self.finish_share_recovery();
        for (id, partition) in &mut self.partitions {
            partition.view.advance(partition.visible());
            partition.unchecked = true;
            partition.tail_since = now;
            if !partition.view.holdings.read().segments.is_empty() {
                self.settling.unchecked.push(*id);
            }
        }
        let orphans = orphans(self).map_err(|error| LogError::io("listing the logs' directory", error))?;
        for orphan in orphans {
            let what = DoomedFiles::Other(orphan);
            self.settling.doomed.push(Doomed { record: Lsn(0), not_before: now, what });
            self.settling.removal_due = true;
        }
        self.next_check = now;
        self.ticked = now;
        self.settling.oldest_known = None;
        let gaps = std::mem::take(&mut self.damage);
        Ok(gaps.into_iter().filter_map(|gap| self.really_lost(gap)).collect())
    }

    /// What of a gap between batches is in no segment either. While the journal is replayed, batches may be missing
    /// that settled: the record which says so comes only after the batches that follow them.
    fn really_lost(&self, gap: Damage) -> Option<Damage> {
        let view = self.resolve(&gap.partition).ok()?;
        let holdings = view.holdings.read();
        let mut first = gap.first.max(view.log_start());
        for segment in &holdings.segments {
            if segment.state.base <= first {
                first = first.max(segment.state.end);
            }
        }
        (first < gap.next).then_some(Damage { first, ..gap })
    }

    /// Hands `write` the records that a checkpoint at the journal's present end consists of. Batches that have not
    /// settled are not among them: the journal keeps those.
    pub fn checkpoint(&self, write: &mut dyn FnMut(&[u8])) {
        let mut bytes = Vec::new();
        let mut put = |record: &LogRecord<'_>| {
            bytes.clear();
            record.encode(&mut bytes);
            write(&bytes);
        };
        put(&LogRecord::Counters { partition: self.next_partition, topic: self.next_topic });
        for topic in self.topics.values() {
            put(&LogRecord::Topic(definition(topic, &topic.config.explicit())));
            for view in &topic.partitions {
                let Some(partition) = self.partitions.get(&view.id()) else { continue };
                let (start, settled) = (view.log_start(), partition.settled_end());
                if (start, settled) == (Offset(0), Offset(0)) {
                    continue;
                }
                let segments =
                    view.holdings.read().segments.iter().map(|segment| segment.recorded()).collect();
                put(&LogRecord::Partition { partition: view.id(), start, settled, segments });
                if partition.clean != CleanPoint::START {
                    put(&LogRecord::CleanedTo { partition: view.id(), clean: partition.clean });
                }
            }
        }
        self.checkpoint_transactions(&mut put);
        self.checkpoint_groups(&mut put);
        self.checkpoint_group_settings(&mut put);
        self.checkpoint_shares(&mut put);
    }

    fn checkpoint_transactions(&self, put: &mut dyn FnMut(&LogRecord<'_>)) {
        put(&LogRecord::Transaction(TransactionRecord::NextProducer(self.transactions.next_producer)));
        for transaction in self.transactions.iter() {
            put(&LogRecord::Transaction(TransactionRecord::Entry(entry(transaction))));
            for (group, offsets) in &transaction.offsets {
                let commits =
                    offsets.iter().map(|(partition, committed)| CommittedOffset::of(*partition, committed));
                put(&LogRecord::Transaction(TransactionRecord::Offsets {
                    producer: transaction.producer.id,
                    at: transaction.updated,
                    group: group.as_str(),
                    commits: commits.collect(),
                }));
            }
        }
        for (id, slot) in &self.partitions {
            let producers: Vec<_> =
                slot.producers.states().map(|(id, state)| ProducerEntry { id, state: *state }).collect();
            for producers in producers.chunks(PRODUCERS_PER_RECORD) {
                put(&LogRecord::Transaction(TransactionRecord::Producers {
                    partition: *id,
                    producers: producers.to_vec(),
                }));
            }
            let aborted: Vec<_> = slot.view.holdings.read().aborted.iter().copied().collect();
            for transactions in aborted.chunks(PRODUCERS_PER_RECORD) {
                put(&LogRecord::Transaction(TransactionRecord::Aborted {
                    partition: *id,
                    transactions: transactions.to_vec(),
                }));
            }
        }
    }
}
