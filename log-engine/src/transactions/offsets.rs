//! Offsets of groups that wait for a transaction.
use std::collections::BTreeMap;

use message::{GroupName, Timestamp};
use segment_store::Block;

use super::Enrolment;
use crate::group::{Committed, OffsetCommit};
use crate::producer::{Producer, ProducerId};
use crate::record::{CommittedOffset, LogRecord};
use crate::transaction::{Transaction, TransactionRecord, TransactionalId};
use crate::{Committer, LogEngine, LogError, PartitionId};

/// Bytes of offsets that one transaction may have pending.
const OFFSETS_LEN_MAX: usize = 1 << 20;
impl LogEngine {
    /// Says that a transaction is going to move a group's offsets (`AddOffsetsToTxn`).
    pub fn add_group_to_transaction(
        &mut self,
        block: &mut Block,
        id: &TransactionalId,
        producer: Producer,
        group: &GroupName,
        now: Timestamp,
    ) -> Result<(), LogError> {
        let transaction = self.claimed(id, producer)?;
        if transaction.is_ongoing() && transaction.offsets.contains_key(group) {
            return Ok(());
        }
        check_offsets(transaction, group.as_str().len() + 64)?;
        self.stage_offsets(block, producer.id, group, &[], now);
        Ok(())
    }

    /// Puts offsets of a group into a transaction (`TxnOffsetCommit`): they are committed when it is, or not at all.
    /// The member is checked now (KIP-447); whether the partitions hold the offsets is not asked, as for
    /// [`LogEngine::commit_each`].
    #[allow(clippy::too_many_arguments, reason = "a transaction's and a group's claim each take two")]
    pub fn commit_offsets_in_transaction(
        &mut self,
        block: &mut Block,
        enrolment: Enrolment<'_>,
        producer: Producer,
        group: &GroupName,
        committer: Committer<'_>,
        commits: &[OffsetCommit],
        now: Timestamp,
    ) -> Result<(), LogError> {
        let transaction = self.claimed(enrolment.id, producer)?;
        let added = transaction.is_ongoing() && transaction.offsets.contains_key(group);
        if !added && !enrolment.implicit {
            return Err(LogError::InvalidTransactionState(format!(
                "group {:?} is not part of an open transaction of {:?}; add it first",
                group.as_str(),
                enrolment.id.as_str()
            )));
        }
        let len: usize = commits.iter().map(|commit| CommittedOffset::LEN + commit.metadata.len()).sum();
        check_offsets(transaction, group.as_str().len() + 64 + len)?;
        let checked = self.check_commits(group, committer, commits, now)?;
        let ids = checked.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.check_not_negative(commits)?;
        let commits: Vec<_> =
            ids.into_iter().zip(commits.iter().map(|commit| commit.committed(now))).collect();
        self.stage_offsets(block, producer.id, group, &commits, now);
        Ok(())
    }

    fn stage_offsets(
        &mut self,
        block: &mut Block,
        producer: ProducerId,
        group: &GroupName,
        commits: &[(PartitionId, Committed)],
        now: Timestamp,
    ) {
        let recorded =
            commits.iter().map(|(partition, committed)| CommittedOffset::of(*partition, committed));
        let record = TransactionRecord::Offsets {
            producer,
            at: now,
            group: group.as_str(),
            commits: recorded.collect(),
        };
        self.push(block, &LogRecord::Transaction(record));
        self.note_offsets(producer, group, commits, now);
    }

    /// In memory: for the command and for replay alike.
    pub(crate) fn note_offsets(
        &mut self,
        producer: ProducerId,
        group: &GroupName,
        commits: &[(PartitionId, Committed)],
        now: Timestamp,
    ) {
        self.transactions.change(producer, |transaction, _| {
            transaction.begin(now);
            let pending = transaction.offsets.entry(group.clone()).or_insert_with(|| {
                transaction.offsets_len += group.as_str().len() + 64;
                BTreeMap::new()
            });
            for (partition, committed) in commits {
                transaction.offsets_len += CommittedOffset::LEN + committed.metadata.len();
                pending.insert(*partition, committed.clone());
            }
        });
    }

    /// Whether an open transaction is to move the group's offset in this partition: who asks for stable offsets only
    /// has to wait (`UNSTABLE_OFFSET_COMMIT`, KIP-447).
    #[must_use]
    pub fn has_pending_offset(&self, group: &GroupName, partition: PartitionId) -> bool {
        self.transactions.is_pending(group, partition)
    }

    /// Whether an open transaction is to move any offset of the group.
    #[must_use]
    pub fn has_pending_offsets(&self, group: &GroupName) -> bool {
        self.transactions.is_awaited_by(group)
    }
}

fn check_offsets(transaction: &Transaction, more: usize) -> Result<(), LogError> {
    if transaction.offsets_len + more > OFFSETS_LEN_MAX {
        return Err(LogError::TransactionTooLarge { what: "bytes of offsets", max: OFFSETS_LEN_MAX });
    }
    Ok(())
}
