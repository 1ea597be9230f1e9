//! Transactions: publishes and settles, all of them or nothing.
use std::collections::BTreeMap;

use message::Timestamp;
use proptest::prelude::*;
use queue_engine::{QueueError, Settle, SettleError, Transaction, TransactionError, TransactionPublish};
use segment_store::Block;

use crate::arriving::Arrived;
use crate::book::Book;
use crate::command::{Action, Sending};
use crate::keeper::Keeper;
use crate::queue::Letter;
use crate::{Lease, Pair, exchange_name};

/// Why nothing of a transaction happens, and at which of its parts that shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    Stale(usize),
    UnknownExchange(usize),
    Full(usize),
    LogsFull(usize),
}

impl Refusal {
    fn of(error: &TransactionError) -> Refusal {
        match error {
            TransactionError::Settle { at, error: SettleError::StaleLease } => Refusal::Stale(*at),
            TransactionError::Publish { at, error: QueueError::UnknownExchange(_) } => {
                Refusal::UnknownExchange(*at)
            }
            TransactionError::Publish { at, error: QueueError::QueueFull(_) } => Refusal::Full(*at),
            TransactionError::Publish { at, error: QueueError::LogsFull } => Refusal::LogsFull(*at),
            other => panic!("{other}"),
        }
    }
}

impl Book {
    fn objects(&self, letters: &[(Letter, i64)], settles: &[(Lease, Action)]) -> Option<Refusal> {
        for (at, (lease, _)) in settles.iter().enumerate() {
            let again = settles[..at].iter().any(|(other, _)| other.serial == lease.serial);
            if again || !self.holds(lease.queue, lease.sequence, lease.serial) {
                return Some(Refusal::Stale(at));
            }
        }
        // What comes before a message counts, as if no consumer took it meanwhile.
        let mut coming: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for (at, (letter, delay)) in letters.iter().enumerate() {
            if letter.exchange == "nowhere" {
                return Some(Refusal::UnknownExchange(at));
            }
            let ids = self.route(&letter.exchange, &letter.key, letter.headers);
            if self.is_held(&ids) {
                return Some(Refusal::LogsFull(at));
            }
            for id in ids {
                let (messages, bytes) = coming.entry(id).or_default();
                let with = (*messages + 1, *bytes + letter.body.len() as u64);
                if self.queues[&id].refuses_all(with.0, with.1) {
                    return Some(Refusal::Full(at));
                }
                if *delay == 0 {
                    (*messages, *bytes) = with;
                }
            }
        }
        None
    }
}

impl<J: Keeper> Pair<J> {
    pub fn transact(
        &mut self,
        publishes: &[Sending],
        settles: &[(prop::sample::Index, Action)],
        block: &mut Block,
    ) {
        let mut transaction = Transaction::default();
        let mut letters = Vec::new();
        for sending in publishes {
            let (message, letter) = self.draft(sending, 0);
            let (exchange, routing_key) = (exchange_name(sending.exchange).to_owned(), letter.key.clone());
            transaction.publishes.push(TransactionPublish { exchange, routing_key, message });
            letters.push((letter, sending.delay));
        }
        let asked: Vec<(Settle, Lease)> = self.settles(settles);
        transaction.settles = asked.iter().map(|(settle, _)| *settle).collect();
        let meant: Vec<(Lease, Action)> =
            asked.iter().zip(settles).map(|((_, lease), (_, action))| (*lease, *action)).collect();
        assert!(block.fits(self.engine.transaction_bytes(&transaction)));
        let done = self.engine.commit(block, transaction, Timestamp(self.now));
        let refusal = self.book.objects(&letters, &meant);
        assert_eq!(done.as_ref().err().map(Refusal::of), refusal);
        let Ok(published) = done else { return };
        for (published, (letter, delay)) in published.iter().zip(&letters) {
            let ids = self.book.route(&letter.exchange, &letter.key, letter.headers);
            let Arrived::Taken { known, first } = self.book.arrive(&ids, letter, *delay, self.now) else {
                panic!("every queue was asked")
            };
            assert_eq!((published.queues, published.duplicates), (ids.len(), known));
            assert_eq!(published.id.map(|id| id.0), first);
        }
        for (lease, action) in meant {
            self.book.settle(lease.queue, lease.sequence, action, self.now);
        }
        self.book.wind_up(self.now);
    }
}
