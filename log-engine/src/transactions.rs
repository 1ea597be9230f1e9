use std::collections::BTreeMap;
use std::time::Duration;

use message::{GroupName, Timestamp};
use segment_store::{Block, RECORD_OVERHEAD};

use crate::batch::{Batch, BatchHeader, ControlRecord};
use crate::group::{Committed, OffsetCommit};
use crate::partition::Partition;
use crate::producer::{Producer, ProducerEpoch, ProducerId};
use crate::record::{APPEND_OVERHEAD, CommittedOffset, LogRecord};
use crate::transaction::{
    Flag, Transaction, TransactionEntry, TransactionOutcome, TransactionRecord, TransactionState,
    TransactionalId,
};
use crate::{Appended, Committer, LogEngine, LogError, PartitionId, TopicPartition};

/// Partitions that one transaction may write to: its markers are one block.
const PARTITIONS_MAX: usize = 4000;
/// Bytes of offsets that one transaction may have pending.
const OFFSETS_LEN_MAX: usize = 1 << 20;
/// What a partition's marker takes in a block.
const MARKER_LEN: usize = ControlRecord::BATCH_LEN + APPEND_OVERHEAD + RECORD_OVERHEAD;
/// What a transactional id takes in a block beside its name.
const ENTRY_LEN: usize = 96;
/// Bytes of markers that one tick may write; what is left waits for the next.
const TICK_LEN: usize = 400 << 10;
/// Transactional ids that one tick may forget.
const FORGOTTEN_MAX: usize = 1024;

/// Which transaction a batch or offsets belong to, and how they get into it.
#[derive(Clone, Copy, Debug)]
pub struct Enrolment<'a> {
    /// The transactional id.
    pub id: &'a TransactionalId,
    /// Whether naming it is enough (KIP-890: `Produce` from version 12, `TxnOffsetCommit` from version 5). Otherwise
    /// the partition, or the group, must have been added to the open transaction before.
    pub implicit: bool,
}

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

    fn new_transactional_id(
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
    /// The member is checked now, as for [`LogEngine::commit_offsets`] (KIP-447).
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
        let ids = self.check_commit(group, committer, commits, now)?;
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
    fn close(
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
    fn bump(&mut self, producer: ProducerId, remembered: bool) -> Producer {
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

    fn flag(&mut self, block: &mut Block, producer: ProducerId, flag: Flag) {
        let flags = self.transactions.change(producer, |transaction, _| {
            transaction.set(flag);
            transaction.flags
        });
        if let Some(flags) = flags {
            self.push(block, &LogRecord::Transaction(TransactionRecord::Flags { producer, flags }));
        }
    }

    fn record_transaction(&mut self, block: &mut Block, producer: ProducerId) {
        let Some(transaction) = self.transactions.get(producer) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        LogRecord::Transaction(TransactionRecord::Entry(entry(transaction))).encode(&mut scratch);
        block.push(segment_store::RecordKind::LOG, &[&scratch]);
        self.scratch = scratch;
    }

    fn forget_transaction(&mut self, block: &mut Block, producer: ProducerId) {
        self.transactions.remove(producer);
        self.push(block, &LogRecord::Transaction(TransactionRecord::Forgotten(producer)));
    }

    /// Aborts what timed out or was left over by a crash, and forgets ids that nobody uses. Answers when to call again.
    pub(crate) fn tick_transactions(&mut self, block: &mut Block, now: Timestamp) -> Option<Timestamp> {
        for (partition, producer) in std::mem::take(&mut self.hanging) {
            self.abort_hanging(block, partition, producer, now);
        }
        let mut room = TICK_LEN;
        while let Some(producer) = self.first_overdue(now) {
            let len = self.transactions.get(producer).map_or(0, end_len);
            if len > room && room < TICK_LEN {
                return Some(now);
            }
            room = room.saturating_sub(len);
            // Its producer finds out when it asks, and may go on with the next epoch (KIP-588).
            self.close(block, producer, TransactionOutcome::Abort, Some(true), now);
        }
        let mut forgotten = 0;
        let ages = [(true, self.config.outcome_retention), (false, self.config.transactional_id_expiration)];
        for (brief, age) in ages {
            while forgotten < FORGOTTEN_MAX
                && let Some((since, producer)) = self.transactions.first_resting(brief)
                && since.plus(age) <= now
            {
                self.forget_transaction(block, producer);
                forgotten += 1;
            }
        }
        let rests = ages
            .into_iter()
            .filter_map(|(brief, age)| Some(self.transactions.first_resting(brief)?.0.plus(age)));
        rests.chain(self.transactions.first_deadline().map(|(deadline, _)| deadline)).min()
    }

    /// The transaction to abort next: one that the last crash took something of, or one whose time is up.
    fn first_overdue(&mut self, now: Timestamp) -> Option<ProducerId> {
        while let Some(lost) = self.lost.last() {
            if self.transactions.get(*lost).is_some_and(|transaction| transaction.is(Flag::Doomed)) {
                return Some(*lost);
            }
            self.lost.pop();
        }
        let (deadline, producer) = self.transactions.first_deadline()?;
        (deadline <= now).then_some(producer)
    }

    /// Ends what damage to the journal left open in a partition: the coordinator knows nothing of it.
    fn abort_hanging(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        producer: ProducerId,
        now: Timestamp,
    ) {
        let slot = self.partitions.get(&partition);
        let Some(state) = slot.and_then(|slot| slot.producers.state(producer)) else { return };
        if state.transaction.is_some() {
            let producer = Producer { id: producer, epoch: state.epoch };
            self.append_marker(block, partition, producer, TransactionOutcome::Abort, now);
        }
    }

    /// After replay: dates what has no date, and finds what a crash left that nobody will end.
    pub(crate) fn recover_transactions(&mut self, now: Timestamp) {
        let mut hanging = Vec::new();
        self.producer_count = 0;
        for (id, slot) in &mut self.partitions {
            slot.producers.date(crate::producers::UNDATED, now);
            self.producer_count += slot.producers.len();
            for (_, producer) in slot.producers.open() {
                let known = self.transactions.get(producer);
                if !known.is_some_and(|known| known.is_ongoing() && known.partitions.contains(id)) {
                    hanging.push((*id, producer));
                }
            }
        }
        self.hanging = hanging;
        let open: Vec<_> = self.transactions.open().collect();
        for producer in open {
            self.transactions.change(producer, |transaction, _| {
                if transaction.is(Flag::Held) {
                    transaction.set(Flag::Doomed);
                }
            });
            if self.transactions.get(producer).is_some_and(|transaction| transaction.is(Flag::Held)) {
                self.lost.push(producer);
            }
        }
    }

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

fn check_partitions(transaction: &Transaction, more: usize) -> Result<(), LogError> {
    let have = if transaction.is_ongoing() { transaction.partitions.len() } else { 0 };
    if have + more > PARTITIONS_MAX {
        return Err(LogError::TransactionTooLarge { what: "partitions", max: PARTITIONS_MAX });
    }
    Ok(())
}

fn check_offsets(transaction: &Transaction, more: usize) -> Result<(), LogError> {
    if transaction.offsets_len + more > OFFSETS_LEN_MAX {
        return Err(LogError::TransactionTooLarge { what: "bytes of offsets", max: OFFSETS_LEN_MAX });
    }
    Ok(())
}

fn end_len(transaction: &Transaction) -> usize {
    let markers = transaction.partitions.len() * MARKER_LEN;
    markers + transaction.offsets_len + transaction.id.as_str().len() + ENTRY_LEN
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
