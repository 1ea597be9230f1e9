//! Batches and partitions that join a transaction.
use message::Timestamp;
use segment_store::{Block, RECORD_OVERHEAD};

use crate::batch::{Batch, BatchHeader};
use crate::partition::Partition;
use crate::producer::{Producer, ProducerEpoch, ProducerId};
use crate::record::LogRecord;
use crate::transaction::{Transaction, TransactionRecord, TransactionalId};
use crate::{Appended, LogEngine, LogError, PartitionId};

/// Partitions that one transaction may write to: its markers are one block.
const PARTITIONS_MAX: usize = 4000;

/// Which transaction a batch or offsets belong to, and how they get into it.
#[derive(Clone, Copy, Debug)]
pub struct Enrolment<'a> {
    /// The transactional id.
    pub id: &'a TransactionalId,
    /// Whether naming it is enough (KIP-890: `Produce` from version 12, `TxnOffsetCommit` from version 5). Otherwise
    /// the partition, or the group, must have been added to the open transaction before.
    pub implicit: bool,
}
impl LogEngine {
    /// Appends a batch of a transaction. The batch names its producer and is flagged as transactional.
    ///
    /// The coordinator is asked before the first batch of a transaction is stored in a partition (KIP-890): a batch
    /// that comes late, from a producer that was fenced or after the transaction ended, is never stored.
    pub fn append_transactional(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        batch: Batch,
        enrolment: Enrolment<'_>,
        now: Timestamp,
    ) -> Result<Appended, LogError> {
        if !batch.header().is_transactional() {
            return Err(LogError::InvalidTransactionState(
                "the batch does not belong to a transaction, but the request names one".to_owned(),
            ));
        }
        self.append_checked(block, partition, batch, Some(enrolment), now)
    }

    /// Bytes that the records of a transactional append take in a block, for asking [`Block::fits`] beforehand.
    #[must_use]
    pub fn transactional_append_len(batch_len: usize) -> usize {
        LogEngine::append_record_len(batch_len) + 25 + RECORD_OVERHEAD
    }

    /// Whether the batch may be part of its producer's transaction; tells whether the partition joins it with that.
    pub(crate) fn check_enrolment(
        &self,
        header: &BatchHeader,
        slot: &Partition,
        enrolment: Enrolment<'_>,
    ) -> Result<bool, LogError> {
        let producer =
            Producer { id: ProducerId(header.producer_id), epoch: ProducerEpoch(header.producer_epoch) };
        let transaction = self.transaction_of(enrolment.id, producer)?;
        if transaction.producer.epoch != producer.epoch {
            return Err(LogError::InvalidProducerEpoch { producer, current: transaction.producer.epoch });
        }
        self.check_alive(transaction)?;
        if transaction.is_ongoing() && transaction.partitions.contains(&slot.view.id()) {
            return Ok(false);
        }
        if !enrolment.implicit {
            return Err(LogError::InvalidTransactionState(format!(
                "partition {} is not part of an open transaction of {:?}; add it first",
                slot.view.name(),
                enrolment.id.as_str()
            )));
        }
        if header.base_sequence > 0 && slot.producers.state(producer.id).is_none() {
            let partition = slot.view.name().clone();
            let found = header.base_sequence;
            return Err(LogError::OutOfOrderSequence { producer, partition, expected: 0, found });
        }
        check_partitions(transaction, 1)?;
        Ok(true)
    }

    /// Adds partitions to a transaction, which begins with that unless it is open (`AddPartitionsToTxn`).
    pub fn add_partitions_to_transaction(
        &mut self,
        block: &mut Block,
        id: &TransactionalId,
        producer: Producer,
        partitions: &[PartitionId],
        now: Timestamp,
    ) -> Result<(), LogError> {
        let transaction = self.claimed(id, producer)?;
        if let Some(gone) = partitions.iter().find(|id| !self.partitions.contains_key(id)) {
            return Err(LogError::GonePartition(*gone));
        }
        let open = transaction.is_ongoing();
        let mut fresh = partitions.to_vec();
        fresh.retain(|partition| !(open && transaction.partitions.contains(partition)));
        fresh.sort_unstable();
        fresh.dedup();
        if fresh.is_empty() {
            return Ok(());
        }
        check_partitions(transaction, fresh.len())?;
        self.join_transaction(block, producer.id, &fresh, now);
        Ok(())
    }

    pub(crate) fn join_transaction(
        &mut self,
        block: &mut Block,
        producer: ProducerId,
        partitions: &[PartitionId],
        now: Timestamp,
    ) {
        let record = TransactionRecord::Partitions { producer, at: now, partitions: partitions.to_vec() };
        self.push(block, &LogRecord::Transaction(record));
        self.note_partitions(producer, partitions, now);
    }

    /// In memory: for the command and for replay alike.
    pub(crate) fn note_partitions(
        &mut self,
        producer: ProducerId,
        partitions: &[PartitionId],
        now: Timestamp,
    ) {
        if !self.transactions.get(producer).is_some_and(Transaction::is_ongoing) {
            self.transactions.change(producer, |transaction, _| transaction.begin(now));
        }
        partitions.iter().for_each(|partition| self.transactions.add_partition(producer, *partition));
    }
}

fn check_partitions(transaction: &Transaction, more: usize) -> Result<(), LogError> {
    let have = if transaction.is_ongoing() { transaction.partitions.len() } else { 0 };
    if have + more > PARTITIONS_MAX {
        return Err(LogError::TransactionTooLarge { what: "partitions", max: PARTITIONS_MAX });
    }
    Ok(())
}
