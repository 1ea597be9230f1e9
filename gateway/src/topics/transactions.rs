//! Transactions of clients that speak of them by an id: messages on several topics, offsets of groups and settled
//! leases, all or nothing across both models.

use std::time::Duration;

use log_engine::{
    Committer, EndTransaction, Enrolment, Generation, LogError, MemberId, Producer, TransactionOutcome,
    TransactionState, TransactionalId,
};
use message::{ErrorCode, GroupName};
use queue_engine::{Destination, Settle};

use super::authorization::Act;
use super::group_spec::{GroupCommit, TopicPartition};
use super::log_topic::LogTopic;
use super::outgoing::{Acks, IdempotencyKey, Outgoing, Receipt, Receipts};
use super::publishing::{self, Appends};
use super::queue_topic::{LOOK, QueueTopic};
use super::record_batches;
use super::settling::{SettleAction, SettleRequest, SettledLease, engine_form};
use super::shard::{Engines, Room, Terms, Turn};
use super::transaction_spec::{Transaction, TransactionId, TransactionStatus};
use super::{Topic, Topics};
use crate::auth::Pass;
use crate::refusal::Refusal;

/// What is done in a transaction must survive as long as the transaction does: a commit after a power failure would
/// otherwise be one of a part.
const STEP: Terms = Terms { acks: Acks::All, weight: 4096, room: Room::Ordinary };
/// Ending makes room, and aborting what is open on a restart takes 512 KiB at most.
const END: Terms =
    Terms { acks: Acks::All, weight: log_engine::LogEngine::RECORDS_LEN_MAX, room: Room::Reserved };

/// How the names begin that transactions get which were given none.
const NAMELESS: &str = "transaction-";

impl Topics {
    /// Begins a transaction. With a name, whoever had a transaction open under it is fenced, and that one aborted.
    pub async fn begin_transaction(
        &self,
        name: Option<&str>,
        timeout: Duration,
    ) -> Result<Transaction, Refusal> {
        self.check_not_draining()?;
        let name = name.map(TransactionalId::new).transpose()?;
        self.allow(Act::UseTransaction, name.as_ref().map_or(NAMELESS, TransactionalId::as_str))?;
        let begin = move |turn: &mut Turn<'_>| {
            let (log, block) = (&mut turn.engines.log, turn.journal.block());
            let producer = log.begin_transaction(block, name.as_ref(), timeout, turn.now)?;
            turn.engines.describe_transaction(TransactionId(producer))
        };
        self.shard().call(Terms { room: Room::Ordinary, ..END }, begin).await?
    }

    /// A transaction as it stands. One that ended is known for a while.
    pub async fn transaction(&self, id: TransactionId) -> Result<Transaction, Refusal> {
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            topics.allow_in_transaction(turn.engines, id, Act::SeeTransaction)?;
            turn.engines.describe_transaction(id)
        };
        self.shard().call(LOOK, look).await?
    }

    /// The open transactions, by transactional id, from after `after`.
    pub async fn list_transactions(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Transaction>, Refusal> {
        let (after, topics) = (after.map(str::to_owned), self.clone());
        let look = move |turn: &mut Turn<'_>| {
            let log = &turn.engines.log;
            let open = log.transactions().filter(|one| one.state == TransactionState::Ongoing);
            let open = open.filter(|one| topics.may(Act::SeeTransaction, one.id.as_str()));
            let later = open.filter(|one| after.as_deref().is_none_or(|after| one.id.as_str() > after));
            let ids: Vec<_> = later.take(limit).map(|one| TransactionId(one.producer)).collect();
            ids.into_iter().filter_map(|id| turn.engines.describe_transaction(id).ok()).collect()
        };
        self.shard().call(LOOK, look).await
    }

    /// Publishes within a transaction, to a topic of either model. Records of a log have their place at once, messages
    /// of a queue get theirs with the commit. A message that is refused for good dooms the transaction.
    pub async fn publish_in_transaction(
        &self,
        id: TransactionId,
        topic: &str,
        messages: Vec<Outgoing>,
        key: Option<IdempotencyKey>,
    ) -> Result<Receipts, Refusal> {
        self.allow(Act::Publish, topic)?;
        self.check_not_draining()?;
        match self.topic(topic)? {
            Topic::Log(log) => self.publish_to_log_in(id, log, messages, key).await,
            Topic::Queue(queue) => self.publish_to_queue_in(id, queue, messages, key).await,
        }
    }

    async fn publish_to_log_in(
        &self,
        id: TransactionId,
        log: LogTopic,
        messages: Vec<Outgoing>,
        key: Option<IdempotencyKey>,
    ) -> Result<Receipts, Refusal> {
        let count = messages.len();
        let built = record_batches::build(
            &messages,
            log.partitions(),
            &log.0.settings,
            self.limits(),
            &log.0.partitioner,
            self.now(),
            Some(id.0),
        );
        drop(messages);
        let bytes = publishing::batches_weight(&built);
        let topics = self.clone();
        let work = move |turn: &mut Turn<'_>| {
            topics.allow_in_transaction(turn.engines, id, Act::UseTransaction)?;
            let transaction = turn.engines.open_transaction(id)?;
            let appends = Appends { log: &log, transaction: Some(&transaction) };
            let receipts = appends.apply(turn, built)?;
            turn.doom_if_refused(&transaction, id, &receipts)?;
            Ok(receipts)
        };
        self.publish_with(count, bytes, Acks::All, scoped(id, key).into(), work).await
    }

    async fn publish_to_queue_in(
        &self,
        id: TransactionId,
        queue: QueueTopic,
        messages: Vec<Outgoing>,
        key: Option<IdempotencyKey>,
    ) -> Result<Receipts, Refusal> {
        let count = messages.len();
        let (messages, bytes) = publishing::convert(messages, self.limits());
        let topics = self.clone();
        let work = move |turn: &mut Turn<'_>| {
            topics.allow_in_transaction(turn.engines, id, Act::UseTransaction)?;
            let transaction = turn.engines.open_transaction(id)?;
            // Told now rather than when it is too late to do something else.
            turn.engines.queue.queue_info(&queue.name)?;
            let mut receipts = Receipts::with_capacity(messages.len());
            let mut good = Vec::with_capacity(messages.len());
            for message in messages {
                match message {
                    Ok(message) => {
                        receipts.push(Ok(Receipt::Unconfirmed));
                        good.push(message);
                    }
                    Err(refusal) => receipts.push(Err(refusal)),
                }
            }
            if !good.is_empty() {
                turn.engines.staging.publish(id.0, &queue.name, good, bytes)?;
                turn.engines.log.hold_in_memory(turn.journal.block(), &transaction, id.0)?;
            }
            turn.doom_if_refused(&transaction, id, &receipts)?;
            Ok(receipts)
        };
        self.publish_with(count, 4096, Acks::All, scoped(id, key).into(), work).await
    }

    /// Puts settlements into a transaction: they happen with the commit, which fails as a whole when one of the leases
    /// has ended by then. Leases that have ended already, and those to extend, are told and stay out of it.
    pub async fn settle_in_transaction(
        &self,
        id: TransactionId,
        requests: Vec<SettleRequest>,
    ) -> Result<Vec<Result<SettledLease, Box<Refusal>>>, Refusal> {
        self.check_not_draining()?;
        let topics = self.clone();
        let stage = move |turn: &mut Turn<'_>| {
            topics.allow_in_transaction(turn.engines, id, Act::UseTransaction)?;
            let transaction = turn.engines.open_transaction(id)?;
            let mut results = Vec::with_capacity(requests.len());
            let mut good: Vec<Settle> = Vec::with_capacity(requests.len());
            for request in requests {
                if matches!(request.action, SettleAction::Extend { .. }) {
                    results.push(Err(Box::new(no_extension())));
                    continue;
                }
                let settle = engine_form(request);
                let queue = turn.engines.queue.lease_queue(settle.lease);
                if let Some(Err(refusal)) = queue.map(|(queue, _)| topics.allow(Act::Consume, queue.as_str()))
                {
                    results.push(Err(Box::new(refusal)));
                    continue;
                }
                let lasts = queue.is_some();
                let taken = turn.engines.staging.settles(id.0, &settle)
                    || good.iter().any(|other| other.lease == settle.lease);
                if lasts && !taken {
                    results.push(Ok(SettledLease { lease_expires_at: None }));
                    good.push(settle);
                } else {
                    results.push(Err(Box::new(queue_engine::SettleError::StaleLease.into())));
                }
            }
            if !good.is_empty() {
                turn.engines.staging.settle(id.0, &good)?;
                turn.engines.log.hold_in_memory(turn.journal.block(), &transaction, id.0)?;
            }
            Ok(results)
        };
        self.shard().call(Terms { room: Room::Reserved, ..STEP }, stage).await?
    }

    /// Puts offsets of a group into a transaction: they are committed with it, or not at all. Answers how many.
    pub async fn commit_offsets_in_transaction(
        &self,
        id: TransactionId,
        group: &str,
        commit: GroupCommit,
    ) -> Result<usize, Refusal> {
        self.allow(Act::UseGroup, group)?;
        self.check_not_draining()?;
        let group = GroupName::new(group)?;
        let weight = 4096 + GroupCommit::weight(&commit.offsets);
        let offsets = self.offset_commits(&commit.offsets)?;
        let (member, generation) = (commit.member, commit.generation);
        let topics = self.clone();
        let work = move |turn: &mut Turn<'_>| {
            topics.allow_in_transaction(turn.engines, id, Act::UseTransaction)?;
            let transaction = turn.engines.open_transaction(id)?;
            let log = &mut turn.engines.log;
            log.check_within_logs(&offsets)?;
            let member = member.map(|id| MemberId::new(&id));
            let committer = match &member {
                None => Committer::Nobody,
                Some(id) => Committer::Member { id, generation: generation.map(Generation), instance: None },
            };
            let enrolment = Enrolment { id: &transaction, implicit: true };
            let block = turn.journal.block();
            log.commit_offsets_in_transaction(block, enrolment, id.0, &group, committer, &offsets, turn.now)?;
            Ok(offsets.len())
        };
        self.shard().call(Terms { weight, ..STEP }, work).await?
    }

    /// Ends a transaction. A commit that cannot be carried out whole aborts it and says why.
    pub async fn end_transaction(
        &self,
        id: TransactionId,
        outcome: TransactionOutcome,
    ) -> Result<Transaction, Refusal> {
        let topics = self.clone();
        let end = move |turn: &mut Turn<'_>| {
            topics.allow_in_transaction(turn.engines, id, Act::UseTransaction)?;
            turn.end_transaction(id, outcome)
        };
        self.shard().call(END, end).await?
    }
}

fn no_extension() -> Refusal {
    let detail = "extending a lease cannot wait for a commit; extend it without a transaction";
    Refusal::new(ErrorCode::InvalidRequest, detail)
}

impl Topics {
    /// Whether the client may do something in a transaction that it names by its id.
    fn allow_in_transaction(&self, engines: &Engines, id: TransactionId, act: Act) -> Result<(), Refusal> {
        match self.pass() {
            Pass::Open => Ok(()),
            Pass::Nobody | Pass::As(_) => self.allow(act, engines.transaction_name(id)?.as_str()),
        }
    }
}

/// A key belongs to its transaction: what was answered before an abort is nothing afterwards.
fn scoped(id: TransactionId, key: Option<IdempotencyKey>) -> Option<IdempotencyKey> {
    key.map(|key| IdempotencyKey { key: format!("transaction {id}\0{}", key.key), ..key })
}

impl Engines {
    /// The transactional id of a transaction that may still be open.
    fn open_transaction(&self, id: TransactionId) -> Result<TransactionalId, Refusal> {
        let found = self.transaction_name(id)?;
        if !self.log.is_transaction_open(id.0) {
            // Ended, or another has taken its place: the coordinator says which.
            return Err(self.log.why_not_open(&found, id.0).into());
        }
        Ok(found)
    }

    fn transaction_name(&self, id: TransactionId) -> Result<TransactionalId, Refusal> {
        self.log.transactional_id_of(id.0).ok_or_else(|| LogError::UnknownTransaction(id.to_string()).into())
    }

    fn describe_transaction(&self, id: TransactionId) -> Result<Transaction, Refusal> {
        let name = self.transaction_name(id)?;
        let Some(found) = self.log.transaction_by(id.0) else {
            return Err(self.log.why_not_open(&name, id.0).into());
        };
        let status = match found.state {
            TransactionState::Ongoing => TransactionStatus::Open,
            TransactionState::CompleteCommit => TransactionStatus::Committed,
            TransactionState::CompleteAbort | TransactionState::Empty => TransactionStatus::Aborted,
        };
        let partition = |one: log_engine::TopicPartition| TopicPartition {
            topic: one.topic.to_string(),
            partition: one.partition,
        };
        let staged = self.staging.get(id.0);
        Ok(Transaction {
            id: id.to_string(),
            transactional_id: found.id.as_str().to_owned(),
            status,
            expires_at: found.started.map(|started| started.0.saturating_add(found.timeout_ms)),
            partitions: found.partitions.into_iter().map(partition).collect(),
            groups: found.groups.iter().map(ToString::to_string).collect(),
            staged_messages: staged.map_or(0, |staged| staged.messages() as u64),
            staged_settles: staged.map_or(0, |staged| staged.settles.len() as u64),
        })
    }
}

impl Turn<'_> {
    /// A message that was refused for good is missing for good: what it belongs to must not be committed.
    fn doom_if_refused(
        &mut self,
        transaction: &TransactionalId,
        id: TransactionId,
        receipts: &Receipts,
    ) -> Result<(), Refusal> {
        let lost = receipts
            .iter()
            .any(|receipt| receipt.as_ref().is_err_and(|refusal| !refusal.code.is_retryable()));
        if lost {
            self.engines.log.doom_transaction(self.journal.block(), transaction, id.0)?;
        }
        Ok(())
    }

    /// Everything in one block: the markers, the groups' offsets, the coordinator's state, the messages for queues and
    /// the settled leases. After a crash all of it is there, or none.
    fn end_transaction(
        &mut self,
        id: TransactionId,
        outcome: TransactionOutcome,
    ) -> Result<Transaction, Refusal> {
        let name = self.engines.transaction_name(id)?;
        if outcome == TransactionOutcome::Commit
            && self.engines.log.is_transaction_open(id.0)
            && let Some(staged) = self.engines.staging.get(id.0)
        {
            if let Err(why) = staged.check(&self.engines.queue) {
                // Logs take more once they have settled.
                if why.code == ErrorCode::Overloaded {
                    return Err(why);
                }
                return Err(self.abort_because(&name, id.0, &why));
            }
            let bytes =
                staged.block_bytes(&mut self.engines.queue) + self.engines.log.end_transaction_len(&name);
            if self.journal.room() < bytes as u64 {
                self.journal.make_room()?;
            }
            match self.ensure(bytes).map_err(Refusal::from) {
                Err(why) if !why.code.is_retryable() => return Err(self.abort_because(&name, id.0, &why)),
                outcome => outcome?,
            }
        } else {
            self.ensure(self.engines.log.end_transaction_len(&name))?;
        }
        self.end_in_log(&name, id.0, outcome)?;
        if let Some(staged) = self.engines.staging.take(id.0)
            && outcome == TransactionOutcome::Commit
        {
            let (queue, block) = (&mut self.engines.queue, self.journal.block());
            for (to, messages) in staged.publishes {
                // Both were checked, and the block has room.
                queue.publish_batch(block, Destination::Queue(&to), messages, self.now)?;
            }
            queue.settle(block, &staged.settles, self.now);
        }
        self.engines.describe_transaction(id)
    }

    fn end_in_log(
        &mut self,
        name: &TransactionalId,
        producer: Producer,
        outcome: TransactionOutcome,
    ) -> Result<(), Refusal> {
        let end = EndTransaction { id: name, producer, outcome, bump: true };
        let ended = self.engines.log.end_transaction(self.journal.block(), &end, self.now);
        if ended.is_err() {
            // Whatever became of it, it is not committed.
            self.engines.staging.take(producer);
        }
        ended.map(drop).map_err(Refusal::from)
    }

    fn abort_because(&mut self, name: &TransactionalId, producer: Producer, why: &Refusal) -> Refusal {
        let aborted = self
            .ensure(self.engines.log.end_transaction_len(name))
            .map_err(Refusal::from)
            .and_then(|()| self.end_in_log(name, producer, TransactionOutcome::Abort));
        self.engines.staging.take(producer);
        match aborted {
            Ok(()) => {
                let detail = format!("the transaction was aborted: {}", why.detail);
                Refusal::new(ErrorCode::TransactionAborted, detail)
            }
            Err(refusal) => refusal,
        }
    }
}
