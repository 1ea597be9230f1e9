//! Beginning: who has a transactional id, and who had it.
use std::time::Duration;

use message::Timestamp;
use segment_store::Block;

use crate::producer::{Producer, ProducerEpoch};
use crate::transaction::{Flag, Transaction, TransactionOutcome, TransactionState, TransactionalId};
use crate::{LogEngine, LogError};

/// What a transactional producer asks for when it begins (`InitProducerId`).
#[derive(Clone, Copy, Debug)]
pub struct InitProducer<'a> {
    /// The name under which it comes back.
    pub id: &'a TransactionalId,
    /// How long a transaction of it may stay open.
    pub timeout: Duration,
    /// Who it takes itself for, when it goes on after an error (KIP-360).
    pub claimed: Option<Producer>,
}
impl LogEngine {
    /// Begins with a transactional id, or goes on with it: whoever had it before is fenced, and an open transaction is
    /// aborted at once, so that `CONCURRENT_TRANSACTIONS` never occurs. **Answer only once the block is durable.**
    ///
    /// A producer that says who it takes itself for is answered with the next epoch; one that asks again, because the
    /// answer got lost or its transaction timed out, with the same one; one that was fenced is refused.
    pub fn init_producer(
        &mut self,
        block: &mut Block,
        init: &InitProducer<'_>,
        now: Timestamp,
    ) -> Result<Producer, LogError> {
        let timeout_ms = self.check_timeout(init.timeout)?;
        let Some(known) = self.transactions.find(init.id.as_str()) else {
            return self.new_transactional_id(block, init.id.clone(), timeout_ms, 0, now);
        };
        let current = known.producer;
        if let Some(claimed) = init.claimed {
            if known.was(claimed) && !known.is_ongoing() {
                return Ok(current);
            }
            if claimed != current {
                return Err(LogError::ProducerFenced { claimed, current });
            }
        }
        if known.is_ongoing() {
            self.close(block, current.id, TransactionOutcome::Abort, Some(init.claimed.is_some()), now);
        } else {
            self.bump(current.id, init.claimed.is_some());
        }
        let producer = self.transactions.find(init.id.as_str()).map_or(current, |known| known.producer);
        self.transactions.change(producer.id, |transaction, _| {
            transaction.timeout_ms = timeout_ms;
            transaction.state = TransactionState::Empty;
            transaction.updated = now;
        });
        self.record_transaction(block, producer.id);
        Ok(producer)
    }

    /// Begins a transaction of a client that says when one begins. With an id it fences and aborts as
    /// [`LogEngine::init_producer`] does; without one the transaction stands alone, and its outcome can be asked for
    /// during [`crate::LogEngineConfig::outcome_retention`].
    pub fn begin_transaction(
        &mut self,
        block: &mut Block,
        id: Option<&TransactionalId>,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Producer, LogError> {
        let producer = match id {
            Some(id) => self.init_producer(block, &InitProducer { id, timeout, claimed: None }, now)?,
            None => {
                let timeout_ms = self.check_timeout(timeout)?;
                let id = self.unused_id()?;
                self.new_transactional_id(block, id, timeout_ms, Flag::Brief as u8, now)?
            }
        };
        self.transactions.change(producer.id, |transaction, _| transaction.begin(now));
        self.record_transaction(block, producer.id);
        Ok(producer)
    }

    fn check_timeout(&self, timeout: Duration) -> Result<i64, LogError> {
        let max = self.config.transaction_timeout_max;
        match i64::try_from(timeout.as_millis()) {
            Ok(timeout_ms @ 1..) if timeout <= max => Ok(timeout_ms),
            _ => Err(LogError::InvalidTransactionTimeout(max)),
        }
    }

    fn unused_id(&self) -> Result<TransactionalId, LogError> {
        let mut name = format!("transaction-{}", self.transactions.next_producer);
        while self.transactions.find(&name).is_some() {
            name.push('_');
        }
        TransactionalId::new(&name)
    }

    pub(super) fn new_transactional_id(
        &mut self,
        block: &mut Block,
        id: TransactionalId,
        timeout_ms: i64,
        flags: u8,
        now: Timestamp,
    ) -> Result<Producer, LogError> {
        let max = self.config.transactional_ids_max;
        if self.transactions.len() >= max {
            // An outcome that nobody asked for so far has to go before somebody is turned away.
            let Some((_, oldest)) = self.transactions.first_resting(true) else {
                return Err(LogError::TooManyTransactionalIds(max));
            };
            self.forget_transaction(block, oldest);
        }
        let producer = Producer { id: self.transactions.new_producer(), epoch: ProducerEpoch(0) };
        let transaction = Transaction { timeout_ms, flags, ..Transaction::new(id, producer, now) };
        self.transactions.put(transaction);
        self.record_transaction(block, producer.id);
        Ok(producer)
    }
}
