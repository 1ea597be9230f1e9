use super::Connection;
use super::answers::Expect;
use super::channel::Mode;
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::unsettled::Pending;
use crate::amqp::wire::{MethodId, Reply};
use crate::topics::Lease;
use crate::topics::session::{Action, Publish, Settlement};

/// What a channel in a transaction did and has not committed.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    publishes: Vec<Publish>,
    settled: Vec<(Pending, Settlement)>,
    bytes: usize,
}

impl Transaction {
    /// Adds a message; answers how many bytes more are kept.
    pub(super) fn publish(&mut self, publish: Publish) -> usize {
        let bytes = publish.body.len() + publish.headers.as_bytes().len() + publish.properties.len() + 128;
        self.publishes.push(publish);
        self.bytes += bytes;
        bytes
    }

    /// Adds a settlement.
    pub(super) fn settle(&mut self, pending: Pending, settlement: Settlement) {
        self.settled.push((pending, settlement));
    }

    /// How many messages and settlements there are.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.publishes.len() as u64, self.settled.len() as u64)
    }

    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Leases that it was to settle.
    pub(super) fn leases(&self) -> impl Iterator<Item = Lease> {
        self.settled.iter().filter_map(|(pending, _)| pending.lease)
    }
}

impl Connection {
    pub(super) fn commit(&mut self, number: u16) -> Result<(), AmqpError> {
        let transaction = self.take_transaction(number)?;
        let mut settles = Vec::with_capacity(transaction.settled.len());
        for (pending, settlement) in &transaction.settled {
            settles.extend(pending.lease.map(|lease| (lease, *settlement)));
            self.repay(pending);
        }
        // What was kept is counted as under way from here on.
        self.in_flight += transaction.bytes;
        self.gathered += transaction.bytes;
        let mut steps: Vec<Action> = transaction.publishes.into_iter().map(Action::Publish).collect();
        if !settles.is_empty() {
            steps.push(Action::Settle(settles));
        }
        let Some(key) = self.channels.get(&number).map(|channel| channel.key) else { return Ok(()) };
        self.await_answer(number, key, MethodId { class: 90, method: 20 }, Expect::TxCommitOk);
        self.push(key, Action::Commit(steps));
        Ok(())
    }

    pub(super) fn roll_back(&mut self, number: u16) -> Result<(), AmqpError> {
        let transaction = self.take_transaction(number)?;
        if let Some(channel) = self.channels.get_mut(&number) {
            // As if they had never been settled.
            channel.unsettled.put_back(transaction.settled.into_iter().map(|(pending, _)| pending));
        }
        self.say_in_order(number, Reply::TxRollbackOk);
        Ok(())
    }

    fn take_transaction(&mut self, number: u16) -> Result<Transaction, AmqpError> {
        let Some(channel) = self.channels.get_mut(&number) else { return Ok(Transaction::default()) };
        let Mode::Transaction(transaction) = &mut channel.mode else {
            return Err(AmqpError::new(ReplyCode::PreconditionFailed, "channel is not transactional"));
        };
        let transaction = std::mem::take(transaction);
        self.assembling -= transaction.bytes;
        Ok(transaction)
    }
}
