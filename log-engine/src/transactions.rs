//! Transactions as the engine carries them out.
mod begin;
mod description;
mod doom;
mod ending;
mod enrolment;
mod offsets;
mod upkeep;

use segment_store::{Block, RecordKind};

use crate::producer::{Producer, ProducerId};
use crate::record::LogRecord;
use crate::transaction::{Flag, Transaction, TransactionEntry, TransactionRecord, TransactionalId};
use crate::{LogEngine, LogError};

pub use begin::InitProducer;
pub use description::TransactionDescription;
pub use ending::EndTransaction;
pub use enrolment::Enrolment;

impl LogEngine {
    /// The transaction of that id, which must be the producer's, whatever its epoch.
    fn transaction_of(&self, id: &TransactionalId, producer: Producer) -> Result<&Transaction, LogError> {
        let known = self.transactions.find(id.as_str());
        known
            .filter(|known| known.producer.id == producer.id)
            .ok_or_else(|| LogError::InvalidProducerMapping { id: id.clone(), producer: producer.id })
    }

    /// The transaction of that id, whose producer must be exactly this one.
    fn claimed(&self, id: &TransactionalId, producer: Producer) -> Result<&Transaction, LogError> {
        let transaction = self.transaction_of(id, producer)?;
        if transaction.producer != producer {
            return Err(LogError::ProducerFenced { claimed: producer, current: transaction.producer });
        }
        self.check_alive(transaction)?;
        Ok(transaction)
    }

    fn check_alive(&self, transaction: &Transaction) -> Result<(), LogError> {
        if transaction.is(Flag::Doomed) {
            return Err(LogError::TransactionAborted(transaction.id.clone()));
        }
        Ok(())
    }

    fn record_transaction(&mut self, block: &mut Block, producer: ProducerId) {
        let Some(transaction) = self.transactions.get(producer) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        LogRecord::Transaction(TransactionRecord::Entry(entry(transaction))).encode(&mut scratch);
        block.push(RecordKind::LOG, &[&scratch]);
        self.scratch = scratch;
    }

    fn forget_transaction(&mut self, block: &mut Block, producer: ProducerId) {
        self.transactions.remove(producer);
        self.push(block, &LogRecord::Transaction(TransactionRecord::Forgotten(producer)));
    }
}

pub(crate) fn entry(transaction: &Transaction) -> TransactionEntry<'_> {
    TransactionEntry {
        id: transaction.id.as_str(),
        producer: transaction.producer,
        previous: transaction.previous,
        timeout_ms: transaction.timeout_ms,
        state: transaction.state,
        started: transaction.started,
        updated: transaction.updated,
        flags: transaction.flags,
        partitions: transaction.partitions.iter().copied().collect(),
    }
}
