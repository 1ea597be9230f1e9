use std::collections::{BTreeMap, HashMap};

use message::Timestamp;

use super::{BatchMark, Producer, ProducerEpoch, ProducerId, ProducerState, Sequence};
use crate::batch::BatchHeader;
use crate::transaction::{AbortedTransaction, TransactionOutcome};
use crate::{LogError, Offset, TopicPartition};

/// The producers that wrote to one partition and are still remembered. Takes no memory while there are none.
#[derive(Debug, Default)]
pub(crate) struct ProducerTable(Option<Box<Known>>);

#[derive(Debug, Default)]
struct Known {
    states: HashMap<ProducerId, ProducerState>,
    /// Open transactions, by where they begin.
    open: BTreeMap<Offset, ProducerId>,
}

/// What is to be done with a batch of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on where the producer stopped.
    Next {
        /// Whether the producer has a transaction open here already.
        in_transaction: bool,
    },
    /// It is stored already.
    Duplicate(BatchMark),
}

/// A producer that wrote to a partition, for whoever looks for a stuck one (Kafka's `DescribeProducers`, KIP-664).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Who.
    pub producer: Producer,
    /// Number of its last record; -1 when none of this epoch is known.
    pub last_sequence: i32,
    /// When it last wrote, by the broker's clock.
    pub last_timestamp: Timestamp,
    /// Where its open transaction begins.
    pub transaction_start: Option<Offset>,
}

impl ProducerTable {
    /// What is to be done with a batch that names its producer.
    pub(crate) fn check(
        &self,
        header: &BatchHeader,
        partition: &TopicPartition,
    ) -> Result<Verdict, LogError> {
        let producer =
            Producer { id: ProducerId(header.producer_id), epoch: ProducerEpoch(header.producer_epoch) };
        // Nothing is known (any more): whatever number it goes on with is taken, as in Kafka.
        let Some(state) = self.state(producer.id) else {
            return Ok(Verdict::Next { in_transaction: false });
        };
        if producer.epoch < state.epoch {
            return Err(LogError::InvalidProducerEpoch { producer, current: state.epoch });
        }
        let same_epoch = producer.epoch == state.epoch;
        if header.base_sequence >= 0 {
            let first = Sequence(header.base_sequence);
            let last = first.plus(header.last_offset_delta);
            if same_epoch && let Some(stored) = state.duplicate(first, last) {
                return Ok(Verdict::Duplicate(*stored));
            }
            let expected = match state.last_sequence() {
                Some(before) if same_epoch => before.next(),
                _ => Sequence(0),
            };
            if first != expected {
                let partition = partition.clone();
                return Err(LogError::OutOfOrderSequence {
                    producer,
                    partition,
                    expected: expected.0,
                    found: first.0,
                });
            }
        }
        if state.transaction.is_some() && !header.is_transactional() {
            return Err(LogError::InvalidTransactionState(format!(
                "producer {producer} has a transaction open in {partition}; end it before writing without one"
            )));
        }
        Ok(Verdict::Next { in_transaction: same_epoch && state.transaction.is_some() })
    }

    /// Takes note of a batch with records that has its place; tells whether the producer was unknown.
    pub(crate) fn record(&mut self, header: &BatchHeader, now: Timestamp) -> bool {
        let id = ProducerId(header.producer_id);
        let epoch = ProducerEpoch(header.producer_epoch);
        let known = self.0.get_or_insert_default();
        let before = known.states.len();
        let state = known.states.entry(id).or_insert_with(|| ProducerState::new(epoch, now));
        if state.epoch != epoch {
            state.begin_epoch(epoch);
        }
        state.seen = now;
        if header.base_sequence >= 0 {
            state.remember(BatchMark::of(header));
        }
        if header.is_transactional() && state.transaction.is_none() {
            state.transaction = Some(header.base_offset);
            known.open.insert(header.base_offset, id);
        }
        known.states.len() > before
    }

    /// Takes note of a marker at `offset`; tells whether the producer was unknown, and what the marker ended.
    pub(crate) fn end(
        &mut self,
        producer: Producer,
        outcome: TransactionOutcome,
        offset: Offset,
        now: Timestamp,
    ) -> (bool, Option<AbortedTransaction>) {
        let known = self.0.get_or_insert_default();
        let before = known.states.len();
        let fresh = || ProducerState::new(producer.epoch, now);
        let state = known.states.entry(producer.id).or_insert_with(fresh);
        if state.epoch < producer.epoch {
            state.begin_epoch(producer.epoch);
        }
        state.seen = now;
        let began = state.transaction.take();
        let new = known.states.len() > before;
        let Some(first) = began else { return (new, None) };
        known.open.remove(&first);
        let aborted = (outcome == TransactionOutcome::Abort).then(|| AbortedTransaction {
            producer: producer.id,
            first,
            last: offset,
            stable: self.first_open().unwrap_or(offset.next()),
        });
        (new, aborted)
    }

    /// Where the first open transaction begins.
    pub(crate) fn first_open(&self) -> Option<Offset> {
        self.0.as_ref()?.open.keys().next().copied()
    }

    /// The open transactions, by where they begin.
    pub(crate) fn open(&self) -> impl Iterator<Item = (Offset, ProducerId)> {
        self.0.iter().flat_map(|known| known.open.iter().map(|(first, id)| (*first, *id)))
    }

    pub(crate) fn state(&self, id: ProducerId) -> Option<&ProducerState> {
        self.0.as_ref()?.states.get(&id)
    }

    /// Everything that is remembered.
    pub(crate) fn states(&self) -> impl Iterator<Item = (ProducerId, &ProducerState)> {
        self.0.iter().flat_map(|known| known.states.iter().map(|(id, state)| (*id, state)))
    }

    /// Takes what a checkpoint says.
    pub(crate) fn restore(&mut self, id: ProducerId, state: ProducerState) {
        let known = self.0.get_or_insert_default();
        if let Some(first) = state.transaction {
            known.open.insert(first, id);
        }
        known.states.insert(id, state);
    }

    /// How many producers are remembered.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |known| known.states.len())
    }

    /// Forgets producers that wrote last before `before` and have nothing open; tells how many.
    pub(crate) fn forget_before(&mut self, before: Timestamp) -> usize {
        let Some(known) = &mut self.0 else { return 0 };
        let had = known.states.len();
        known.states.retain(|_, state| state.seen > before || state.transaction.is_some());
        let gone = had - known.states.len();
        if known.states.is_empty() {
            self.0 = None;
        } else if gone > had / 2 {
            known.states.shrink_to_fit();
        }
        gone
    }

    /// Dates everything that the journal brought back without a time.
    pub(crate) fn date(&mut self, undated: Timestamp, now: Timestamp) {
        for state in self.0.iter_mut().flat_map(|known| known.states.values_mut()) {
            if state.seen == undated {
                state.seen = now;
            }
        }
    }

    /// The producers, for a description.
    pub(crate) fn active(&self) -> Vec<ActiveProducer> {
        let mut active: Vec<_> = self
            .states()
            .map(|(id, state)| ActiveProducer {
                producer: Producer { id, epoch: state.epoch },
                last_sequence: state.last_sequence().map_or(-1, |sequence| sequence.0),
                last_timestamp: state.seen,
                transaction_start: state.transaction,
            })
            .collect();
        active.sort_by_key(|active| active.producer);
        active
    }
}
