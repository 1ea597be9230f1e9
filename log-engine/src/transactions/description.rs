//! Transactions for whoever asks.
use message::{GroupName, Timestamp};

use crate::producer::Producer;
use crate::transaction::{Transaction, TransactionState, TransactionalId};
use crate::{LogEngine, LogError, PartitionId, TopicPartition};

/// A transactional id for a listing or a description (KIP-664).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The transactional id.
    pub id: TransactionalId,
    /// Its producer.
    pub producer: Producer,
    /// Where it stands.
    pub state: TransactionState,
    /// How long a transaction may stay open, in milliseconds.
    pub timeout_ms: i64,
    /// When the open transaction began.
    pub started: Option<Timestamp>,
    /// When it changed last.
    pub updated: Timestamp,
    /// Where the open transaction writes.
    pub partitions: Vec<TopicPartition>,
    /// The groups whose offsets it moves.
    pub groups: Vec<GroupName>,
}
impl LogEngine {
    /// All transactional ids, by name.
    pub fn transactions(&self) -> impl Iterator<Item = TransactionDescription> {
        self.transactions.iter().map(|transaction| self.described(transaction))
    }

    /// One transactional id.
    pub fn describe_transaction(&self, id: &TransactionalId) -> Result<TransactionDescription, LogError> {
        let known = self.transactions.find(id.as_str());
        known
            .map(|transaction| self.described(transaction))
            .ok_or_else(|| LogError::UnknownTransaction(id.as_str().to_owned()))
    }

    /// The transaction that this producer has, or had last: one epoch is one transaction for those who begin theirs
    /// with [`LogEngine::begin_transaction`]. None when there is no such transaction (any more).
    #[must_use]
    pub fn transaction_by(&self, producer: Producer) -> Option<TransactionDescription> {
        let transaction = self.transactions.by(producer)?;
        (transaction.producer == producer || transaction.was(producer)).then(|| self.described(transaction))
    }

    /// The transactional id that this producer has, or had under an earlier epoch.
    #[must_use]
    pub fn transactional_id_of(&self, producer: Producer) -> Option<TransactionalId> {
        self.transactions.by(producer).map(|transaction| transaction.id.clone())
    }

    /// Whether exactly this producer has a transaction open.
    #[must_use]
    pub fn is_transaction_open(&self, producer: Producer) -> bool {
        let known = self.transactions.get(producer.id);
        known.is_some_and(|known| known.producer == producer && known.is_ongoing())
    }

    /// Why this producer has no transaction open under the id, given that it has none.
    #[must_use]
    pub fn why_not_open(&self, id: &TransactionalId, producer: Producer) -> LogError {
        let Some(known) = self.transactions.find(id.as_str()) else {
            return LogError::UnknownTransaction(id.as_str().to_owned());
        };
        if known.producer != producer && !known.was(producer) {
            return LogError::ProducerFenced { claimed: producer, current: known.producer };
        }
        match known.state {
            TransactionState::CompleteAbort => LogError::TransactionAborted(id.clone()),
            state => LogError::InvalidTransactionState(format!(
                "the transaction of {:?} is not open (it is {})",
                id.as_str(),
                state.as_str()
            )),
        }
    }

    /// How many transactions are open.
    #[must_use]
    pub fn open_transactions(&self) -> usize {
        self.transactions.open_count()
    }

    fn described(&self, transaction: &Transaction) -> TransactionDescription {
        let name = |id: &PartitionId| Some(self.partitions.get(id)?.view.name().clone());
        let mut partitions: Vec<_> = transaction.partitions.iter().filter_map(name).collect();
        partitions.sort();
        TransactionDescription {
            id: transaction.id.clone(),
            producer: transaction.producer,
            state: transaction.state,
            timeout_ms: transaction.timeout_ms,
            started: transaction.is_ongoing().then_some(transaction.started),
            updated: transaction.updated,
            partitions,
            groups: transaction.offsets.keys().cloned().collect(),
        }
    }
}
