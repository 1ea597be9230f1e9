use std::collections::HashMap;
use std::time::Duration;

use message::Timestamp;
use segment_store::Block;

use crate::batch::{BatchHeader, ControlRecord};
use crate::producer::{ActiveProducer, BatchMark, Producer, ProducerId, Verdict};
use crate::record::LogRecord;
use crate::transaction::{TransactionOutcome, TransactionRecord};
use crate::transactions::Enrolment;
use crate::{Appended, LogEngine, LogError, Offset, PartitionId};

/// How often silent producers are looked for, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(600);
/// The same while there are many.
const CROWDED_INTERVAL: Duration = Duration::from_secs(10);
/// A producer that wrote within this time is not forgotten to make room for others: it may still send a batch again
/// (the Java client's `delivery.timeout.ms` is two minutes).
const KEPT_AT_LEAST: Duration = Duration::from_secs(600);
/// When a producer wrote last that the journal brought back, until the clock is known.
pub(crate) const UNDATED: Timestamp = Timestamp(i64::MIN);

/// How a batch of an idempotent producer stands.
pub(crate) enum Standing {
    /// It is stored already.
    Duplicate(Appended),
    /// It is the next one.
    Next {
        /// Whether the partition joins the producer's transaction with it.
        joins: bool,
    },
}

impl LogEngine {
    /// A producer id that no other producer has or had, for idempotence without transactions (`InitProducerId`
    /// without a transactional id). **Answer only once the block is durable**: two producers of one number would take
    /// each other's batches for repetitions.
    pub fn new_producer(&mut self, block: &mut Block) -> Producer {
        let id = self.transactions.new_producer();
        let next = TransactionRecord::NextProducer(self.transactions.next_producer);
        self.push(block, &LogRecord::Transaction(next));
        Producer { id, epoch: crate::ProducerEpoch(0) }
    }

    /// Makes sure that a batch names a producer that was given a number, and answers how many may be remembered.
    pub fn check_numbered(&self, header: &BatchHeader) -> Result<usize, LogError> {
        let id = ProducerId(header.producer_id);
        if id.0 >= self.transactions.next_producer {
            return Err(LogError::UnknownProducer(id));
        }
        Ok(self.config.producers_max)
    }

    /// Since when a producer that is still remembered must have written.
    #[must_use]
    pub fn producers_since(&self, now: Timestamp) -> Timestamp {
        earlier(now, self.config.producer_expiration)
    }

    /// Whether a batch that names its producer may be stored, and whether it is already.
    pub(crate) fn check_producer(
        &self,
        header: &BatchHeader,
        partition: PartitionId,
        enrolment: Option<Enrolment<'_>>,
    ) -> Result<Standing, LogError> {
        let slot = self.partitions.get(&partition).ok_or(LogError::GonePartition(partition))?;
        let id = ProducerId(header.producer_id);
        self.check_numbered(header)?;
        let in_transaction = match slot.producers.check(header, slot.view.name())? {
            Verdict::Duplicate(stored) => return Ok(Standing::Duplicate(stored.appended(partition))),
            Verdict::Next { in_transaction } => in_transaction,
        };
        if self.producer_count >= self.config.producers_max && slot.producers.state(id).is_none() {
            return Err(LogError::TooManyProducers(self.config.producers_max));
        }
        let joins = match enrolment {
            Some(enrolment) if !in_transaction => self.check_enrolment(header, slot, enrolment)?,
            _ => false,
        };
        Ok(Standing::Next { joins })
    }

    /// Writes a transaction's marker into one partition.
    pub(crate) fn append_marker(
        &mut self,
        block: &mut Block,
        partition: PartitionId,
        producer: Producer,
        outcome: TransactionOutcome,
        now: Timestamp,
    ) {
        // Its topic may be deleted by now.
        let Some(slot) = self.partitions.get_mut(&partition) else { return };
        let control = match outcome {
            TransactionOutcome::Commit => ControlRecord::Commit,
            TransactionOutcome::Abort => ControlRecord::Abort,
        };
        let batch = control.batch(producer, now);
        let header = slot.place(block, batch, &mut self.settling, &mut self.advanced, now);
        self.producer_count += usize::from(slot.end_transaction(producer, outcome, header.base_offset, now));
    }

    /// The producers that a partition remembers, by id.
    pub fn active_producers(&self, partition: PartitionId) -> Result<Vec<ActiveProducer>, LogError> {
        let slot = self.partitions.get(&partition).ok_or(LogError::GonePartition(partition))?;
        Ok(slot.producers.active())
    }

    /// The last offset of each remembered producer's last batch: what compaction leaves there, so that tools that read
    /// the files find the producer's sequence.
    #[must_use]
    pub fn last_batches(&self, partition: PartitionId) -> HashMap<ProducerId, Offset> {
        let slot = self.partitions.get(&partition);
        let states = slot.into_iter().flat_map(|slot| slot.producers.states());
        states.filter_map(|(id, state)| Some((id, state.batches().last()?.last_offset()))).collect()
    }

    /// Forgets producers that were silent for too long, and more of them when there are too many.
    pub(crate) fn forget_producers(&mut self, now: Timestamp) {
        if now < self.next_producer_check {
            return;
        }
        let expiration = self.config.producer_expiration;
        self.forget_producers_before(earlier(now, expiration));
        let max = self.config.producers_max;
        if self.producer_count > max - max / 10 {
            self.make_room_for_producers(now);
        }
        let pause = if self.producer_count > max / 2 { CROWDED_INTERVAL } else { CHECK_INTERVAL };
        self.next_producer_check = now.plus(pause.min(expiration));
    }

    /// Leaves a fifth of the places free, as far as nobody is forgotten too early.
    fn make_room_for_producers(&mut self, now: Timestamp) {
        let mut seen: Vec<Timestamp> = Vec::with_capacity(self.producer_count);
        for slot in self.partitions.values() {
            seen.extend(slot.producers.states().map(|(_, state)| state.seen));
        }
        let surplus = seen.len().saturating_sub(self.config.producers_max / 5 * 4);
        if surplus < seen.len() {
            let before = *seen.select_nth_unstable(surplus).1;
            self.forget_producers_before(before.min(earlier(now, KEPT_AT_LEAST)));
        }
    }

    fn forget_producers_before(&mut self, before: Timestamp) {
        for slot in self.partitions.values_mut().filter(|slot| slot.producers.len() > 0) {
            self.producer_count -= slot.producers.forget_before(before);
        }
    }
}

impl BatchMark {
    fn appended(&self, partition: PartitionId) -> Appended {
        Appended {
            partition,
            base_offset: self.base_offset,
            last_offset: self.last_offset(),
            timestamp: Timestamp(self.timestamp),
            is_duplicate: true,
        }
    }
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
