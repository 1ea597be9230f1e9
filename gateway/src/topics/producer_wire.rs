//! Idempotent producers and transactions for a door that speaks the protocol of Kafka's clients.

use std::time::Duration;

use log_engine::{
    ActiveProducer, EndTransaction, Enrolment, InitProducer, LogEngine, OffsetCommit, Producer,
    TopicPartition, TransactionDescription, TransactionOutcome, TransactionalId,
};
use message::GroupName;

use message::ErrorCode;

use super::Topics;
use super::authorization::Act;
use super::deeds::Deed;
use super::group_wire::WireCommitter;
use super::log_topic::LogTopic;
use super::outgoing::Acks;
use super::queue_topic::LOOK;
use super::shard::{Room, Terms, Turn};
use crate::refusal::Refusal;

/// Journal bytes that a change of a transaction's state takes at most, beside what it names.
const CHANGE_WEIGHT: usize = 4096;
/// A producer's number and a transaction's state are on disk before anybody builds on them.
const CHANGE: Terms = Terms { acks: Acks::All, weight: CHANGE_WEIGHT, room: Room::Reserved };
/// Journal bytes of the markers that a transaction or its predecessor may need.
const MARKERS_WEIGHT: usize = LogEngine::RECORDS_LEN_MAX;

/// Offsets that a transaction commits on a group's behalf.
#[derive(Clone, Debug)]
pub struct TransactionOffsets {
    /// The group.
    pub group: GroupName,
    /// On whose behalf (KIP-447).
    pub committer: WireCommitter,
    /// How far it read.
    pub commits: Vec<OffsetCommit>,
}

impl Topics {
    /// A number for a producer: a new one without a transactional id; with one, the id's own, in its next epoch.
    pub async fn init_producer(
        &self,
        id: Option<TransactionalId>,
        timeout: Duration,
        claimed: Option<Producer>,
    ) -> Result<Producer, Refusal> {
        self.check_not_draining()?;
        let Some(id) = id else {
            self.allow_numbered_writes()?;
            let begin = |turn: &mut Turn<'_>| turn.engines.log.new_producer(turn.journal.block());
            return self.shard().call(CHANGE, begin).await;
        };
        self.allow(Act::UseTransaction, id.as_str())?;
        let begin = move |turn: &mut Turn<'_>| {
            let init = InitProducer { id: &id, timeout, claimed };
            turn.ensure(CHANGE_WEIGHT + turn.engines.log.end_transaction_len(&id))?;
            Ok(turn.engines.log.init_producer(turn.journal.block(), &init, turn.now)?)
        };
        self.shard().call(Terms { weight: MARKERS_WEIGHT, ..CHANGE }, begin).await?
    }

    /// Adds partitions to a producer's transaction; none of them when one is unknown.
    pub async fn add_partitions_to_transaction(
        &self,
        id: TransactionalId,
        producer: Producer,
        partitions: Vec<TopicPartition>,
    ) -> Result<(), Refusal> {
        self.allow(Act::UseTransaction, id.as_str())?;
        for partition in &partitions {
            self.allow(Act::Publish, partition.topic.as_str())?;
        }
        let weight = CHANGE_WEIGHT + 8 * partitions.len();
        let add = move |turn: &mut Turn<'_>| {
            let log = &mut turn.engines.log;
            let ids = partitions.iter().map(|partition| Ok(log.resolve(partition)?.id()));
            let ids = ids.collect::<Result<Vec<_>, Refusal>>()?;
            Ok(log.add_partitions_to_transaction(turn.journal.block(), &id, producer, &ids, turn.now)?)
        };
        self.shard().call(Terms { acks: Acks::Leader, weight, room: Room::Ordinary }, add).await?
    }

    /// Says that a producer's transaction is going to move a group's offsets.
    pub async fn add_group_to_transaction(
        &self,
        id: TransactionalId,
        producer: Producer,
        group: GroupName,
    ) -> Result<(), Refusal> {
        self.allow(Act::UseTransaction, id.as_str())?;
        self.allow(Act::UseGroup, group.as_str())?;
        let add = move |turn: &mut Turn<'_>| {
            let (log, block) = (&mut turn.engines.log, turn.journal.block());
            Ok(log.add_group_to_transaction(block, &id, producer, &group, turn.now)?)
        };
        self.shard().call(Terms { acks: Acks::Leader, ..CHANGE }, add).await?
    }

    /// Puts offsets into a producer's transaction. `implicit`: naming the transaction is enough to begin it.
    pub async fn commit_offsets_of_producer(
        &self,
        id: TransactionalId,
        implicit: bool,
        producer: Producer,
        offsets: TransactionOffsets,
    ) -> Result<(), Refusal> {
        self.allow(Act::UseTransaction, id.as_str())?;
        self.allow(Act::UseGroup, offsets.group.as_str())?;
        let weight = CHANGE_WEIGHT + offsets.commits.iter().map(|one| 64 + one.metadata.len()).sum::<usize>();
        let commit = move |turn: &mut Turn<'_>| {
            let TransactionOffsets { group, committer, commits } = &offsets;
            let committer = committer.in_engine();
            let enrolment = Enrolment { id: &id, implicit };
            let (log, block) = (&mut turn.engines.log, turn.journal.block());
            Ok(log.commit_offsets_in_transaction(
                block, enrolment, producer, group, committer, commits, turn.now,
            )?)
        };
        self.shard().call(Terms { acks: Acks::Leader, weight, room: Room::Reserved }, commit).await?
    }

    /// Ends a producer's transaction and answers who it is from now on. `bump`: every transaction has its own epoch.
    pub async fn end_producer_transaction(
        &self,
        id: TransactionalId,
        producer: Producer,
        outcome: TransactionOutcome,
        bump: bool,
    ) -> Result<Producer, Refusal> {
        self.end_as(id, producer, outcome, bump, |_| ()).await
    }

    /// Aborts a transaction that its producer left open.
    pub async fn abort_left_open(&self, id: TransactionalId, producer: Producer) -> Result<(), Refusal> {
        let topics = self.clone();
        let tell = move |id: &TransactionalId| {
            topics.did(Deed::AbortTransaction, &format!("transactional id {}", id.as_str()));
        };
        self.end_as(id, producer, TransactionOutcome::Abort, false, tell).await.map(drop)
    }

    async fn end_as(
        &self,
        id: TransactionalId,
        producer: Producer,
        outcome: TransactionOutcome,
        bump: bool,
        tell: impl FnOnce(&TransactionalId) + Send + 'static,
    ) -> Result<Producer, Refusal> {
        self.allow(Act::UseTransaction, id.as_str())?;
        let end = move |turn: &mut Turn<'_>| {
            if turn.engines.staging.get(producer).is_some() {
                let detail = "the transaction has messages or settlements for queues; end it through the door that began it";
                return Err(Refusal::new(ErrorCode::InvalidTransactionState, detail));
            }
            let end = EndTransaction { id: &id, producer, outcome, bump };
            turn.ensure(CHANGE_WEIGHT + turn.engines.log.end_transaction_len(&id))?;
            let ended = turn.engines.log.end_transaction(turn.journal.block(), &end, turn.now)?;
            tell(&id);
            Ok(ended)
        };
        self.shard().call(Terms { weight: MARKERS_WEIGHT, ..CHANGE }, end).await?
    }

    /// All transactional ids, by name.
    pub async fn transactional_ids(&self) -> Result<Vec<TransactionDescription>, Refusal> {
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            let all = turn.engines.log.transactions();
            all.filter(|one| topics.may(Act::SeeTransaction, one.id.as_str())).collect()
        };
        self.shard().call(LOOK, look).await
    }

    /// One transactional id.
    pub async fn transactional_id(&self, id: TransactionalId) -> Result<TransactionDescription, Refusal> {
        self.allow(Act::SeeTransaction, id.as_str())?;
        let look = move |turn: &mut Turn<'_>| Ok(turn.engines.log.describe_transaction(&id)?);
        self.shard().call(LOOK, look).await?
    }

    /// The producers that a partition remembers.
    pub async fn active_producers(
        &self,
        log: &LogTopic,
        partition: u32,
    ) -> Result<Vec<ActiveProducer>, Refusal> {
        log.allow(Act::Consume)?;
        let id = log.partition(partition)?.id;
        let look = move |turn: &mut Turn<'_>| Ok(turn.engines.log.active_producers(id)?);
        self.shard().call(LOOK, look).await?
    }

    /// Which of these partitions have offsets of the group that an open transaction is to move.
    pub async fn pending_offsets(
        &self,
        group: &GroupName,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<bool>, Refusal> {
        self.allow(Act::SeeGroup, group.as_str())?;
        let group = group.clone();
        let look = move |turn: &mut Turn<'_>| {
            let log = &turn.engines.log;
            let pending = |partition: &TopicPartition| {
                log.resolve(partition).is_ok_and(|view| log.has_pending_offset(&group, view.id()))
            };
            partitions.iter().map(pending).collect()
        };
        self.shard().call(LOOK, look).await
    }
}
