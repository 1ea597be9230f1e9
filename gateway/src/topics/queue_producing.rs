//! Batches of Kafka's producers into queues: all of a batch or nothing of it, and once however often it is sent.

use bytes::Bytes;
use log_engine::batch::BatchHeader;
use log_engine::{Offset, ProducerWindows, TopicPartition};
use message::{ErrorCode, Limits};
use queue_engine::{Destination, NewMessage, Published};
use segment_store::RecordKind;

use super::Topics;
use super::appending::{AppendedBatch, ProducerBatch};
use super::outgoing::{Acks, Receipt};
use super::publishing::{self, enqueue};
use super::queue_topic::QueueTopic;
use super::shard::{Room, Terms, Turn};
use crate::refusal::Refusal;

/// A batch whose records a queue can keep.
pub struct QueueBatch {
    queue: QueueTopic,
    header: BatchHeader,
    messages: Vec<NewMessage>,
    /// Journal bytes that they take at most.
    bytes: usize,
}

impl QueueBatch {
    /// Checks what a producer sent to a queue.
    ///
    /// # Errors
    /// When the batch is none that a queue takes, or some of its records are none.
    pub fn check(queue: QueueTopic, batch: ProducerBatch, limits: &Limits) -> Result<QueueBatch, Refusal> {
        let header = *batch.header();
        let (converted, bytes) = publishing::convert(batch.into_messages(limits)?, limits);
        let mut messages = Vec::with_capacity(converted.len());
        let mut faults = Vec::new();
        for (place, message) in (0u32..).zip(converted) {
            match message {
                Ok(message) => messages.push(message),
                Err(refusal) => faults.push((place, *refusal)),
            }
        }
        match faults.first() {
            None => Ok(QueueBatch { queue, header, messages, bytes }),
            Some((_, first)) => {
                let code = match first.code {
                    ErrorCode::TooLarge => ErrorCode::TooLarge,
                    _ => ErrorCode::InvalidRecord,
                };
                let refusal = Refusal::new(code, first.detail.clone());
                let records = faults.into_iter().map(|(place, refusal)| (place, refusal.detail)).collect();
                Err(Refusal { records, ..refusal })
            }
        }
    }
}

impl Topics {
    /// Puts a batch into its queue. What a call whose future was polled once puts there comes before what later calls do.
    pub async fn produce_to_queue(&self, batch: QueueBatch, acks: Acks) -> Result<AppendedBatch, Refusal> {
        self.check_not_draining()?;
        let weight = 512 + batch.bytes + ProducerWindows::RECORD_BYTES;
        let work = move |turn: &mut Turn<'_>| turn.produce_to_queue(batch);
        if acks == Acks::None {
            self.shard().cast(weight, Room::Ordinary, |turn| drop(work(turn))).await?;
            return Ok(AppendedBatch { base_offset: -1, arrived_at: None, log_start: -1 });
        }
        self.shard().call(Terms { acks, weight, room: Room::Ordinary }, work).await?
    }
}

impl Turn<'_> {
    fn produce_to_queue(&mut self, batch: QueueBatch) -> Result<AppendedBatch, Refusal> {
        let QueueBatch { queue, header, messages, .. } = batch;
        let place = u64::from(queue.id.0);
        let is_named = header.producer_id >= 0;
        let appended = |base: Offset| AppendedBatch { base_offset: base.0, arrived_at: None, log_start: 0 };
        if self.engines.queue.queue_info(&queue.name)?.id != queue.id {
            let detail = format!("{} was deleted and made again; ask for metadata again", queue.name);
            return Err(Refusal::new(ErrorCode::UnknownTopic, detail));
        }
        if is_named {
            let name = TopicPartition { topic: queue.name.clone(), partition: 0 };
            let max = self.engines.log.check_numbered(&header)?;
            if let Some(base) = self.engines.queue_producers.check(place, &name, &header, max)? {
                return Ok(appended(base));
            }
        }
        self.check_room(&queue, &messages)?;
        self.tail = ProducerWindows::RECORD_BYTES + segment_store::RECORD_OVERHEAD;
        let receipt = |published: &Published| Receipt::Queue { id: published.id.map_or(0, |id| id.0) };
        let messages = messages.into_iter().map(Ok).collect();
        let receipts = enqueue(self, Destination::Queue(&queue.name), messages, receipt)?;
        let mut first = None;
        for receipt in receipts {
            if let Receipt::Queue { id } = receipt.map_err(|refusal| *refusal)? {
                first = first.or(i64::try_from(id).ok());
            }
        }
        let base = Offset(first.unwrap_or(-1));
        if is_named {
            let record = self.engines.queue_producers.note(place, &header, base, self.now);
            self.journal.block().push(RecordKind::PRODUCER, &[&record]);
        }
        Ok(appended(base))
    }

    /// Whether the queue takes all of them.
    fn check_room(&self, queue: &QueueTopic, messages: &[NewMessage]) -> Result<(), Refusal> {
        let bytes: u64 = messages.iter().map(|message| Bytes::len(&message.body) as u64).sum();
        let count = messages.len() as u64;
        let Err(full) = self.engines.queue.would_take(&queue.name, count, bytes) else { return Ok(()) };
        let options = self.engines.queue.queue_info(&queue.name)?.in_force;
        let never = options.max_length.is_some_and(|most| count > most)
            || options.max_length_bytes.is_some_and(|most| bytes > most);
        if never {
            let detail = format!("{} never takes so much at a time; send smaller batches", queue.name);
            return Err(Refusal::new(ErrorCode::TooLarge, detail));
        }
        Err(full.into())
    }
}
