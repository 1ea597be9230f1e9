//! What open transactions are to do to queues: kept in memory until they are committed, for a queue shows its messages
//! as soon as it has them.

use std::collections::HashMap;

use log_engine::Producer;
use message::{ErrorCode, TopicName};
use queue_engine::{NewMessage, QueueEngine, Settle};

use crate::refusal::Refusal;

/// Journal bytes that settling a lease takes, its dead letter aside.
const SETTLE_BYTES: usize = super::super::queue_topic::SETTLE_WEIGHT + 32;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagingSettings {
    /// Most bytes of one transaction's messages and settles.
    pub transaction_bytes: usize,
    /// Most bytes of all of them together.
    pub total_bytes: usize,
}

impl Default for StagingSettings {
    fn default() -> StagingSettings {
        StagingSettings { transaction_bytes: 16 << 20, total_bytes: 256 << 20 }
    }
}

/// Everything that waits.
pub(crate) struct Staging {
    settings: StagingSettings,
    open: HashMap<Producer, Staged>,
    bytes: usize,
}

/// What waits for one transaction.
#[derive(Default)]
pub(crate) struct Staged {
    pub publishes: Vec<(TopicName, Vec<NewMessage>)>,
    pub settles: Vec<Settle>,
    bytes: usize,
}

impl Staging {
    pub(crate) fn new(settings: StagingSettings) -> Staging {
        Staging { settings, open: HashMap::new(), bytes: 0 }
    }

    /// Takes messages for a queue.
    pub(crate) fn publish(
        &mut self,
        transaction: Producer,
        queue: &TopicName,
        messages: Vec<NewMessage>,
        bytes: usize,
    ) -> Result<(), Refusal> {
        let staged = self.room(transaction, bytes)?;
        match staged.publishes.last_mut() {
            Some((last, waiting)) if last == queue => waiting.extend(messages),
            _ => staged.publishes.push((queue.clone(), messages)),
        }
        Ok(())
    }

    /// Takes leases to settle.
    pub(crate) fn settle(&mut self, transaction: Producer, settles: &[Settle]) -> Result<(), Refusal> {
        let staged = self.room(transaction, settles.len() * SETTLE_BYTES)?;
        staged.settles.extend_from_slice(settles);
        Ok(())
    }

    /// Whether the transaction settles this lease already.
    pub(crate) fn settles(&self, transaction: Producer, settle: &Settle) -> bool {
        let staged = self.open.get(&transaction);
        staged.is_some_and(|staged| staged.settles.iter().any(|waiting| waiting.lease == settle.lease))
    }

    fn room(&mut self, transaction: Producer, bytes: usize) -> Result<&mut Staged, Refusal> {
        let StagingSettings { transaction_bytes, total_bytes } = self.settings;
        let has = self.open.get(&transaction).map_or(0, |staged| staged.bytes);
        if has + bytes > transaction_bytes {
            let detail = format!("a transaction stages at most {transaction_bytes} bytes for queues");
            return Err(Refusal::new(ErrorCode::TooLarge, detail));
        }
        if self.bytes + bytes > total_bytes {
            let detail = format!("open transactions hold {} bytes for queues; retry", self.bytes);
            return Err(Refusal::new(ErrorCode::Overloaded, detail).retry_after(500));
        }
        self.bytes += bytes;
        let staged = self.open.entry(transaction).or_default();
        staged.bytes += bytes;
        Ok(staged)
    }

    pub(crate) fn get(&self, transaction: Producer) -> Option<&Staged> {
        self.open.get(&transaction)
    }

    /// Takes what waits for a transaction that ends.
    pub(crate) fn take(&mut self, transaction: Producer) -> Option<Staged> {
        let staged = self.open.remove(&transaction)?;
        self.bytes -= staged.bytes;
        Some(staged)
    }

    /// Drops what waits for transactions that ended otherwise.
    pub(crate) fn retain(&mut self, is_open: impl Fn(Producer) -> bool) {
        let ended: Vec<_> = self.open.keys().copied().filter(|producer| !is_open(*producer)).collect();
        ended.into_iter().for_each(|producer| drop(self.take(producer)));
    }
}

impl Staged {
    /// How many messages wait.
    pub(crate) fn messages(&self) -> usize {
        self.publishes.iter().map(|(_, messages)| messages.len()).sum()
    }

    /// Whether the queues would take all of it now.
    pub(crate) fn check(&self, engine: &QueueEngine) -> Result<(), Refusal> {
        for settle in &self.settles {
            if engine.lease_queue(settle.lease).is_none() {
                let detail = "a lease that the transaction was to settle has ended";
                return Err(Refusal::new(ErrorCode::StaleLease, detail));
            }
        }
        let mut by_queue: HashMap<&TopicName, (u64, u64)> = HashMap::new();
        for (queue, messages) in &self.publishes {
            let sum = by_queue.entry(queue).or_default();
            sum.0 += messages.len() as u64;
            sum.1 += messages.iter().map(|message| message.body.len() as u64).sum::<u64>();
        }
        for (queue, (messages, bytes)) in by_queue {
            engine.would_take(queue, messages, bytes)?;
        }
        Ok(())
    }

    /// Bytes that all of it takes in a block at most.
    pub(crate) fn block_bytes(&self, engine: &mut QueueEngine) -> usize {
        let publishes = self.publishes.iter().map(|(queue, messages)| {
            engine.publish_bytes(queue_engine::Destination::Queue(queue), messages)
                + messages.len() * super::super::queue_topic::SETTLE_WEIGHT
        });
        publishes.sum::<usize>() + self.settles.len() * SETTLE_BYTES + 1024
    }
}
