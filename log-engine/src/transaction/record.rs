use message::Timestamp;

use super::{AbortedTransaction, TransactionState};
use crate::producer::{BatchMark, Producer, ProducerEpoch, ProducerId, ProducerState, Sequence};
use crate::record::{CommittedOffset, Fields, put_text};
use crate::{LogError, Offset, PartitionId};

/// Kinds of records; they share one space with those of [`crate::record::LogRecord`].
const ENTRY: u8 = 20;
const PARTITIONS: u8 = 21;
const OFFSETS: u8 = 22;
const FORGOTTEN: u8 = 23;
const PRODUCERS: u8 = 24;
const ABORTED: u8 = 25;
const NEXT_PRODUCER: u8 = 26;
const FLAGS: u8 = 27;

/// What the journal records of transactions and producers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TransactionRecord<'a> {
    /// A transactional id as it is now, pending offsets aside: replaces what was known of it.
    Entry(TransactionEntry<'a>),
    /// Partitions joined a transaction, which begins with them unless it is open.
    Partitions { producer: ProducerId, at: Timestamp, partitions: Vec<PartitionId> },
    /// A transaction is to move a group's offsets, and begins with that unless it is open.
    Offsets { producer: ProducerId, at: Timestamp, group: &'a str, commits: Vec<CommittedOffset<'a>> },
    /// A transactional id was forgotten.
    Forgotten(ProducerId),
    /// Producers as a checkpoint finds them in a partition.
    Producers { partition: PartitionId, producers: Vec<ProducerEntry> },
    /// Aborted transactions whose markers have not settled, as a checkpoint finds them.
    Aborted { partition: PartitionId, transactions: Vec<AbortedTransaction> },
    /// The producer id to give next.
    NextProducer(i64),
    /// What is special about a transaction.
    Flags { producer: ProducerId, flags: u8 },
}

/// One producer in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub id: ProducerId,
    pub state: ProducerState,
}

/// A transactional id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TransactionEntry<'a> {
    pub id: &'a str,
    pub producer: Producer,
    pub previous: Option<Producer>,
    pub timeout_ms: i64,
    pub state: TransactionState,
    pub started: Timestamp,
    pub updated: Timestamp,
    pub flags: u8,
    pub partitions: Vec<PartitionId>,
}

impl<'a> TransactionRecord<'a> {
    /// Whether a record that starts with this byte is one of these.
    pub(crate) fn has_kind(kind: u8) -> bool {
        (ENTRY..=FLAGS).contains(&kind)
    }

    /// Writes it behind what `out` holds.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            TransactionRecord::Entry(entry) => {
                out.push(ENTRY);
                put_text(out, entry.id);
                put_producer(out, entry.producer);
                let none = Producer { id: ProducerId(-1), epoch: ProducerEpoch(-1) };
                put_producer(out, entry.previous.unwrap_or(none));
                out.extend_from_slice(&entry.timeout_ms.to_le_bytes());
                out.push(entry.state.to_byte());
                out.extend_from_slice(&entry.started.0.to_le_bytes());
                out.extend_from_slice(&entry.updated.0.to_le_bytes());
                out.push(entry.flags);
                put_partitions(out, &entry.partitions);
            }
            TransactionRecord::Partitions { producer, at, partitions } => {
                out.push(PARTITIONS);
                out.extend_from_slice(&producer.0.to_le_bytes());
                out.extend_from_slice(&at.0.to_le_bytes());
                put_partitions(out, partitions);
            }
            TransactionRecord::Offsets { producer, at, group, commits } => {
                out.push(OFFSETS);
                out.extend_from_slice(&producer.0.to_le_bytes());
                out.extend_from_slice(&at.0.to_le_bytes());
                put_text(out, group);
                out.extend_from_slice(&(commits.len() as u32).to_le_bytes());
                commits.iter().for_each(|commit| commit.encode(out));
            }
            TransactionRecord::Forgotten(producer) => {
                out.push(FORGOTTEN);
                out.extend_from_slice(&producer.0.to_le_bytes());
            }
            TransactionRecord::Producers { partition, producers } => {
                out.push(PRODUCERS);
                out.extend_from_slice(&partition.0.to_le_bytes());
                out.extend_from_slice(&(producers.len() as u32).to_le_bytes());
                producers.iter().for_each(|entry| put_state(out, entry));
            }
            TransactionRecord::Aborted { partition, transactions } => {
                out.push(ABORTED);
                out.extend_from_slice(&partition.0.to_le_bytes());
                out.extend_from_slice(&(transactions.len() as u32).to_le_bytes());
                for transaction in transactions {
                    let AbortedTransaction { producer, first, last, stable } = transaction;
                    for field in [producer.0, first.0, last.0, stable.0] {
                        out.extend_from_slice(&field.to_le_bytes());
                    }
                }
            }
            TransactionRecord::NextProducer(next) => {
                out.push(NEXT_PRODUCER);
                out.extend_from_slice(&next.to_le_bytes());
            }
            TransactionRecord::Flags { producer, flags } => {
                out.push(FLAGS);
                out.extend_from_slice(&producer.0.to_le_bytes());
                out.push(*flags);
            }
        }
    }

    /// Reads one record, all of `from`.
    pub(crate) fn decode(from: &mut Fields<'a>) -> Result<TransactionRecord<'a>, LogError> {
        Ok(match from.byte()? {
            ENTRY => TransactionRecord::Entry(TransactionEntry {
                id: from.text()?,
                producer: producer(from)?,
                previous: Some(producer(from)?).filter(|previous| previous.id.0 >= 0),
                timeout_ms: from.i64()?,
                state: TransactionState::from_byte(from.byte()?)
                    .ok_or(LogError::Record("unknown state of a transaction"))?,
                started: Timestamp(from.i64()?),
                updated: Timestamp(from.i64()?),
                flags: from.byte()?,
                partitions: from.list(Fields::partition)?,
            }),
            PARTITIONS => TransactionRecord::Partitions {
                producer: ProducerId(from.i64()?),
                at: Timestamp(from.i64()?),
                partitions: from.list(Fields::partition)?,
            },
            OFFSETS => TransactionRecord::Offsets {
                producer: ProducerId(from.i64()?),
                at: Timestamp(from.i64()?),
                group: from.text()?,
                commits: from.list(Fields::committed_offset)?,
            },
            FORGOTTEN => TransactionRecord::Forgotten(ProducerId(from.i64()?)),
            PRODUCERS => TransactionRecord::Producers {
                partition: from.partition()?,
                producers: from.list(producer_entry)?,
            },
            ABORTED => TransactionRecord::Aborted {
                partition: from.partition()?,
                transactions: from.list(|from| {
                    Ok(AbortedTransaction {
                        producer: ProducerId(from.i64()?),
                        first: Offset(from.i64()?),
                        last: Offset(from.i64()?),
                        stable: Offset(from.i64()?),
                    })
                })?,
            },
            NEXT_PRODUCER => TransactionRecord::NextProducer(from.i64()?),
            FLAGS => TransactionRecord::Flags { producer: ProducerId(from.i64()?), flags: from.byte()? },
            _ => return Err(LogError::Record("unknown kind")),
        })
    }
}

fn put_producer(out: &mut Vec<u8>, producer: Producer) {
    out.extend_from_slice(&producer.id.0.to_le_bytes());
    out.extend_from_slice(&producer.epoch.0.to_le_bytes());
}

fn producer(from: &mut Fields<'_>) -> Result<Producer, LogError> {
    Ok(Producer { id: ProducerId(from.i64()?), epoch: ProducerEpoch(i16::from_le_bytes(from.take()?)) })
}

fn put_partitions(out: &mut Vec<u8>, partitions: &[PartitionId]) {
    out.extend_from_slice(&(partitions.len() as u32).to_le_bytes());
    partitions.iter().for_each(|partition| out.extend_from_slice(&partition.0.to_le_bytes()));
}

fn put_state(out: &mut Vec<u8>, ProducerEntry { id, state }: &ProducerEntry) {
    put_producer(out, Producer { id: *id, epoch: state.epoch });
    out.extend_from_slice(&state.seen.0.to_le_bytes());
    out.extend_from_slice(&state.transaction.map_or(-1, |first| first.0).to_le_bytes());
    out.extend_from_slice(&(state.batches().len() as u32).to_le_bytes());
    for batch in state.batches() {
        out.extend_from_slice(&batch.first.0.to_le_bytes());
        out.extend_from_slice(&batch.last.0.to_le_bytes());
        out.extend_from_slice(&batch.base_offset.0.to_le_bytes());
        out.extend_from_slice(&batch.span.to_le_bytes());
        out.extend_from_slice(&batch.timestamp.to_le_bytes());
    }
}

fn producer_entry(from: &mut Fields<'_>) -> Result<ProducerEntry, LogError> {
    let Producer { id, epoch } = producer(from)?;
    let mut state = ProducerState::new(epoch, Timestamp(from.i64()?));
    state.transaction = Some(Offset(from.i64()?)).filter(|first| first.0 >= 0);
    let batches = from.list(|from| {
        let number = |from: &mut Fields<'_>| from.take().map(i32::from_le_bytes);
        Ok(BatchMark {
            first: Sequence(number(from)?),
            last: Sequence(number(from)?),
            base_offset: Offset(from.i64()?),
            span: number(from)?,
            timestamp: from.i64()?,
        })
    })?;
    batches.into_iter().for_each(|batch| state.remember(batch));
    Ok(ProducerEntry { id, state })
}

#[cfg(test)]
pub(crate) fn samples() -> Vec<TransactionRecord<'static>> {
    let producer = Producer { id: ProducerId(7), epoch: ProducerEpoch(2) };
    let mut state = ProducerState::new(ProducerEpoch(3), Timestamp(9));
    state.transaction = Some(Offset(0));
    state.remember(BatchMark {
        first: Sequence(1),
        last: Sequence(2),
        base_offset: Offset(3),
        span: 1,
        timestamp: 4,
    });
    let aborted =
        AbortedTransaction { producer: ProducerId(7), first: Offset(1), last: Offset(2), stable: Offset(3) };
    let commit = CommittedOffset {
        partition: PartitionId(4),
        offset: Offset(9),
        leader_epoch: 2,
        at: Timestamp(1),
        expires_at: None,
        metadata: "m",
    };
    vec![
        TransactionRecord::Entry(TransactionEntry {
            id: "mover",
            producer,
            previous: Some(Producer { id: ProducerId(6), epoch: ProducerEpoch(1) }),
            timeout_ms: 60_000,
            state: TransactionState::Ongoing,
            started: Timestamp(1),
            updated: Timestamp(2),
            flags: 3,
            partitions: vec![PartitionId(1), PartitionId(2)],
        }),
        TransactionRecord::Partitions {
            producer: ProducerId(7),
            at: Timestamp(1),
            partitions: vec![PartitionId(3)],
        },
        TransactionRecord::Offsets {
            producer: ProducerId(7),
            at: Timestamp(1),
            group: "g",
            commits: vec![commit],
        },
        TransactionRecord::Forgotten(ProducerId(7)),
        TransactionRecord::Producers {
            partition: PartitionId(1),
            producers: vec![ProducerEntry { id: ProducerId(7), state }],
        },
        TransactionRecord::Aborted { partition: PartitionId(1), transactions: vec![aborted] },
        TransactionRecord::NextProducer(8),
        TransactionRecord::Flags { producer: ProducerId(7), flags: 2 },
    ]
}
