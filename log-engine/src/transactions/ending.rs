//! Ending: one block with everything that it changes.
use message::Timestamp;
use segment_store::{Block, RECORD_OVERHEAD};

use crate::batch::ControlRecord;
use crate::producer::{Producer, ProducerEpoch, ProducerId};
use crate::record::APPEND_OVERHEAD;
use crate::transaction::{Flag, Transaction, TransactionOutcome, TransactionState, TransactionalId};
use crate::{LogEngine, LogError};

/// What a partition's marker takes in a block.
const MARKER_LEN: usize = ControlRecord::BATCH_LEN + APPEND_OVERHEAD + RECORD_OVERHEAD;
/// What a transactional id takes in a block beside its name.
const ENTRY_LEN: usize = 96;

/// How a producer ends its transaction (`EndTxn`).
#[derive(Clone, Copy, Debug)]
pub struct EndTransaction<'a> {
    /// The transactional id.
    pub id: &'a TransactionalId,
    /// Who asks.
    pub producer: Producer,
    /// Whether its records count.
    pub outcome: TransactionOutcome,
    /// Whether every transaction has an epoch of its own (KIP-890: `EndTxn` from version 5). The producer goes on
    /// with what the call answers.
    pub bump: bool,
}
impl LogEngine {
    /// Ends a transaction (`EndTxn`): markers in all its partitions, the groups' offsets and the coordinator's state,
    /// all in this one block, so that after a crash everything is there or nothing. Make sure of
    /// [`LogEngine::end_transaction_len`] bytes first. Answers who the producer is from now on.
    ///
    /// Asking again is answered like the first time. [`LogError::TransactionAborted`] says that the transaction can no
    /// longer be committed, and was aborted.
    pub fn end_transaction(
        &mut self,
        block: &mut Block,
        end: &EndTransaction<'_>,
        now: Timestamp,
    ) -> Result<Producer, LogError> {
        let EndTransaction { id, producer, outcome, bump } = *end;
        let Some(known) = self.transactions.find(id.as_str()) else {
            return Err(LogError::InvalidProducerMapping { id: id.clone(), producer: producer.id });
        };
        let (state, current) = (known.state, known.producer);
        if producer != current {
            let asks_again = bump && known.was(producer);
            return match (state, outcome) {
                (TransactionState::CompleteCommit, TransactionOutcome::Commit)
                | (TransactionState::CompleteAbort, TransactionOutcome::Abort)
                    if asks_again =>
                {
                    Ok(current)
                }
                (TransactionState::CompleteCommit, TransactionOutcome::Abort) if asks_again => {
                    Err(LogError::InvalidTransactionState("the transaction was committed already".to_owned()))
                }
                (TransactionState::CompleteAbort, TransactionOutcome::Commit) if asks_again => {
                    Err(LogError::TransactionAborted(id.clone()))
                }
                _ if producer.id != current.id => {
                    Err(LogError::InvalidProducerMapping { id: id.clone(), producer: producer.id })
                }
                _ => Err(LogError::ProducerFenced { claimed: producer, current }),
            };
        }
        let bump = bump.then_some(true);
        match (state, outcome) {
            (TransactionState::Ongoing, TransactionOutcome::Commit) if known.is(Flag::Doomed) => {
                self.close(block, current.id, TransactionOutcome::Abort, bump, now);
                Err(LogError::TransactionAborted(id.clone()))
            }
            (TransactionState::Ongoing, _) => Ok(self.close(block, current.id, outcome, bump, now)),
            // Nothing was written under this epoch: giving up is fine, and takes an epoch like any transaction.
            (_, TransactionOutcome::Abort) if bump.is_some() => {
                Ok(self.close(block, current.id, outcome, bump, now))
            }
            (TransactionState::CompleteCommit, TransactionOutcome::Commit)
            | (TransactionState::CompleteAbort, TransactionOutcome::Abort)
                if bump.is_none() =>
            {
                Ok(current)
            }
            _ => Err(LogError::InvalidTransactionState(format!(
                "{:?} has no open transaction (it is {})",
                id.as_str(),
                state.as_str()
            ))),
        }
    }

    /// Bytes that ending the transaction of that id takes in a block.
    #[must_use]
    pub fn end_transaction_len(&self, id: &TransactionalId) -> usize {
        self.transactions.find(id.as_str()).map_or(0, end_len)
    }

    /// Ends an open transaction. `bump` gives its producer the next epoch, and says whether the producer may learn of
    /// that by asking again. Whoever still writes with the old one is fenced by the markers, which carry the new one.
    pub(super) fn close(
        &mut self,
        block: &mut Block,
        producer: ProducerId,
        outcome: TransactionOutcome,
        bump: Option<bool>,
        now: Timestamp,
    ) -> Producer {
        let Some(transaction) = self.transactions.get(producer) else {
            unreachable!("whoever closes a transaction has just found it");
        };
        let before = transaction.producer;
        let epoch = before.epoch.0.saturating_add(i16::from(bump.is_some()));
        let marker = Producer { id: before.id, epoch: ProducerEpoch(epoch) };
        for partition in transaction.partitions.clone() {
            self.append_marker(block, partition, marker, outcome, now);
        }
        let state = match outcome {
            TransactionOutcome::Commit => TransactionState::CompleteCommit,
            TransactionOutcome::Abort => TransactionState::CompleteAbort,
        };
        let pending = self.transactions.change(producer, |transaction, _| transaction.finish(state, now));
        if outcome == TransactionOutcome::Commit {
            for (group, commits) in pending.into_iter().flatten() {
                self.store_committed(block, &group, commits.into_iter().collect(), now);
            }
        }
        let after = match bump {
            Some(remembered) => self.bump(producer, remembered),
            None => before,
        };
        self.record_transaction(block, after.id);
        after
    }

    /// Gives a transactional id its next epoch, and a new producer id where there is none left.
    pub(super) fn bump(&mut self, producer: ProducerId, remembered: bool) -> Producer {
        let bumped = self.transactions.change(producer, |transaction, next| {
            transaction.bump(remembered, || {
                let fresh = ProducerId(*next);
                *next += 1;
                fresh
            });
            transaction.producer
        });
        bumped.unwrap_or(Producer { id: producer, epoch: ProducerEpoch(0) })
    }
}

pub(super) fn end_len(transaction: &Transaction) -> usize {
    let markers = transaction.partitions.len() * MARKER_LEN;
    markers + transaction.offsets_len + transaction.id.as_str().len() + ENTRY_LEN
}
