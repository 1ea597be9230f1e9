//! Record batches in, as producers sent them: one call to the owner for each request.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use log_engine::batch::{Batch, BatchHeader, Record, RecordSet};
use log_engine::{Appended, Enrolment, LogEngine, LogError, TransactionalId};

use message::{ErrorCode, Limits};

use super::Topics;
use super::authorization::Act;
use super::log_topic::LogTopic;
use super::outgoing::{Acks, Outgoing};
use super::record_batches::{self, CONTENT_TYPE};
use super::shard::{Room, Terms, Turn};
use super::vitals::Vitals;
use crate::refusal::Refusal;

/// Journal bytes of batches that one call to the owner brings at most, beyond a single batch.
const CALL_BYTES: usize = 8 << 20;

/// A batch that was checked and can be appended.
#[derive(Debug)]
pub struct ProducerBatch(Batch);

impl ProducerBatch {
    /// Checks what a producer sent: exactly one batch of version 2, and each of its records, compressed or not.
    ///
    /// The bytes are kept as they are until they have settled on disk.
    pub fn check(bytes: BytesMut, limits: &Limits) -> Result<ProducerBatch, Refusal> {
        Batch::validate(bytes, limits.decompressed_bytes)
            .map(ProducerBatch)
            .map_err(|error| Refusal::from(LogError::from(error)))
    }

    /// Its records as messages for a queue.
    pub fn into_messages(self, limits: &Limits) -> Result<Vec<Outgoing>, Refusal> {
        let broken = |error| Refusal::from(LogError::from(error));
        if self.0.header().is_transactional() {
            let detail = "a queue takes no part in transactions of Kafka producers; produce without one";
            return Err(Refusal::new(ErrorCode::InvalidTransactionState, detail));
        }
        let set = RecordSet::open(self.0.as_bytes(), limits.decompressed_bytes).map_err(broken)?;
        set.iter().map(|record| record.map(|record| Outgoing::from(&record)).map_err(broken)).collect()
    }

    pub(crate) fn header(&self) -> &BatchHeader {
        self.0.header()
    }

    /// How many records it holds.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.count()
    }
}

impl From<&Record<'_>> for Outgoing {
    fn from(record: &Record<'_>) -> Outgoing {
        let mut message = Outgoing {
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            ..Outgoing::default()
        };
        message.options.timestamp = (record.timestamp >= 0).then_some(record.timestamp);
        for (name, value) in record.headers.iter() {
            let text = value.and_then(|value| std::str::from_utf8(value).ok());
            match text.filter(|_| name == CONTENT_TYPE.as_bytes() && message.content_type.is_none()) {
                Some(content_type) => message.content_type = Some(content_type.to_owned()),
                None => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    message.headers.push((name, record_batches::typed_header(value)));
                }
            }
        }
        message
    }
}

/// A batch and where it goes.
pub struct BatchAppend {
    /// The log.
    pub log: LogTopic,
    /// Its partition, which exists.
    pub partition: u32,
    /// What is appended.
    pub batch: ProducerBatch,
    /// The transaction that it belongs to.
    pub transaction: Option<Arc<InTransaction>>,
}

/// The transaction that batches of a request belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InTransaction {
    /// The producer's transactional id.
    pub id: TransactionalId,
    /// Whether naming it is enough to put a partition into the transaction (KIP-890).
    pub implicit: bool,
}

/// What an appended batch became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedBatch {
    /// The offset of its first record.
    pub base_offset: i64,
    /// When it arrived, if the log stamps that, in milliseconds.
    pub arrived_at: Option<i64>,
    /// The first offset that the partition holds.
    pub log_start: i64,
}

/// What became of each batch.
pub type Appends = Vec<Result<AppendedBatch, Refusal>>;

impl Topics {
    /// Appends batches in the order given; each succeeds or fails by itself.
    ///
    /// What is appended by a call whose future was polled once comes before what later calls append.
    pub async fn append(&self, batches: Vec<BatchAppend>, acks: Acks) -> Result<Appends, Refusal> {
        self.check_takes_messages()?;
        let now = self.now();
        let mut calls = Vec::with_capacity(1);
        let (mut call, mut weight) = (Vec::with_capacity(batches.len()), 256);
        let mut outcomes: Vec<Option<Refusal>> = Vec::with_capacity(batches.len());
        for append in batches {
            // Whatever the topic asks of a batch is done here: the owner has better things to do.
            let BatchAppend { log, partition, batch: ProducerBatch(batch), transaction } = append;
            let allowed = log.allow(Act::Publish).and_then(|()| match transaction.as_deref() {
                Some(InTransaction { id, .. }) => self.allow(Act::UseTransaction, id.as_str()),
                None => Ok(()),
            });
            let batch = match allowed.and_then(|()| log.take_in(batch, now)) {
                Ok(batch) => ProducerBatch(batch),
                Err(refusal) => {
                    outcomes.push(Some(refusal));
                    continue;
                }
            };
            outcomes.push(None);
            let bytes = LogEngine::transactional_append_len(batch.0.len());
            if !call.is_empty() && weight + bytes > CALL_BYTES {
                calls.push((std::mem::take(&mut call), std::mem::replace(&mut weight, 256)));
            }
            weight += bytes;
            call.push(BatchAppend { log, partition, batch, transaction });
        }
        if !call.is_empty() {
            calls.push((call, weight));
        }
        let calls = calls.into_iter().map(|(call, weight)| self.append_call(call, weight, acks));
        let appended = futures_util::future::join_all(calls).await;
        let mut appended = appended.into_iter().flatten();
        let outcome = |refused: Option<Refusal>| match refused {
            Some(refusal) => Some(Err(refusal)),
            None => appended.next(),
        };
        Ok(outcomes.into_iter().filter_map(outcome).collect())
    }

    async fn append_call(&self, batches: Vec<BatchAppend>, weight: usize, acks: Acks) -> Appends {
        let count = batches.len();
        let work = move |turn: &mut Turn<'_>| -> Appends {
            batches.into_iter().map(|append| append_one(turn, append)).collect()
        };
        if acks == Acks::None {
            let sent = self.shard().cast(weight, Room::Ordinary, |turn| drop(work(turn))).await;
            let unknown = AppendedBatch { base_offset: -1, arrived_at: None, log_start: -1 };
            return vec![sent.map(|()| unknown); count];
        }
        match self.shard().call(Terms { acks, weight, room: Room::Ordinary }, work).await {
            Ok(appends) => appends,
            Err(refusal) => vec![Err(refusal); count],
        }
    }
}

fn append_one(turn: &mut Turn<'_>, append: BatchAppend) -> Result<AppendedBatch, Refusal> {
    let BatchAppend { log, partition, batch: ProducerBatch(batch), transaction } = append;
    let partition = log.partition(partition)?;
    let count = batch.count() as usize;
    let (engine, block) = (&mut turn.engines.log, turn.journal.block());
    Vitals::count(&turn.engines.vitals.received, count);
    let appended = match transaction.as_deref().filter(|_| batch.header().is_transactional()) {
        None => engine.append(block, partition.id, batch, turn.now),
        Some(InTransaction { id, implicit }) => {
            let enrolment = Enrolment { id, implicit: *implicit };
            engine.append_transactional(block, partition.id, batch, enrolment, turn.now)
        }
    };
    let Appended { base_offset, timestamp, .. } = appended?;
    Vitals::count(&turn.engines.vitals.routed, count);
    Vitals::count(&turn.engines.vitals.confirmed, count);
    Ok(AppendedBatch {
        base_offset: base_offset.0,
        arrived_at: log.stamps_arrival().then_some(timestamp.0),
        log_start: partition.view.log_start().0,
    })
}
