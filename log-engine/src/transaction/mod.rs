//! Transactions: several partitions, and the offsets of groups, changed as one.
//!
//! A transactional id belongs to one producer at a time. The coordinator's state lives in the journal like everything
//! else, and a journal block is atomic: ending a transaction is one block with a marker for every partition, the
//! groups' offsets and the coordinator's new state. There is no moment at which half of it is there, and hence none of
//! Kafka's `PrepareCommit` and `PrepareAbort`.
//!
//! Sources: KIP-98 (idempotence and transactions), KIP-360 and KIP-588 (going on after an error or a timeout), KIP-447
//! (offsets with the group's generation), KIP-664 (looking for stuck transactions), KIP-890 (verification at the
//! broker, an epoch per transaction).
mod aborted;
mod coordinator;
mod isolation;
mod record;
mod state;

pub use aborted::AbortedTransaction;
pub use isolation::{Isolation, drop_aborted};
pub use state::{TransactionState, TransactionalId};

pub(crate) use coordinator::Coordinator;
#[cfg(test)]
pub(crate) use record::samples;
pub(crate) use record::{ProducerEntry, TransactionEntry, TransactionRecord};
pub(crate) use state::{Flag, Transaction};

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// Everything in it counts.
    Commit,
    /// Nothing in it counts.
    Abort,
}
