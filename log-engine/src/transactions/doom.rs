//! Transactions that can only be aborted.
use segment_store::Block;

use crate::producer::{Producer, ProducerId};
use crate::record::LogRecord;
use crate::transaction::{Flag, TransactionRecord, TransactionalId};
use crate::{LogEngine, LogError};
impl LogEngine {
    /// Says that something of an open transaction is in this process's memory only: when the process ends, so does the
    /// transaction.
    pub fn hold_in_memory(
        &mut self,
        block: &mut Block,
        id: &TransactionalId,
        producer: Producer,
    ) -> Result<(), LogError> {
        let transaction = self.claimed(id, producer)?;
        if !transaction.is_ongoing() {
            return Err(LogError::InvalidTransactionState(format!(
                "{:?} has no open transaction",
                id.as_str()
            )));
        }
        if !transaction.is(Flag::Held) {
            self.flag(block, producer.id, Flag::Held);
        }
        Ok(())
    }

    /// Says that an open transaction can only be aborted, because something that belongs to it was refused.
    pub fn doom_transaction(
        &mut self,
        block: &mut Block,
        id: &TransactionalId,
        producer: Producer,
    ) -> Result<(), LogError> {
        if self.claimed(id, producer)?.is_ongoing() {
            self.flag(block, producer.id, Flag::Doomed);
        }
        Ok(())
    }

    pub(super) fn flag(&mut self, block: &mut Block, producer: ProducerId, flag: Flag) {
        let flags = self.transactions.change(producer, |transaction, _| {
            transaction.set(flag);
            transaction.flags
        });
        if let Some(flags) = flags {
            self.push(block, &LogRecord::Transaction(TransactionRecord::Flags { producer, flags }));
        }
    }
}
